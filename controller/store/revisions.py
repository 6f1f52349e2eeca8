"""Revisions: the specs that a resource had, by number, for rollbacks.

A revision never changes. Pruning keeps the newest revisions and those that the caller protects: the current one, and
any that a Compute still runs.

Design: D3
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from typing import Any

from sqlalchemy import delete, insert, select

from controller.errors import NotFound
from controller.model.registry import AnyResource
from controller.store.database import Transaction
from controller.store.tables import revision, to_microseconds


def add(tx: Transaction, resource: AnyResource) -> None:
    """Store the resource's spec under its current revision; raises Conflict if that number exists."""
    values = {
        "uid": resource.uid,
        "revision": resource.revision,
        "spec": resource.spec.model_dump_json(),
        "created_at": to_microseconds(tx.now),
    }
    tx.connection.execute(insert(revision), values)


def get(tx: Transaction, uid: str, number: int) -> dict[str, Any]:
    """Return the spec of a revision as JSON; raises NotFound if it never existed or was pruned."""
    statement = select(revision.c.spec).where(revision.c.uid == uid, revision.c.revision == number)
    spec = tx.connection.execute(statement).scalar_one_or_none()
    if spec is None:
        kept = ", ".join(str(known) for known in numbers(tx, uid)) or "none"
        raise NotFound(f"revision {number} is not kept; kept: {kept}")
    loaded: dict[str, Any] = json.loads(spec)
    return loaded


def numbers(tx: Transaction, uid: str) -> Sequence[int]:
    """Return the numbers of the kept revisions, oldest first."""
    statement = select(revision.c.revision).where(revision.c.uid == uid).order_by(revision.c.revision)
    return tx.connection.execute(statement).scalars().all()


def prune(tx: Transaction, uid: str, keep: int, protected: Set[int]) -> None:
    """Delete all but the ``protected`` revisions and the newest ``keep`` of the others."""
    loose = [number for number in numbers(tx, uid) if number not in protected]
    doomed = loose[: max(0, len(loose) - keep)]
    if doomed:
        tx.connection.execute(delete(revision).where(revision.c.uid == uid, revision.c.revision.in_(doomed)))


list = numbers  # noqa: A001  (read as ``revisions.list``)
