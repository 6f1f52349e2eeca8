"""Backups: what was there is there again, on either engine; anything else is refused whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from sqlalchemy import select

from controller.clock import VirtualClock
from controller.errors import Conflict, InvalidInput, VersionsGone
from controller.model.network import NETWORK_V4
from controller.store import addresses, backup, changes, lease, resources, tokens
from controller.store.database import Database, Tier, Transaction
from controller.store.tables import change, counter, metadata
from tests.python.contract.store.samples import make, racks, site, store
from tests.python.databases import Databases

pytestmark = pytest.mark.design("G1")


def everything(tx: Transaction) -> dict[str, list[tuple[object, ...]]]:
    """All rows but the log's; documents read as models, since PostgreSQL orders their keys its own way."""
    held = {}
    for table in metadata.sorted_tables:
        if table in (change, counter):
            continue
        rows = [dict(row) for row in tx.connection.execute(select(table)).mappings()]
        for row in rows:
            if "document" in row:
                row["document"] = resources.load(row["kind"], row["document"]).model_dump_json()
        held[table.name] = sorted((tuple(row.values()) for row in rows), key=repr)
    return held


@pytest.fixture
def filled(database: Database) -> Database:
    store(database, *site(), *racks("rack-1", labels={"note": "x-1"}), make("NetworkV4", "service"))
    database.write(lambda tx: tokens.create(tx, "ci", "viewer"))
    (network,) = database.read(lambda tx: resources.list_all(tx, NETWORK_V4))
    database.write(lambda tx: addresses.allocate(tx, network, [("Compute", "default/kanto/web-0", "u1")]))
    return database


def test_a_backup_restores_into_an_empty_database(
    filled: Database, databases: Databases, clock: VirtualClock, tmp_path: Path
) -> None:
    file = tmp_path / "root.backup"
    rows = backup.backup(filled, file)
    assert file.stat().st_mode & 0o777 == 0o600
    restored = databases.new(Tier.ROOT, clock)
    assert backup.restore(restored, file) == rows
    assert restored.read(everything) == filled.read(everything)


@pytest.mark.design("G1")
def test_who_watched_the_lost_database_is_told_to_list_again(
    filled: Database, databases: Databases, clock: VirtualClock, tmp_path: Path
) -> None:
    backup.backup(filled, tmp_path / "root.backup")
    saved = filled.read(changes.head)
    store(filled, *racks("rack-7", "rack-8"))
    seen = filled.read(changes.head)
    restored = databases.new(Tier.ROOT, clock)
    backup.restore(restored, tmp_path / "root.backup")
    head = restored.read(changes.head)
    rack3, rack4, rack5 = store(restored, *racks("rack-3", "rack-4", "rack-5"))
    for version in (saved, seen, head - 1):
        with pytest.raises(VersionsGone):
            restored.read(lambda tx, version=version: changes.since(tx, version))  # type: ignore[misc]
    assert [one.version for one in restored.read(lambda tx: changes.since(tx, head))] == [
        rack.resource_version for rack in (rack3, rack4, rack5)
    ]
    assert saved + backup.VERSIONS_SINCE == head < 1 << 52


@pytest.mark.design("H2")
def test_the_terms_of_a_restored_database_are_above_all_that_were_since_the_backup(
    database: Database, databases: Databases, clock: VirtualClock, tmp_path: Path
) -> None:
    database.write(lambda tx: lease.reassign(tx, "controller", "one", 0, 15))
    backup.backup(database, tmp_path / "root.backup")
    for term in range(1, 50):
        database.write(lambda tx, term=term: lease.release(tx, "controller", "one", term))  # type: ignore[misc]
        database.write(lambda tx: lease.reassign(tx, "controller", "one", 0, 15))
    seen = database.read(lambda tx: lease.get(tx, "controller"))
    restored = databases.new(Tier.ROOT, clock)
    backup.restore(restored, tmp_path / "root.backup")
    won = restored.write(lambda tx: lease.reassign(tx, "controller", "another", 0, 15))
    assert seen is not None
    assert won.holder == "another", "the lease of the backup holds up nobody"
    assert won.term > seen.term


def test_a_backup_of_one_engine_restores_on_the_other(
    filled: Database, sqlite_databases: Databases, tmp_path: Path
) -> None:
    file = tmp_path / "root.backup"
    backup.backup(filled, file)
    restored = sqlite_databases.new(Tier.ROOT)
    backup.restore(restored, file)
    assert restored.read(everything) == filled.read(everything)


def test_a_database_that_holds_something_is_left_alone(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "root.backup"
    backup.backup(filled, file)
    before = filled.read(everything)
    with pytest.raises(Conflict, match="not empty"):
        backup.restore(filled, file)
    assert filled.read(everything) == before


@pytest.mark.parametrize("damage", ["cut file", "cut rows", "count", "nonsense", "line", "tier", "table"])
def test_a_damaged_backup_leaves_nothing(filled: Database, databases: Databases, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "root.backup"
    backup.backup(filled, file)
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    match damage:
        case "cut file":
            file.write_bytes(file.read_bytes()[:-40])
        case "nonsense":
            file.write_bytes(b"not gzip")
        case "cut rows":
            file.write_bytes(gzip.compress("\n".join(lines[:-1]).encode()))
        case "count":
            file.write_bytes(gzip.compress("\n".join(lines[:-3] + lines[-1:]).encode()))
        case "line":
            file.write_bytes(gzip.compress("\n".join([*lines[:-1], "{", lines[-1]]).encode()))
        case "tier":
            file.write_bytes(gzip.compress("\n".join([lines[0].replace("root", "cluster"), *lines[1:]]).encode()))
        case "table":
            file.write_bytes(gzip.compress("\n".join([lines[0], '["none", {}]', *lines[1:]]).encode()))
    empty = databases.new(Tier.ROOT)
    before = empty.read(everything)
    with pytest.raises(InvalidInput, match="backup: the file"):
        backup.restore(empty, file)
    assert empty.read(everything) == before


def test_a_failed_backup_leaves_no_file(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(backup, "_dump", fail)
    with pytest.raises(OSError, match="disk full"):
        backup.backup(database, tmp_path / "root.backup")
    assert list(tmp_path.glob("root.backup*")) == []
