"""The change log: every version given out, with the resource as of that version.

Ordering: versions rise in the order of commits (``database``), without gaps among committed ones, so that a reader of
the changes after the last version that it knows misses nothing.

A change has the resource's last form, also after a deletion. Compaction deletes the oldest changes; a reader of those
gets VersionsGone and lists again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property, partial

from sqlalchemy import delete, func, select, update

from controller.clock import Clock
from controller.errors import TemporaryError, VersionsGone
from controller.model import registry
from controller.model.registry import AnyResource, Kind, T
from controller.store import bulk_statements
from controller.store.database import Database, Transaction
from controller.store.pg_notify import notices_of
from controller.store.tables import change, counter, from_microseconds, to_microseconds


class Verb(StrEnum):
    """What was done to the resource."""

    CREATED = "Created"
    UPDATED = "Updated"
    DELETED = "Deleted"


@dataclass(frozen=True)
class Change:
    """One change of one resource."""

    version: int
    verb: str
    kind: str
    path: str
    document: str
    """JSON of the resource after the change; for a deletion, its last form."""
    at: datetime

    @cached_property
    def resource(self) -> AnyResource:
        """Return the document as a model object; parsed on first use, because most readers need few of the changes."""
        return registry.get(self.kind).model.read_stored(self.document)

    @cached_property
    def encodings(self) -> dict[Hashable, bytes]:
        """Return what those who send this change have encoded of it, by what their readers may see; they share it."""
        return {}

    def of(self, kind: Kind[T]) -> T | None:
        """Return the resource if it is of that kind, else None."""
        if self.kind != kind.name:
            return None
        resource = self.resource
        assert isinstance(resource, kind.model)
        return resource


def head(tx: Transaction) -> int:
    """Return the last version given out; 0 in an empty database."""
    return _counter(tx, "resource_version")


def since(
    tx: Transaction, version: int, limit: int = 1000, kinds: Sequence[str] | None = None, before: int | None = None
) -> list[Change]:
    """Return the changes after ``version`` (and before another), oldest first.

    Raises VersionsGone if some of them were deleted by compaction.

    A version above the head raises it too: it comes from a database that was restored since.
    """
    if version < _counter(tx, "compacted"):
        raise VersionsGone(f"changes after version {version} are no longer kept; list again")
    if version > head(tx):
        raise VersionsGone(f"version {version} is not of this database; list again")
    columns = (change.c.version, change.c.verb, change.c.kind, change.c.path, change.c.document, change.c.at)
    statement = select(*columns).where(change.c.version > version).order_by(change.c.version).limit(limit)
    if kinds is not None:
        statement = statement.where(change.c.kind.in_(kinds))
    if before is not None:
        statement = statement.where(change.c.version < before)
    return [
        Change(number, verb, kind, path, document, from_microseconds(at))
        for number, verb, kind, path, document, at in tx.connection.execute(statement)
    ]


def compact(tx: Transaction, keep: int) -> None:
    """Delete all but the last ``keep`` versions."""
    upto = head(tx) - keep
    if upto <= _counter(tx, "compacted"):
        return
    tx.connection.execute(delete(change).where(change.c.version <= upto))
    tx.connection.execute(update(counter).where(counter.c.name == "compacted").values(value=upto))


def record(tx: Transaction, verb: Verb, rows: Iterable[tuple[int, str, str, str]]) -> None:
    """Write ``(version, kind, path, document)`` to the log; only for the module ``resources``."""
    at = to_microseconds(tx.now)
    values = (
        {"version": version, "verb": verb.value, "kind": kind, "path": path, "document": document, "at": at}
        for version, kind, path, document in rows
    )
    bulk_statements.insert(tx, change, values)


def count(tx: Transaction) -> int:
    """Return how many changes are kept."""
    return tx.connection.execute(select(func.count()).select_from(change)).scalar_one()


def _counter(tx: Transaction, name: str) -> int:
    value: int = tx.connection.execute(select(counter.c.value).where(counter.c.name == name)).scalar_one()
    return value


_BATCH = 1000


class _Subscriber:
    """A bounded queue; when it overflows it is emptied, and the reader has to start again."""

    def __init__(self, kinds: frozenset[str] | None, bound: int) -> None:
        self.kinds = kinds
        self.ready = asyncio.Event()
        self.waiting: list[Change] = []
        self.overflowed = False
        self._bound = bound

    def put(self, batch: Sequence[Change]) -> None:
        wanted = [item for item in batch if self.kinds is None or item.kind in self.kinds]
        if not wanted or self.overflowed:
            return
        if len(self.waiting) + len(wanted) > self._bound:
            self.waiting = []
            self.overflowed = True
        else:
            self.waiting.extend(wanted)
        self.ready.set()

    async def take(self) -> list[Change]:
        await self.ready.wait()
        self.ready.clear()
        if self.overflowed:
            raise VersionsGone("the reader fell too far behind; list again")
        taken, self.waiting = self.waiting, []
        return taken


class Feed:
    """The reader of the log in a process: passes each change to all subscribers.

    Ordering: each subscriber gets the changes of its kinds in order of version, each once. Of changes that ``skip``
    named it may get all, some or none. Commits of this process wake the reader; on PostgreSQL those of other
    processes do too (best effort). It also polls every ``poll`` seconds (0.1 on SQLite, 1 on PostgreSQL). A
    subscriber with more than ``bound`` waiting changes gets VersionsGone.
    """

    def __init__(self, db: Database, clock: Clock, poll: float | None = None, bound: int = 50_000) -> None:
        self._db = db
        self._clock = clock
        self._poll = poll or (1.0 if db.dialect == "postgresql" else 0.1)
        self._bound = bound
        self._position: int | None = None
        self._skipped: list[range] = []
        self._subscribers: set[_Subscriber] = set()
        self._started = asyncio.Event()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def position(self) -> int:
        """Return the version up to which subscribers have received everything; 0 before ``run``."""
        return self._position or 0

    def skip(self, versions: range) -> None:
        """Skip changes that every subscriber knows, because this process made them; call it after the commit.

        Best effort: some may have been passed on before. Call it in the event loop of ``run``.
        """
        if versions:
            self._skipped.append(versions)

    def wake(self) -> None:
        """Read the log now; may be called from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Read the log until cancelled; retry while the database is unreachable."""
        self._loop = asyncio.get_running_loop()
        self._db.add_listener(self.wake)
        notices = asyncio.create_task(notices_of(self._db, self._clock, self._woken.set))
        try:
            while True:
                try:
                    more = await self._step()
                except TemporaryError:
                    more = False
                if not more:
                    await self._rest()
        finally:
            notices.cancel()
            await asyncio.wait([notices])
            self._db.remove_listener(self.wake)

    async def subscribe(
        self, since: int, kinds: Sequence[str] | None = None, batch: int = _BATCH
    ) -> AsyncGenerator[list[Change], None]:
        """Yield the changes after version ``since`` in batches, without end; raises VersionsGone.

        Nothing is yielded before ``run`` has begun. ``batch``: how many earlier changes are read from the log at once.
        """
        subscriber = _Subscriber(None if kinds is None else frozenset(kinds), self._bound)
        await self._started.wait()  # every later change reaches the queue; earlier ones are in the log
        self._subscribers.add(subscriber)
        try:
            while True:
                found = await self._db.aread(partial(_since, version=since, limit=batch, kinds=kinds))
                if found:
                    since = found[-1].version
                    yield found
                if len(found) < batch:
                    break
            while True:
                found = [item for item in await subscriber.take() if item.version > since]
                if found:
                    since = found[-1].version
                    yield found
        finally:
            self._subscribers.discard(subscriber)

    async def _step(self) -> bool:
        """Pass new changes on; return whether there may be more."""
        position = self._position
        if position is None:
            self._position = await self._db.aread(head)
            self._started.set()
            return True
        position, before = self._next_part(position)
        try:
            batch = await self._db.aread(
                lambda tx: since(tx, position, _BATCH, before=before) if head(tx) != position else []
            )
        except VersionsGone:
            for subscriber in self._subscribers:
                subscriber.overflowed = True
                subscriber.ready.set()
            self._position = None
            self._skipped = []
            self._started.clear()
            return True
        if batch:
            self._position = batch[-1].version
            for subscriber in self._subscribers:
                subscriber.put(batch)
        elif self._position is not None:
            self._position = position if before is None else before - 1
        return len(batch) == _BATCH or before is not None

    def _next_part(self, position: int) -> tuple[int, int | None]:
        """Return after and before which version to read, without the skipped versions."""
        self._skipped = [versions for versions in self._skipped if versions.stop - 1 > position]
        for versions in sorted(self._skipped, key=lambda each: each.start):
            if versions.start > position + 1:
                return position, versions.start
            position = max(position, versions.stop - 1)
        return position, None

    async def _rest(self) -> None:
        """Wait for a wake-up or for the poll interval."""
        waits = [asyncio.ensure_future(self._woken.wait()), asyncio.ensure_future(self._clock.sleep(self._poll))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._woken.clear()


_since = since
