"""Capacity (I1): nothing is overcommitted, and everything taken comes back once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import NullPool, create_engine, text

from controller.clock import VirtualClock
from controller.errors import Conflict, InvalidInput, NoRoom
from controller.model.node import Capacity, Share
from controller.store import capacity
from controller.store.capacity import Taking
from controller.store.database import Database, Tier
from controller.store.schema import migrate
from tests.python.databases import Databases

pytestmark = pytest.mark.design("I1")

TOTAL = Capacity(
    vcpus=4,
    pinned_cpus=4,
    memory_mib=4096,
    hugepages_mib=2048,
    disk_gib=100,
    disk_iops=1000,
    disk_mibps=400,
    network_mbps=10000,
)
SMALL = Capacity(vcpus=1, memory_mib=1024, disk_gib=10)
CELL = Capacity(vcpus=2, pinned_cpus=2, memory_mib=2048, hugepages_mib=1024)


def ready(db: Database, *nodes: str) -> None:
    for node in nodes:
        db.write(lambda tx, node=node: capacity.set_total(tx, node, TOTAL))  # type: ignore[misc]


def of(
    node: str, uid: str, size: Capacity, cells: dict[int, Capacity] | None = None, cpus: Sequence[int] = ()
) -> Taking:
    return Taking(node, uid, Share(size, cells or {}, tuple(cpus)))


def take(db: Database, *wanted: Taking | tuple[str, str, Capacity]) -> None:
    takings = [one if isinstance(one, Taking) else of(*one) for one in wanted]
    db.write(lambda tx: capacity.take(tx, takings))


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
    assert db.read(capacity.takings) == {("a", "u2"): Share(SMALL)}


@pytest.mark.design("I3", "I4")
@pytest.mark.parametrize("size", list(Capacity.model_fields))
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
            capacity.take(tx, [of("a", "u1", SMALL), of("b", "u2", TOTAL), of("b", "u3", SMALL)])  # type: ignore[arg-type]
        capacity.take(tx, [of("b", "u3", SMALL)])  # type: ignore[arg-type]

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


def test_shares_of_a_thread_add_up_to_the_hundredth(cluster_database: Database) -> None:
    ready(cluster_database, "a")
    third = Capacity(vcpus=0.33)
    take(cluster_database, *(("a", f"u{number}", third) for number in range(12)))
    assert taken(cluster_database) == Capacity(vcpus=3.96)
    with pytest.raises(NoRoom, match=r"vcpus 0\.04 of 0\.33"):
        take(cluster_database, ("a", "u", third))
    cluster_database.write(lambda tx: capacity.give_back(tx, [("a", f"u{number}") for number in range(12)]))
    assert taken(cluster_database) == Capacity()


@pytest.mark.design("I5")
def test_a_cell_is_not_taken_twice_though_the_node_has_room(cluster_database: Database) -> None:
    db = cluster_database
    db.write(lambda tx: capacity.set_total(tx, "a", TOTAL, {0: CELL, 1: CELL}))
    take(db, of("a", "u1", CELL, {0: CELL}, cpus=(0, 1)))
    with pytest.raises(NoRoom, match="cell 0 of node a has too little free: memory_mib 0 of 1"):
        take(db, of("a", "u2", Capacity(memory_mib=1), {0: Capacity(memory_mib=1)}))
    take(db, of("a", "u2", CELL, {1: CELL}, cpus=(2, 3)))
    assert db.read(capacity.cell_usage) == {"a": {0: (CELL, CELL), 1: (CELL, CELL)}}
    assert db.read(capacity.takings)["a", "u2"] == Share(CELL, {1: CELL}, (2, 3))
    db.write(lambda tx: capacity.give_back(tx, [("a", "u1"), ("a", "u2")]))
    assert db.read(capacity.cell_usage) == {"a": {0: (CELL, Capacity()), 1: (CELL, Capacity())}}
    assert db.read(capacity.owned_cpus) == {}


def test_a_cell_that_is_gone_takes_no_more(cluster_database: Database) -> None:
    db = cluster_database
    for cells in ({0: CELL, 1: CELL}, {0: CELL, 2: CELL}):
        db.write(lambda tx, cells=cells: capacity.set_total(tx, "a", TOTAL, cells))  # type: ignore[misc]
    assert {cell: use.total for cell, use in db.read(capacity.cell_usage)["a"].items()} == {
        0: CELL,
        1: Capacity(),
        2: CELL,
    }


@pytest.mark.design("I3")
def test_a_pinned_cpu_has_one_owner(cluster_database: Database) -> None:
    db = cluster_database
    ready(db, "a", "b")
    pinned = Capacity(pinned_cpus=1)
    take(db, of("a", "u1", pinned, cpus=(2,)), of("b", "u1", pinned, cpus=(2,)))
    assert db.read(capacity.owned_cpus) == {"a": {2: "u1"}, "b": {2: "u1"}}
    with pytest.raises(Conflict, match="cpu 2 of node a has an owner already: u1"):
        take(db, of("a", "u2", pinned, cpus=(2,)))
    assert taken(db) == pinned, "nothing of what was refused is taken"
    db.write(lambda tx: capacity.give_back(tx, [("a", "u1")]))
    take(db, of("a", "u2", pinned, cpus=(2,)))


def test_what_was_taken_before_the_sizes_grew_is_kept(databases: Databases) -> None:
    """A database of the first schema, upgraded."""
    url = databases.empty_url()
    engine = create_engine(Database(url, tier=Tier.CLUSTER).url, poolclass=NullPool)
    with engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(text("INSERT INTO node_capacity VALUES ('a', 4, 4096, 100, 1, 1024, 10)"))
        connection.execute(text("INSERT INTO capacity_claim VALUES ('a', 'u1', 1, 1024, 10)"))
    db = databases.open(url, Tier.CLUSTER)
    db.upgrade()
    assert db.read(capacity.usage) == {"a": (Capacity(vcpus=4, memory_mib=4096, disk_gib=100), SMALL)}
    assert db.read(capacity.takings) == {("a", "u1"): Share(SMALL)}
    db.write(lambda tx: capacity.give_back(tx, [("a", "u1")]))
    assert taken(db) == Capacity()
