"""Nodes kept from pass to pass: whatever else happens to the database, a pass sees the nodes as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.clock import VirtualClock
from controller.cluster.reconcile.cluster_controller import ClusterController
from controller.cluster.unit_of_work.node_cache import NodeCache
from controller.errors import StaleTerm
from controller.model.node import Capacity, Node
from controller.model.registry import key_of
from controller.store import backup, capacity, lease, resources
from controller.store.changes import Feed
from controller.store.database import Database, Fence, Tier, Transaction
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node

pytestmark = pytest.mark.design("J10")


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """Has n1 and n2, both Up."""
    made = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    rows = [node(name, name).model_copy(update={"state": "Up"}) for name in ("n1", "n2")]

    def fill(tx: Transaction) -> None:
        resources.insert(tx, rows)
        for row in rows:
            capacity.set_total(tx, row.name, Capacity(vcpus=4, memory_mib=4096, disk_gib=40))

    made.write(fill)
    return made


def seen(db: Database, cache: NodeCache) -> dict[str, str]:
    return {name: each.state for name, each in db.read(lambda tx: cache.read(tx, CLUSTER)).items()}


def say(tx: Transaction, name: str, state: str) -> Node:
    row = db_row(tx, name).model_copy(update={"state": state})
    (stored,) = resources.update(tx, [row])
    assert isinstance(stored, Node)
    return stored


def db_row(tx: Transaction, name: str) -> Node:
    found = resources.get(tx, key_of(node(name, name)))
    assert isinstance(found, Node)
    return found


def test_what_did_not_change_is_not_parsed_again(db: Database) -> None:
    cache = NodeCache()
    first = db.read(lambda tx: cache.read(tx, CLUSTER))
    db.write(lambda tx: say(tx, "n2", "Down"))
    second = db.read(lambda tx: cache.read(tx, CLUSTER))
    assert second["n1"] is first["n1"]
    assert second["n2"].state == "Down"


def test_what_was_parsed_elsewhere_is_not_parsed_again_while_it_is_true(db: Database) -> None:
    cache = NodeCache()
    old = db.read(lambda tx: db_row(tx, "n1"))
    newer = db.write(lambda tx: say(tx, "n1", "Down"))
    cache.learn([newer])
    cache.learn([old])
    assert db.read(lambda tx: cache.read(tx, CLUSTER))["n1"] is newer
    db.write(lambda tx: say(tx, "n1", "Unknown"))
    cache.learn([newer])
    assert seen(db, cache) == {"n1": "Unknown", "n2": "Up"}


def test_another_writers_changes_are_seen(db: Database) -> None:
    cache = NodeCache()
    assert seen(db, cache) == {"n1": "Up", "n2": "Up"}
    db.write(lambda tx: say(tx, "n1", "Down"))
    db.write(lambda tx: resources.delete(tx, [key_of(node("n2", "n2"))]))
    db.write(lambda tx: resources.insert(tx, [node("n3", "n3")]))
    assert seen(db, cache) == {"n1": "Down", "n3": ""}


def test_a_node_that_was_made_again_is_another_one(db: Database) -> None:
    """Also where its version were the same: an identity is never used twice, and is looked at too."""
    cache = NodeCache()
    seen(db, cache)
    version = db.read(lambda tx: db_row(tx, "n1")).resource_version

    def again(tx: Transaction) -> None:
        resources.delete(tx, [key_of(node("n1", "n1"))])
        again = node("n1", "n1").model_copy(update={"state": "Unknown", "resource_version": version})
        resources.insert(tx, [again], log=False)

    db.write(again)
    assert seen(db, cache) == {"n1": "Unknown", "n2": "Up"}


def test_a_restored_database_is_seen_as_it_is_though_its_versions_are_lower(
    db: Database, sqlite_databases: Databases, clock: VirtualClock, tmp_path: Path
) -> None:
    cache = NodeCache()
    backup.backup(db, tmp_path / "backup")
    db.write(lambda tx: say(tx, "n1", "Down"))
    assert seen(db, cache) == {"n1": "Down", "n2": "Up"}
    restored = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    backup.restore(restored, tmp_path / "backup")
    assert seen(restored, cache) == {"n1": "Up", "n2": "Up"}
    restored.write(lambda tx: say(tx, "n1", "Unknown"))
    assert seen(restored, cache) == {"n1": "Unknown", "n2": "Up"}


def test_what_a_transaction_wrote_and_lost_is_not_kept(db: Database) -> None:
    """The version that it had taken is then given to another change of the same node."""
    cache = NodeCache()
    versions = []

    def lost(tx: Transaction) -> None:
        versions.append(say(tx, "n1", "Down").resource_version)
        assert cache.read(tx, CLUSTER)["n1"].state == "Down"
        raise StaleTerm("lost")

    with pytest.raises(StaleTerm):
        db.write(lost)
    versions.append(db.write(lambda tx: say(tx, "n1", "Unknown")).resource_version)
    assert versions[0] == versions[1]
    assert seen(db, cache) == {"n1": "Unknown", "n2": "Up"}


async def test_a_master_that_lost_its_term_places_nothing_and_the_next_one_sees_what_changed(
    db: Database, clock: VirtualClock
) -> None:
    """Old master: placed web-0, has kept both nodes. n1 goes Down, another is master: it takes n2."""

    def master(name: str) -> ClusterController:
        held = db.write(lambda tx: lease.reassign(tx, "cluster-controller", name, 0, 10.0))
        fence = Fence("cluster-controller", held.term)
        return ClusterController(db, Feed(db, clock), fence, cluster=CLUSTER, clock=clock)

    async def place(by: ClusterController, name: str) -> str:
        wanted = compute(name).model_copy(update={"status": "Initializing"})
        db.write(lambda tx: resources.find(tx, key_of(wanted)) or resources.insert(tx, [wanted])[0])
        await by._work(frozenset({str(key_of(wanted))}))
        return str(db.read(lambda tx: resources.get(tx, key_of(wanted))).observed["node"])

    old = master("old")
    first = await place(old, "web-0")
    other = {"n1": "n2", "n2": "n1"}[first]
    await clock.advance(11.0)
    new = master("new")
    db.write(lambda tx: say(tx, other, "Down"))
    with pytest.raises(StaleTerm):
        await place(old, "web-1")
    assert len(db.read(capacity.takings)) == 1
    assert await place(new, "web-1") == first
    db.write(lambda tx: say(tx, other, "Up"))
    db.write(lambda tx: say(tx, first, "Down"))
    assert await place(new, "web-2") == other
