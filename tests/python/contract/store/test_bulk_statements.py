"""Rows in bulk: any text comes back as it was, and what fails leaves nothing, on either engine."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from sqlalchemy import insert, select, text

from controller.clock import VirtualClock
from controller.errors import Conflict, NotFound, Unavailable
from controller.model.datacenter import RACK
from controller.store import bulk_statements, changes, resources
from controller.store.database import Database, Tier, Transaction
from controller.store.tables import meta
from tests.python.contract.store.samples import key, make, racks, store
from tests.python.databases import Databases

pytestmark = pytest.mark.design("G1")

AWKWARD = ("a\tb", "line\nline\r\n", "back\\slash\\n", r"\N", r"\.", "", "ゆ ü 😀", '"quoted" {json}')


def test_any_text_comes_back_as_it_was(database: Database) -> None:
    rows = [{"key": f"k{number}", "value": value} for number, value in enumerate(AWKWARD)]
    database.write(lambda tx: bulk_statements.insert(tx, meta, iter(rows)))
    query = select(meta.c.key, meta.c.value)
    found = {row.key: row.value for row in database.read(lambda tx: tx.connection.execute(query).all())}
    assert {name: found[name] for name in found if name.startswith("k")} == {row["key"]: row["value"] for row in rows}


def test_any_text_comes_back_as_it_was_though_the_client_was_told_another_encoding(
    databases: Databases, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")  # which the database's own setting would do as well
    db = databases.new(Tier.ROOT, clock)
    db.write(lambda tx: bulk_statements.insert(tx, meta, [{"key": "k", "value": "ゆ ü 😀"}]))
    query = select(meta.c.value).where(meta.c.key == "k")
    assert db.read(lambda tx: tx.connection.execute(query).scalar_one()) == "ゆ ü 😀"


def test_documents_come_back_as_they_were_from_the_table_and_from_the_log(database: Database) -> None:
    made = [rack.model_copy(update={"observed": {"said": AWKWARD}}) for rack in racks("a", "b")]
    store(database, *made)
    database.write(lambda tx: resources.update(tx, resources.list_all(tx, RACK)))
    assert [each.observed["said"] for each in database.read(lambda tx: resources.list_all(tx, RACK))] == [
        list(AWKWARD)
    ] * 2
    logged = [each for each in database.read(lambda tx: changes.since(tx, 0)) if each.kind == "Rack"]
    assert [each.resource.observed["said"] for each in logged] == [list(AWKWARD)] * 4


def test_more_rows_than_one_message_takes(database: Database) -> None:
    names = [f"rack-{number:03}" for number in range(250)]
    store(database, *racks(*names))
    assert [each.name for each in database.read(lambda tx: resources.list_all(tx, RACK))] == names


def test_a_failed_insert_leaves_the_transaction_usable_and_takes_no_version(database: Database) -> None:
    store(database, *racks("b"))

    def work(tx: Transaction) -> int:
        before = changes.head(tx)
        with pytest.raises(Conflict, match="Rack tokyo/b exists already"):
            resources.insert(tx, racks("a", "b", "c"))
        assert changes.head(tx) == before
        (last,) = resources.insert(tx, racks("d"))
        return last.resource_version - before

    assert database.write(work) == 1
    assert [each.name for each in database.read(lambda tx: resources.list_all(tx, RACK))] == ["b", "d"]


def test_an_update_of_some_that_are_gone_changes_none(database: Database) -> None:
    known = store(database, *racks("a", "b"))
    database.write(lambda tx: resources.delete(tx, [key("Rack", "tokyo", "b")]))

    def work(tx: Transaction) -> None:
        with pytest.raises(NotFound):
            resources.update(tx, [each.model_copy(update={"status": "Error"}) for each in known])

    database.write(work)
    assert [each.status for each in database.read(lambda tx: resources.list_all(tx, RACK))] == ["Active"]


@pytest.mark.parametrize("identity", [{}, {"uid": ""}])
def test_a_refused_update_takes_no_version(database: Database, identity: dict[str, str]) -> None:
    known = [each.model_copy(update=identity) for each in store(database, *racks("a", "b"))]
    database.write(lambda tx: resources.delete(tx, [key("Rack", "tokyo", "b")]))

    def work(tx: Transaction) -> int:
        before = changes.head(tx)
        with pytest.raises(NotFound, match="Rack tokyo/b does not exist"):
            resources.update(tx, known)
        assert changes.head(tx) == before
        (last,) = resources.update(tx, known[:1])
        return last.resource_version - before

    assert database.write(work) == 1
    logged = [each for each in database.read(lambda tx: changes.since(tx, 0)) if each.kind == "Rack"]
    assert [each.verb for each in logged] == ["Created", "Created", "Deleted", "Updated"]


def test_an_update_of_one_made_anew_takes_no_version(database: Database) -> None:
    old = store(database, *racks("a"))
    database.write(lambda tx: resources.delete(tx, [key("Rack", "tokyo", "a")]))
    store(database, *racks("a"))

    def work(tx: Transaction) -> None:
        before = changes.head(tx)
        with pytest.raises(Conflict, match="created again"):
            resources.update(tx, old)
        assert changes.head(tx) == before

    database.write(work)


def test_an_update_keeps_the_time_of_creation_whatever_is_given(database: Database, clock: VirtualClock) -> None:
    (known,) = store(database, *racks("a"))
    wrong = known.model_copy(update={"created_at": clock.now().replace(year=1999), "status": "Error"})
    (stored,) = database.write(lambda tx: resources.update(tx, [wrong]))
    (found,) = database.read(lambda tx: resources.list_all(tx, RACK))
    assert (stored.created_at, found.created_at, found.status) == (known.created_at, known.created_at, "Error")


def test_facts_are_picked_without_the_documents(database: Database) -> None:
    store(database, *racks("a", "b"), make("Rack", "c", {"floor": "f"}, labels={"row": "7"}))
    fields = ("name", "labels.row", "spec.floor")
    assert database.read(lambda tx: resources.texts(tx, "Rack", fields, given="labels.row")) == [("c", "7", "f")]
    marks = database.read(lambda tx: resources.marks(tx, "Rack", ("tokyo",)))
    rows = database.read(lambda tx: resources.list_all(tx, RACK))
    assert marks == {f"tokyo/{each.name}": (each.uid, each.resource_version) for each in rows}


@pytest.mark.postgresql
def test_a_connection_lost_while_rows_stream_is_tried_again(databases: Databases, clock: VirtualClock) -> None:
    db = databases.new(Tier.ROOT, clock)
    if databases.engine == "sqlite":
        pytest.skip("SQLite has no connection to lose")
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(1)
        if len(runs) == 1:
            mine = tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            end = text("SELECT pg_terminate_backend(:pid)").bindparams(pid=mine)
            db.read(lambda other: other.connection.execute(end).scalar_one())
        bulk_statements.insert(tx, meta, ({"key": f"k{number}", "value": "x" * 1000} for number in range(1000)))

    db.write(work)
    assert len(runs) == 2
    count = text("SELECT count(*) FROM meta WHERE key LIKE 'k%'")
    assert db.read(lambda tx: tx.connection.execute(count).scalar_one()) == 1000


@pytest.mark.postgresql
@pytest.mark.parametrize("nested", [False, True])
def test_a_connection_lost_every_time_is_unavailable_with_the_reason_that_the_server_gave(
    databases: Databases, clock: VirtualClock, nested: bool
) -> None:
    db = databases.new(Tier.ROOT, clock)
    if databases.engine == "sqlite":
        pytest.skip("SQLite has no connection to lose")

    def work(tx: Transaction) -> None:
        mine = tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        end = text("SELECT pg_terminate_backend(:pid, 10000)").bindparams(pid=mine)
        assert db.read(lambda other: other.connection.execute(end).scalar_one())
        with tx.connection.begin_nested() if nested else nullcontext():
            bulk_statements.insert(tx, meta, [{"key": "k", "value": "v"}])

    with pytest.raises(Unavailable, match="terminating connection due to administrator command"):
        db.write(work)
    db.write(lambda tx: bulk_statements.insert(tx, meta, [{"key": "k", "value": "v"}]))


def test_a_duplicate_of_any_key_is_a_conflict(database: Database) -> None:
    database.write(lambda tx: tx.connection.execute(insert(meta), {"key": "twice", "value": "1"}))
    with pytest.raises(Conflict):
        database.write(lambda tx: bulk_statements.insert(tx, meta, [{"key": "twice", "value": "2"}]))
