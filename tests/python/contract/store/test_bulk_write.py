"""Many resources in one transaction, stored while the next are made: the same rows, and all or nothing."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from sqlalchemy import text

from controller.errors import Conflict
from controller.model.datacenter import RACK
from controller.model.event import Event, EventSpec
from controller.model.registry import key_of
from controller.store import bulk_write, changes, resources
from controller.store.background_writes import BackgroundWrites
from controller.store.database import Database, Transaction
from tests.python.contract.store.samples import racks, store

pytestmark = pytest.mark.design("G1", "H5", "J10")

MANY = [f"rack-{number}" for number in range(1203)]
"""More than are handed over at once, twice."""


def test_new_and_changed_are_stored_and_logged_in_order(database: Database) -> None:
    old = store(database, *racks(*MANY))
    first = old[-1].resource_version + 1
    new = racks(*(f"new-{name}" for name in MANY))
    changed = [each.model_copy(update={"labels": {"env": "lab"}}) for each in old]
    versions = database.write(lambda tx: bulk_write.write(tx, new, changed))
    assert versions == range(first, first + 2 * len(MANY))
    log = database.read(lambda tx: changes.since(tx, first - 1, limit=5000))
    assert [each.version for each in log] == list(versions)
    assert [(each.verb, each.path) for each in log] == [
        *(("Created", f"tokyo/new-{name}") for name in MANY),
        *(("Updated", f"tokyo/{name}") for name in MANY),
    ]
    rows = {row.name: row for row in database.read(lambda tx: resources.list_all(tx, RACK))}
    assert rows == {each.resource.name: each.resource for each in log}
    assert all(row.uid and row.created_at for row in rows.values())
    assert {row.labels.get("env") for row in rows.values() if not row.name.startswith("new-")} == {"lab"}
    assert [rows[each.name].uid for each in old] == [each.uid for each in old]


def test_what_was_written_is_seen_by_the_same_transaction(database: Database) -> None:
    def work(tx: Transaction) -> int:
        bulk_write.write(tx, racks(*MANY), [])
        return resources.count(tx, "Rack")

    assert database.write(work) == len(MANY)


@pytest.mark.parametrize("again", [False, True])
def test_one_that_is_not_what_was_read_undoes_everything(database: Database, again: bool) -> None:
    old = store(database, *racks("a", "b"))
    database.write(lambda tx: resources.delete(tx, [key_of(old[1])]))
    if again:
        store(database, *racks("b"))
    head = database.read(changes.head)
    with pytest.raises(Conflict, match="Rack tokyo/b was deleted, or deleted and created again") as refused:
        database.write(lambda tx: bulk_write.write(tx, racks("c"), old))
    assert refused.value.users == ("Rack tokyo/b",)
    assert database.read(changes.head) == head
    assert [row.name for row in database.read(lambda tx: resources.list_all(tx, RACK))] == ["a", "b"][: 1 + again]


def test_one_that_exists_already_undoes_everything(database: Database) -> None:
    store(database, *racks("a"))
    with pytest.raises(Conflict, match="Rack tokyo/a exists already") as refused:
        database.write(lambda tx: bulk_write.write(tx, racks(*MANY, "a", "z"), []))
    assert refused.value.users == ("Rack tokyo/a",)
    assert database.read(lambda tx: resources.count(tx, "Rack")) == 1


def test_a_caller_that_passes_over_the_error_cannot_commit(database: Database) -> None:
    store(database, *racks("a"))

    def work(tx: Transaction) -> None:
        resources.insert(tx, racks("before"))
        bulk_write.write(tx, racks("a"), [])
        with contextlib.suppress(Exception):
            resources.count(tx, "Rack")

    with pytest.raises(Conflict):
        database.write(work)
    assert [row.name for row in database.read(lambda tx: resources.list_all(tx, RACK))] == ["a"]
    store(database, *racks("later"))  # the writer is free again


def test_an_error_of_the_callers_own_undoes_what_runs_behind(database: Database) -> None:
    def work(tx: Transaction) -> None:
        bulk_write.write(tx, racks(*MANY), [])
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        database.write(work)
    assert database.read(lambda tx: resources.count(tx, "Rack")) == 0
    store(database, *racks("later"))


def test_what_is_undone_to_a_savepoint_is_undone_whole(database: Database) -> None:
    """Of a kind that refers to nothing, so that nothing else waits for what runs behind."""
    spec = EventSpec(resource_kind="Rack", resource="tokyo/a", reason="Told", message="")
    events = [Event(name=name, spec=spec) for name in MANY]

    def work(tx: Transaction) -> None:
        with contextlib.suppress(KeyError), tx.connection.begin_nested():
            bulk_write.write(tx, events, [])
            raise KeyError

    database.write(work)
    assert database.read(lambda tx: resources.count(tx, "Event")) == 0


def test_what_has_not_begun_is_not_done_for_a_transaction_that_is_undone(database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("there everything is done at once")
    go, done = threading.Event(), []

    def work(tx: Transaction) -> None:
        tx.in_background(lambda _: done.append(go.wait(60)))
        tx.in_background(lambda _: done.append(False))
        threading.Timer(1, go.set).start()
        raise KeyError

    with pytest.raises(KeyError):
        database.write(work)
    assert done == [True]


def test_a_connection_lost_behind_has_everything_done_again(database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("nothing runs behind, and no connection is lost")
    tries = []

    def die(beside: Transaction) -> None:
        beside.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    def work(tx: Transaction) -> range:
        tries.append(resources.insert(tx, racks("before")))
        if len(tries) == 1:
            tx.in_background(die)
        return bulk_write.write(tx, racks(*MANY), [])

    versions = database.write(work)
    assert len(tries) == 2
    log = database.read(lambda tx: changes.since(tx, versions.start - 2, limit=5000))
    assert [each.version for each in log] == [versions.start - 1, *versions]
    assert database.read(lambda tx: resources.count(tx, "Rack")) == len(MANY) + 1


class _Broken(Executor):
    """Its thread fails before the work has begun (no memory), or is told to let it be."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def submit(self, *_: Any, **__: Any) -> Any:
        future: Future[None] = Future()
        if self._error is None:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_exception(self._error)
        return future


@pytest.mark.parametrize("error", [None, MemoryError()])
def test_what_could_not_even_begin_is_an_error(error: BaseException | None) -> None:
    behind = BackgroundWrites(_Broken(error))
    behind.run(lambda: None)
    for _ in range(2):
        with pytest.raises(type(error) if error else Exception):
            behind.settle()
