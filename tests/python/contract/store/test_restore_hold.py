"""The hold of a cluster whose database is an older one, on each engine."""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.model.node import NODE
from controller.store import resources, restore_hold
from controller.store.changes import Feed
from controller.store.database import Tier, Transaction
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, node

pytestmark = pytest.mark.design("G1", "D5")

NAMES = ("n1", "n2", "n3")


@pytest.mark.parametrize("restored", [True, False], ids=["by-a-restore", "by-words-of-agents"])
async def test_what_was_skipped_holds_nothing_when_it_returns(databases: Databases, *, restored: bool) -> None:
    """After a hold by words of agents the epoch was the same one, so that the word of n3 held its node again."""
    clock = VirtualClock()
    db = databases.new(Tier.CLUSTER, clock, CLUSTER)

    def begin(tx: Transaction) -> None:
        resources.insert(tx, [node(name, "r1", registered=True) for name in NAMES])
        if restored:
            restore_hold.begin(tx, new_epoch=True)
        else:
            assert [restore_hold.take_word(tx, CLUSTER, name) for name in ("n1", "n2")] == [False, True]
        for name in ("n1", "n2"):
            restore_hold.mark_reported(tx, resources.get(tx, NODE.key(CLUSTER, name)))

    async def index() -> AssignmentIndex:
        made = AssignmentIndex(db, Feed(db, clock), clock, CLUSTER)
        await made._begin()
        return made

    db.write(begin)
    assert db.write(restore_hold.skip_reports) == ["n3"]
    db.write(restore_hold.end)
    now = (await index()).full_set("n3")
    for epoch, version in (("before", 7), (now.epoch, now.version + 1000)):
        assert not (await index()).is_unknown_epoch("n3", epoch, version)
        assert not (await index()).has_returned("n3", epoch, version)
    assert (await index()).is_unknown_epoch("n1", now.epoch, now.version + 1000), "it was not skipped"
    assert (await index()).has_returned("n3", now.epoch, now.version)
    db.write(lambda tx: restore_hold.note_returned(tx, CLUSTER, "n3"))
    assert (await index()).is_unknown_epoch("n3", now.epoch, now.version + 1000), "from now on its word counts"
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    assert {row.name for row in db.read(restore_hold.held)} == set(NAMES)
