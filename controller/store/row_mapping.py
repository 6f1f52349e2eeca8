"""Maps resources to rows of the table and of the change log. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.errors import Conflict
from controller.model.registry import AnyResource, Key, key_of
from controller.store.database import Transaction
from controller.store.tables import to_microseconds

IDENTITY = ("kind", "path", "uid", "created_at")
"""Columns that an update does not change."""
UPDATED = ("kind", "path", "project", "status", "state", "resource_version", "document")
"""The key columns, and those that an update may change."""


def row_of(key: Key, stored: AnyResource) -> dict[str, Any]:
    """Return the row of a resource that has its uid and version."""
    assert stored.created_at is not None
    return {
        "kind": key.kind,
        "path": key.path,
        "parent": "/".join(key.names[:-1]),
        "project": stored.project,
        "uid": stored.uid,
        "status": stored.status,
        "state": stored.state,
        "resource_version": stored.resource_version,
        "created_at": to_microseconds(stored.created_at),
        "document": stored.model_dump_json(),
    }


def log_rows(rows: Iterable[Mapping[str, Any]]) -> list[tuple[int, str, str, str]]:
    """Return the rows as ``changes.record`` expects them."""
    return [(row["resource_version"], row["kind"], row["path"], row["document"]) for row in rows]


def distinct_keys(resources: Sequence[AnyResource]) -> list[Key]:
    """Return the keys of the resources, in order; raises Conflict if one occurs twice."""
    keys = [key_of(given) for given in resources]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Conflict(f"{twice} is given twice")
    return keys


def new_uid(tx: Transaction) -> str:
    """Return a new uid: 12 hex digits of time in milliseconds, 20 random ones."""
    return f"{int(tx.now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
