"""Transactions: snapshots, one writer at a time, and errors as ours."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from sqlalchemy import Connection, event, text

from controller.clock import VirtualClock
from controller.errors import Conflict, InvalidInput, TimedOut, Unavailable
from controller.model.datacenter import RACK
from controller.model.region import REGION
from controller.store import changes, resources, revisions
from controller.store.database import Database, Tier, Transaction
from tests.python.contract.store.samples import make, racks, store
from tests.python.databases import Databases

pytestmark = pytest.mark.design("G1")


def test_a_reader_sees_one_snapshot_while_others_write(database: Database) -> None:
    def read(tx: Transaction) -> tuple[int, int]:
        before = resources.count(tx, "Rack")
        writer = threading.Thread(target=lambda: store(database, *racks("a")))
        writer.start()
        writer.join(30)
        return before, resources.count(tx, "Rack")

    assert database.read(read) == (0, 0)
    assert database.read(lambda tx: resources.count(tx, "Rack")) == 1


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="read"):
        database.read(lambda tx: resources.insert(tx, racks("a")))


def test_what_a_writer_read_does_not_change_under_it(databases: Databases, clock: VirtualClock) -> None:
    """Two processes that raise one label many times lose no step."""
    url = databases.url()
    opened = [databases.open(url, Tier.ROOT, clock) for _ in range(3)]
    (rack,) = store(opened[0], *racks("a", labels={"number": "0"}))

    def step(tx: Transaction) -> None:
        (read,) = resources.list_all(tx, RACK)
        labels = {"number": str(int(read.labels["number"]) + 1)}
        resources.update(tx, [read.model_copy(update={"labels": labels})])

    def run(db: Database) -> None:
        for _ in range(10):
            db.write(step)

    threads = [threading.Thread(target=run, args=(db,)) for db in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened[0].read(lambda tx: resources.get_by_uid(tx, rack.uid)).labels == {"number": "30"}
    log = opened[0].read(lambda tx: changes.since(tx, 2))
    assert [item.resource.labels["number"] for item in log] == [str(number) for number in range(1, 31)]


def test_a_unique_key_is_a_conflict(database: Database) -> None:
    (rack,) = store(database, *racks("a"))

    def twice(tx: Transaction) -> None:
        for _ in range(2):
            revisions.add(tx, rack)

    with pytest.raises(Conflict, match="taken already"):
        database.write(twice)


@pytest.mark.postgresql
def test_text_that_the_database_cannot_hold_is_bad_input(databases: Databases, clock: VirtualClock) -> None:
    db = databases.new(Tier.ROOT, clock)
    given = make("Region", "kanto")
    # A user's document is refused before; what a controller writes is not.
    given.spec = given.spec.model_copy(update={"description": "a\0b"})
    if databases.engine == "sqlite":
        store(db, given)
        assert db.read(lambda tx: resources.list_all(tx, REGION))[0].spec == given.spec
    else:
        with pytest.raises(InvalidInput, match="the database refuses"):
            store(db, given)


def test_work_runs_in_a_thread_with_the_callers_context(database: Database) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="")

    async def run() -> list[object]:
        request.set("r1")
        return [
            await database.aread(lambda _: (request.get(), threading.current_thread() is threading.main_thread())),
            await database.awrite(lambda _: (request.get(), threading.current_thread() is threading.main_thread())),
        ]

    assert asyncio.run(run()) == [("r1", False), ("r1", False)]


def test_listeners_hear_of_changes_only(database: Database) -> None:
    heard: list[int] = []
    listener = lambda: heard.append(1)  # noqa: E731
    database.add_listener(listener)
    database.write(lambda tx: tx.now)
    assert heard == []
    store(database, *racks("a"))
    assert heard == [1]
    database.remove_listener(listener)
    store(database, *racks("b"))
    assert heard == [1]


@pytest.mark.postgresql
def test_a_lost_connection_is_tried_again_and_nothing_is_doubled(databases: Databases, clock: VirtualClock) -> None:
    db = databases.new(Tier.ROOT, clock)
    if databases.engine == "sqlite":
        pytest.skip("SQLite has no connection to lose")
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(1)
        resources.insert(tx, racks("a"))
        if len(runs) == 1:
            tx.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    db.write(work)
    assert len(runs) == 2
    assert db.read(lambda tx: resources.count(tx, "Rack")) == 1


def _cut(connection: Connection) -> None:
    session = connection.connection.driver_connection
    assert session is not None
    session.close()


@pytest.mark.postgresql
def test_a_connection_lost_in_the_commit_leaves_the_outcome_open(databases: Databases, clock: VirtualClock) -> None:
    if databases.engine == "sqlite":
        pytest.skip("SQLite has no connection to lose")
    db = databases.new(Tier.ROOT, clock)

    def work(tx: Transaction) -> None:
        resources.insert(tx, racks("a"))
        event.listen(tx.connection.engine, "commit", _cut, once=True)

    with pytest.raises(TimedOut, match="unknown"):
        db.write(work)
    store(db, *racks("a"))


def test_an_absent_database_is_unavailable(databases: Databases) -> None:
    urls = {"sqlite": "sqlite:////proc/none/x.db", "postgresql": "postgresql://resource@/none?host=/nonexistent"}
    with pytest.raises(Unavailable, match="database"):
        databases.open(urls[databases.engine]).read(changes.head)
