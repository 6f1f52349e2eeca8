"""Capacity (I1): nothing is overcommitted, and everything taken comes back once."""

from __future__ import annotations

import threading

import pytest

from controller.clock import VirtualClock
from controller.errors import Conflict, InvalidInput, NoRoom
from controller.model.node import Capacity
from controller.store import capacity
from controller.store.database import Database, Tier
from tests.python.databases import Databases

pytestmark = pytest.mark.design("I1")

TOTAL = Capacity(vcpus=4, memory_mib=4096, disk_gib=100)
SMALL = Capacity(vcpus=1, memory_mib=1024, disk_gib=10)


def ready(db: Database, *nodes: str) -> None:
    for node in nodes:
        db.write(lambda tx, node=node: capacity.set_total(tx, node, TOTAL))  # type: ignore[misc]


def take(db: Database, *wanted: tuple[str, str, Capacity]) -> None:
    db.write(lambda tx: capacity.take(tx, wanted))


def taken(db: Database, node: str = "a") -> Capacity:
    return db.read(capacity.usage)[node][1]


def test_what_fits_is_taken_and_given_back_once(cluster_database: Database) -> None:
    db = cluster_database
    ready(db, "a")
    take(db, ("a", "u1", SMALL), ("a", "u2", SMALL))
    assert db.read(capacity.usage) == {"a": (TOTAL, Capacity(vcpus=2, memory_mib=2048, disk_gib=20))}
    for _ in range(2):
        db.write(lambda tx: capacity.give_back(tx, [("a", "u1"), ("b", "u1")]))
        assert taken(db) == SMALL
    assert db.read(capacity.takings) == {("a", "u2"): SMALL}


@pytest.mark.parametrize("size", ["vcpus", "memory_mib", "disk_gib"])
def test_each_size_is_checked(cluster_database: Database, size: str) -> None:
    db = cluster_database
    ready(db, "a")
    wanted = Capacity(**{size: getattr(TOTAL, size) + 1})
    with pytest.raises(NoRoom, match=size) as caught:
        take(db, ("a", "u1", wanted))
    assert caught.value.reasons == {f"too little {size}": 1}
    take(db, ("a", "u1", TOTAL))


def test_one_that_does_not_fit_leaves_all_untaken_even_when_the_caller_goes_on(cluster_database: Database) -> None:
    db = cluster_database
    ready(db, "a", "b")

    def work(tx: object) -> None:
        with pytest.raises(NoRoom):
            capacity.take(tx, [("a", "u1", SMALL), ("b", "u2", TOTAL), ("b", "u3", SMALL)])  # type: ignore[arg-type]
        capacity.take(tx, [("b", "u3", SMALL)])  # type: ignore[arg-type]

    db.write(work)
    assert taken(db, "a") == Capacity()
    assert taken(db, "b") == SMALL


def test_an_unknown_node_has_no_room(cluster_database: Database) -> None:
    with pytest.raises(NoRoom, match="has not reported"):
        take(cluster_database, ("a", "u1", SMALL))


def test_a_uid_takes_once_per_node(cluster_database: Database) -> None:
    ready(cluster_database, "a", "b")
    take(cluster_database, ("a", "u1", SMALL), ("b", "u1", SMALL))
    with pytest.raises(Conflict):
        take(cluster_database, ("a", "u1", SMALL))
    assert taken(cluster_database) == SMALL


def test_a_node_that_shrinks_keeps_what_is_taken_and_takes_no_more(cluster_database: Database) -> None:
    db = cluster_database
    ready(db, "a")
    take(db, ("a", "u1", TOTAL))
    db.write(lambda tx: capacity.set_total(tx, "a", SMALL))
    assert db.read(capacity.usage)["a"] == (SMALL, TOTAL)
    with pytest.raises(NoRoom):
        take(db, ("a", "u2", SMALL))
    db.write(lambda tx: capacity.give_back(tx, [("a", "u1")]))
    take(db, ("a", "u2", SMALL))


def test_a_removed_node_is_forgotten(cluster_database: Database) -> None:
    ready(cluster_database, "a")
    take(cluster_database, ("a", "u1", SMALL))
    cluster_database.write(lambda tx: capacity.remove_node(tx, "a"))
    assert cluster_database.read(capacity.usage) == {}
    assert cluster_database.read(capacity.takings) == {}


def test_two_controllers_at_once_cannot_take_the_last_room_twice(databases: Databases, clock: VirtualClock) -> None:
    url = databases.url(Tier.CLUSTER)
    opened = [databases.open(url, Tier.CLUSTER, clock) for _ in range(3)]
    ready(opened[0], "a")
    outcomes: list[bool] = []

    def run(db: Database, name: str) -> None:
        for number in range(3):
            try:
                take(db, ("a", f"{name}-{number}", SMALL))
                outcomes.append(True)
            except NoRoom:
                outcomes.append(False)

    threads = [threading.Thread(target=run, args=(db, f"c{number}")) for number, db in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(True), outcomes.count(False)) == (4, 5)
    assert taken(opened[0]) == Capacity(vcpus=4, memory_mib=4096, disk_gib=40)


def test_a_size_that_no_column_holds_is_refused(cluster_database: Database) -> None:
    ready(cluster_database, "a")
    with pytest.raises(InvalidInput, match="refuses the value"):
        cluster_database.write(lambda tx: capacity.set_total(tx, "a", Capacity(vcpus=1 << 70)))
    assert cluster_database.read(capacity.usage)["a"][0] == TOTAL
