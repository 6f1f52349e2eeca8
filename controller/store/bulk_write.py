"""Writes very many resources in one transaction: the database stores some while the next are rendered.

For callers that give up the whole transaction if one resource cannot be written. Otherwise the result is that of
``resources.insert`` and ``resources.update``, including the log. Versions are taken once, in the given order, new
resources first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from controller.errors import Conflict
from controller.model.registry import AnyResource, Key
from controller.store import bulk_statements, changes, references
from controller.store.changes import Verb
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.row_mapping import IDENTITY, UPDATED, distinct_keys, log_rows, new_uid, row_of
from controller.store.tables import resource

_AT_ONCE = 500
"""Resources per statement: enough to fill it, few enough to start soon."""
_CHANGING = tuple(dict.fromkeys((*IDENTITY, *UPDATED)))

Row = Mapping[str, Any]


def write(tx: Transaction, new: Sequence[AnyResource], changed: Sequence[AnyResource]) -> range:
    """Insert the new resources and replace the changed ones, which must have been read; return their versions.

    Raises Conflict naming the resource if a new one already exists, or a changed one is no longer the one that was
    read; the transaction cannot continue.
    """
    if not new and not changed:
        return range(0)
    version = tx.take_versions(len(new) + len(changed))
    stored = _pour(tx, new, version, _insert)
    stored += _pour(tx, changed, version + len(new), _replace)
    references.store(tx, stored)
    return range(version, version + len(stored))


def _pour(
    tx: Transaction, given: Sequence[AnyResource], version: int, store: Callable[[Sequence[Row], Transaction], None]
) -> list[AnyResource]:
    stored: list[AnyResource] = []
    for keys, part in _parts(distinct_keys(given), given):
        stamped = [_stamped(tx, each, version + len(stored) + offset) for offset, each in enumerate(part)]
        tx.in_background(partial(store, list(map(row_of, keys, stamped))))
        stored += stamped
    return stored


def _parts(keys: Sequence[Key], given: Sequence[AnyResource]) -> Iterator[tuple[Sequence[Key], Sequence[AnyResource]]]:
    for begin in range(0, len(keys), _AT_ONCE):
        end = begin + _AT_ONCE
        yield keys[begin:end], given[begin:end]


def _stamped(tx: Transaction, given: AnyResource, version: int) -> AnyResource:
    return given.model_copy(
        update={
            "uid": given.uid or new_uid(tx),
            "resource_version": version,
            "created_at": given.created_at or tx.now,
            "updated_at": tx.now,
        }
    )


def _insert(rows: Sequence[Row], tx: Transaction) -> None:
    try:
        bulk_statements.insert(tx, resource, rows)
    except IntegrityError as error:
        if taken := _taken(rows, tx, error):
            raise Conflict(f"{taken[0]} exists already", users=taken[:20], user_count=len(taken)) from error
        raise
    changes.record(tx, Verb.CREATED, log_rows(rows))


def _replace(rows: Sequence[Row], tx: Transaction) -> None:
    if bulk_statements.update(tx, resource, IDENTITY, [{name: row[name] for name in _CHANGING} for row in rows]) != len(
        rows
    ):
        there = _uids(rows, tx)
        names = [_name(row) for row in rows if there.get(_name(row)) != row["uid"]] or ["one"]
        message = f"{names[0]} was deleted, or deleted and created again, after it was read and before it was changed"
        raise Conflict(message, users=names[:20], user_count=len(names))
    changes.record(tx, Verb.UPDATED, log_rows(rows))


def _taken(rows: Sequence[Row], tx: Transaction, error: IntegrityError) -> list[str]:
    """Return which rows already existed; PostgreSQL answers no queries after an error, but its message names one."""
    if tx.dialect == "postgresql":
        detail = str(getattr(getattr(error.orig, "diag", None), "message_detail", None))
        return [_name(row) for row in rows if f"({row['kind']}, {row['path']})" in detail]
    there = _uids(rows, tx)
    return [_name(row) for row in rows if there.get(_name(row), row["uid"]) != row["uid"]]


def _uids(rows: Sequence[Row], tx: Transaction) -> dict[str, str]:
    """Return the uids that the names of the rows have now."""
    found: dict[str, str] = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        paths = [row["path"] for row in rows if row["kind"] == kind]
        asked = select(resource.c.path, resource.c.uid).where(
            resource.c.kind == kind, among(tx, resource.c.path, paths)
        )
        found |= {f"{kind} {row.path}": row.uid for row in tx.connection.execute(asked)}
    return found


def _name(row: Row) -> str:
    return f"{row['kind']} {row['path']}"
