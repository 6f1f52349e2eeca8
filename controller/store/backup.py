"""Backup and restore: every table as JSON lines, one format for both engines.

A backup is one snapshot, taken while others write. It restores into an upgraded database of the
same schema and tier that holds nothing else, on either engine, in one transaction. The terms of its
leases and its versions start far above those of the backup, because clients have seen later ones. The change log
starts empty, so that clients that watched the lost database have to list again. A cluster's database begins a new
epoch, in which its nodes are held until they have reported, see ``restore_hold``.

The first line describes the file; each other line is ``[table, {column: value}]``; the last one has the number of
rows, so that a truncated file is refused.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import delete, func, select, update

from controller.errors import Conflict, InvalidInput, Problem
from controller.model import registry
from controller.store import bulk_statements, changes, restore_hold, schema
from controller.store.database import Database, Tier, Transaction
from controller.store.tables import change, counter, lease, meta, metadata, resource

_FORMAT = "resource-service backup 1"
_BATCH = 1000
_TERMS_SINCE = 1 << 20
"""More terms than can have been given out since a backup: a cluster refuses lower terms than it has seen."""
VERSIONS_SINCE = 1_000_000_000
"""More versions than can have been given out since any backup (ten years of three a second): a watcher's old
version must not be taken for one of the restored database. Millions of restores stay below 2**53, the largest
integer that every reader of JSON keeps exactly."""


def backup(db: Database, path: Path | str) -> int:
    """Write the whole database to ``path`` (gzip, readable by the owner only); return the number of rows.

    The file appears only once it is complete.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            os.fchmod(descriptor, 0o600)  # whatever the umask is, and also where an interrupted backup left the file
            with gzip.open(raw, "wt", encoding="utf-8") as out:
                rows = db.read(lambda tx: _dump(tx, db.tier.value, out))
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return rows


def restore(db: Database, path: Path | str) -> int:
    """Fill an empty database from a backup; return the number of rows.

    Raises Conflict if the database is not empty, InvalidInput if the file is not a complete backup of this schema
    and tier.
    """
    db.check_schema()
    try:
        with gzip.open(path, "rt", encoding="utf-8") as source:
            return db.write(lambda tx: _load(tx, db.tier.value, source))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise _not_whole(f"cannot be read: {error}") from error


def _dump(tx: Transaction, tier: str, out: IO[str]) -> int:
    head = {"format": _FORMAT, "schema": schema.current(tx.connection), "tier": tier}
    out.write(json.dumps(head) + "\n")
    rows = 0
    for table in metadata.sorted_tables:
        streamed = tx.connection.execution_options(yield_per=_BATCH).execute(select(table))
        for row in streamed.mappings():
            out.write(json.dumps([table.name, dict(row)], separators=(",", ":")) + "\n")
            rows += 1
    out.write(json.dumps(["end", rows]) + "\n")
    return rows


def _load(tx: Transaction, tier: str, source: IO[str]) -> int:
    source.seek(0)  # the transaction may be run again
    lines = _parsed(source)
    head = next(lines, None)
    expected = {"format": _FORMAT, "schema": schema.current(tx.connection), "tier": tier}
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise _not_whole("is no backup of a resource service")
    if head != expected:
        raise _not_whole(f"is of schema {head.get('schema')}, tier {head.get('tier')}; wanted: {expected}")
    preset = [kind.name for kind in registry.kinds() if kind.preset]
    held = tx.connection.execute(select(func.count()).select_from(resource).where(resource.c.kind.not_in(preset)))
    if held.scalar_one():
        raise Conflict("the database is not empty; restore into a new one")
    for table in metadata.sorted_tables:
        tx.connection.execute(delete(table))
    rows = 0
    name = ""
    batch: list[dict[str, Any]] = []
    for line in lines:
        if not isinstance(line, list) or len(line) != 2:
            raise _not_whole(f"has a bad line after row {rows}")
        if line[0] != name or len(batch) == _BATCH:
            if batch:
                bulk_statements.insert(tx, metadata.tables[name], batch)
            name, batch = line[0], []
        if name == "end":
            if line[1] != rows:
                raise _not_whole(f"has {rows} rows, but says {line[1]}")
            break
        if name not in metadata.tables:
            raise _not_whole(f"has an unknown table {name!r}")
        batch.append(line[1])
        rows += 1
    else:
        raise _not_whole("was cut off")
    if tx.connection.execute(select(meta.c.value).where(meta.c.key == "tier")).scalar_one_or_none() != tier:
        raise _not_whole("names no tier")
    tx.connection.execute(update(lease).values(holder="", expires_at=0, term=lease.c.term + _TERMS_SINCE))
    tx.connection.execute(delete(change))
    head = changes.head(tx) + VERSIONS_SINCE
    tx.connection.execute(
        update(counter).where(counter.c.name.in_(("resource_version", "compacted"))).values(value=head)
    )
    if tier == Tier.CLUSTER.value:
        restore_hold.begin(tx, new_epoch=True)
    return rows


def _parsed(source: IO[str]) -> Iterator[Any]:
    for number, line in enumerate(source, 1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise _not_whole(f"line {number}: {error.msg}") from error


def _not_whole(why: str) -> InvalidInput:
    return InvalidInput([Problem("backup", f"the file {why}")])
