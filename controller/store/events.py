"""Events: what happened to resources. One row counts all occurrences of the same event.

The row's name is a digest of the event, so that it is found by key, and so that two controllers that report the same
event raise one count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from controller.model import registry
from controller.model.event import EVENT, Event, EventLevel, EventSpec
from controller.model.registry import Key
from controller.store import resources
from controller.store.database import Transaction
from controller.store.tables import resource

_MESSAGE_BOUND = 1024


@dataclass(frozen=True)
class Occurrence:
    """An event of the resource of ``kind`` at ``path``."""

    kind: str
    path: str
    reason: str
    message: str = ""
    level: EventLevel = EventLevel.NORMAL


def record(
    tx: Transaction,
    kind: str,
    path: str,
    reason: str,
    message: str = "",
    level: EventLevel | str = EventLevel.NORMAL,
) -> Event:
    """Record an event as of now; the same event raises the count."""
    return record_many(tx, [Occurrence(kind, path, reason, message, EventLevel(level))])[0]


def record_many(tx: Transaction, occurrences: Sequence[Occurrence]) -> list[Event]:
    """Record many events in a few statements."""
    new, again = prepare(tx, occurrences)
    stored = [*resources.insert(tx, new), *resources.update(tx, again)]
    by_name = {event.name: event for event in stored}
    return [by_name[_key(one).names[0]] for one in occurrences]


def prepare(tx: Transaction, occurrences: Sequence[Occurrence]) -> tuple[list[Event], list[Event]]:
    """Return the events to insert and those to update, for a caller that writes them with other resources."""
    keys = [_key(one) for one in occurrences]
    known = resources.get_many(tx, keys)
    new: dict[Key[Event], Event] = {}
    old: dict[Key[Event], Event] = {}
    for key, one in zip(keys, occurrences, strict=True):
        if key in known:
            old[key] = _again(tx, old.get(key) or known[key])
        else:
            new[key] = _again(tx, new[key]) if key in new else _new(tx, one, key)
    return list(new.values()), list(old.values())


def of(tx: Transaction, kind: str, path: str) -> list[Event]:
    """Return the events of one resource, the latest last."""
    found = resources.list_all(tx, EVENT, fields={"spec.resource_kind": kind, "spec.resource": path})
    return sorted(found, key=lambda event: (event.spec.last_at or tx.now, event.name))


def prune(tx: Transaction, keep: int) -> int:
    """Delete all but the ``keep`` latest events; return how many were deleted."""
    statement = (
        select(resource.c.path)
        .where(resource.c.kind == EVENT.name)
        .order_by(resource.c.resource_version.desc())
        .offset(keep)
        .limit(-1 if tx.dialect == "sqlite" else None)
    )
    doomed = [EVENT.key(path) for path in tx.connection.execute(statement).scalars()]
    resources.delete(tx, doomed)
    return len(doomed)


def _key(one: Occurrence) -> Key[Event]:
    text = "\0".join((one.kind, one.path, one.reason, one.level, one.message))
    return EVENT.key(hashlib.sha256(text.encode()).hexdigest()[:32])


def _new(tx: Transaction, one: Occurrence, key: Key) -> Event:
    project = one.path.partition("/")[0] if registry.get(one.kind).per_project else "default"
    spec = EventSpec(
        resource_kind=one.kind,
        resource=one.path,
        level=one.level,
        reason=one.reason,
        message=one.message[:_MESSAGE_BOUND],
        first_at=tx.now,
        last_at=tx.now,
    )
    return Event(name=key.names[0], project=project, spec=spec)


def _again(tx: Transaction, before: Event) -> Event:
    spec = before.spec.model_copy(update={"count": before.spec.count + 1, "last_at": tx.now})
    return before.model_copy(update={"spec": spec})
