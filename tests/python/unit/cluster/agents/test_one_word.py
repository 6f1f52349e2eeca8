"""An agent that says that it knows newer assignments than the database: one holds its node, two hold the cluster."""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import held_reports
from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.cluster.reconcile import node_state
from controller.cluster.reconcile.node_state import Seen
from controller.model.node import NODE, NodeHold
from controller.store import events, resources, restore_hold, schema
from controller.store.changes import Feed
from controller.store.database import Database, Tier, Transaction
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, node

pytestmark = pytest.mark.design("G1", "D5")

NAMES = ("n1", "n2", "n3")
NOBODY = dict.fromkeys(NAMES, "")


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """Three nodes that have joined, and one that was only planned."""
    made = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    rows = [node(name, "r1", registered=True) for name in NAMES]
    made.write(lambda tx: resources.insert(tx, [*rows, node("planned", "r1")]))
    return made


def says(db: Database, name: str) -> bool:
    return db.write(lambda tx: restore_hold.take_word(tx, CLUSTER, name))


def holds(db: Database) -> dict[str, str]:
    rows = db.read(lambda tx: resources.list_all(tx, NODE))
    return {row.name: row.facts.hold.value for row in rows if row.name != "planned"}


async def index_of(db: Database, clock: VirtualClock) -> AssignmentIndex:
    index = AssignmentIndex(db, Feed(db, clock), clock, CLUSTER)
    await index._begin()
    return index


def test_one_agent_holds_its_own_node_and_two_hold_the_cluster(db: Database) -> None:
    """One agent's hello ended all sessions and stopped all work, again after each hold."""
    for _ in range(3):
        assert not says(db, "n1")
    assert holds(db) == {**NOBODY, "n1": "Alone"}
    assert not db.read(restore_hold.is_active)
    assert [each.spec.reason for each in db.read(lambda tx: events.of(tx, NODE.name, f"{CLUSTER}/n1"))] == [
        "UnknownAssignments"
    ]
    assert says(db, "n2")
    assert holds(db) == dict.fromkeys(NAMES, "Unreported")
    assert db.read(restore_hold.is_active)


def test_the_only_node_that_has_joined_is_enough(db: Database) -> None:
    db.write(lambda tx: resources.delete(tx, [NODE.key(CLUSTER, name) for name in ("n2", "n3")]))
    assert says(db, "n1")
    assert holds(db) == {"n1": "Unreported"}


def test_while_the_cluster_is_held_one_more_is_waited_for(db: Database) -> None:
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    db.write(lambda tx: restore_hold.release(tx, resources.get(tx, NODE.key(CLUSTER, "n3"))))
    assert says(db, "n3")
    assert holds(db)["n3"] == "Unreported"


def test_the_report_of_a_node_that_is_held_alone_adopts_nothing(db: Database) -> None:
    says(db, "n1")
    assert not db.write(lambda tx: held_reports.take(tx, CLUSTER, "n1", []))
    assert holds(db)["n1"] == "Alone"


def test_nothing_is_placed_on_a_node_that_is_held_alone_and_its_reason_names_the_commands(db: Database) -> None:
    says(db, "n1")
    row = db.read(lambda tx: resources.get(tx, NODE.key(CLUSTER, "n1")))
    shown = node_state.with_hold(row, Seen("Up", ""))
    assert shown.state == "Unknown"
    assert "resourcectl db hold" in shown.reason
    assert "resourcectl db end-hold" in shown.reason
    assert node_state.with_hold(row, Seen("Down", "")).state == "Down"


@pytest.mark.parametrize("restored", [True, False])
async def test_a_node_that_was_skipped_may_return_weeks_later(
    db: Database, clock: VirtualClock, *, restored: bool
) -> None:
    """It knew an epoch before the restore, and froze the cluster once more."""

    def skip(tx: Transaction) -> list[str]:
        if restored:
            restore_hold.begin(tx, new_epoch=True)
        else:
            restore_hold.take_word(tx, CLUSTER, "n1")
        return restore_hold.skip_reports(tx)

    assert (await index_of(db, clock)).is_unknown_epoch("n1", "before", 7)
    assert db.write(skip) == (list(NAMES) if restored else ["n1"])
    db.write(restore_hold.end)
    index = await index_of(db, clock)
    assert not index.is_unknown_epoch("n1", "before", 7)
    assert not index.is_held("n1")
    assert holds(db) == NOBODY
    current = db.read(lambda tx: schema.epoch(tx.connection))
    assert not index.is_unknown_epoch("n1", current, 1 << 40), "however the hold began"
    assert not index.has_returned("n1", current, 1 << 40)
    assert index.has_returned("n1", current, 0), "it was sent its assignments"
    db.write(lambda tx: restore_hold.note_returned(tx, CLUSTER, "n1"))
    index = await index_of(db, clock)
    assert not index.has_returned("n1", current, 0)
    assert index.is_unknown_epoch("n1", current, 1 << 40), "of this database, and newer than it"


async def test_the_session_of_a_held_node_ends_once_its_report_is_waited_for(db: Database, clock: VirtualClock) -> None:
    ended: list[str] = []
    index = AssignmentIndex(db, Feed(db, clock), clock, CLUSTER, deleted=ended.append)
    await index._begin()
    released: set[str] = set()
    row = db.read(lambda tx: resources.get(tx, NODE.key(CLUSTER, "n1")))
    for hold in (NodeHold.ALONE, NodeHold.ALONE, NodeHold.UNREPORTED, NodeHold.REPORTED):
        index._take_node(row.model_copy(update={"observed": {**row.observed, "hold": hold.value}}), released)
    assert ended == ["n1", "n1"]
    index._take_node(row, released)
    assert released == {"n1"}
