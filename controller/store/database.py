"""The database of a tier: transactions, their clock, and the fencing of writes.

Ordering: the writers of one database run one after the other, on both engines: by ``BEGIN IMMEDIATE`` on SQLite, by
a lock on the counter's row on PostgreSQL. Therefore what a write transaction has read does not change before its
commit, and the order of commits is the order of ``resource_version``. Readers never wait for writers and see one
snapshot for the whole transaction.

Fencing: a write with a ``Fence`` first checks, in its transaction, that its lease still has the same term. A change of
the lease is a write too, so that the two cannot overlap.

Not promised: that ``work`` runs once. After a deadlock, or a connection that is lost before the commit, it runs again,
so it must have no effects outside the database. If the connection breaks during the commit, ``TimedOut`` reports that
the outcome is unknown.

Design: H2
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select, text, update

from controller.clock import Clock, SystemClock
from controller.errors import StaleTerm, Unavailable
from controller.store import engines, schema
from controller.store.background_writes import BackgroundWrites
from controller.store.database_errors import Again, tries, wrapped
from controller.store.tables import counter, lease

T = TypeVar("T")
_LOCK_SECONDS = 30.0
_READERS = 4


class Tier(StrEnum):
    """The tier that a database belongs to."""

    ROOT = "root"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class Fence:
    """The lease and term under which a master writes."""

    lease: str
    term: int


class Transaction:
    """An open transaction; valid only inside the ``work`` that received it."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock | None,
        tier: Tier,
        *,
        writing: bool,
        executor: Executor | None = None,
    ) -> None:
        self._connection = connection
        self._background = BackgroundWrites(executor)
        self.tier = tier
        self.writing = writing
        self.changed = False
        """True after versions were taken: watchers are woken after the commit."""
        self._clock = clock
        self._now: datetime | None = None

    @property
    def connection(self) -> Connection:
        """Return the connection; waits for background writes first, and raises their error."""
        self._background.settle()
        return self._connection

    def in_background(self, work: Callable[[Transaction], None]) -> None:
        """Run ``work`` in this transaction while the caller continues; see ``background_writes``.

        ``work`` gets a Transaction object of its own, and takes no versions. Inside a savepoint the call waits for
        it, because the end of a savepoint does not.
        """
        own = Transaction(self._connection, self._clock, self.tier, writing=self.writing)
        own._now = self.now
        self._background.run(lambda: work(own))
        if self._connection.in_nested_transaction():
            self._background.settle()

    def settle(self) -> None:
        """Wait for background writes; raise their error."""
        self._background.settle()

    def abandon(self) -> None:
        """Wait for background writes and ignore their errors: the transaction is rolled back."""
        self._background.end()

    @property
    def dialect(self) -> str:
        """Return ``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    @property
    def now(self) -> datetime:
        """Return the time of the database's clock, read once per transaction, or of the clock that was passed in."""
        if self._now is None:
            if self._clock is not None:
                self._now = self._clock.now()
            else:
                self._now = self.connection.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)
        return self._now

    def take_versions(self, number: int) -> int:
        """Take ``number`` versions and return the first one."""
        statement = (
            update(counter)
            .where(counter.c.name == "resource_version")
            .values(value=counter.c.value + number)
            .returning(counter.c.value)
        )
        last: int = self.connection.execute(statement).scalar_one()
        self.changed = True
        return last - number + 1


class Database:
    """The database of one tier. Threads may share it."""

    def __init__(self, url: str, *, tier: Tier, clock: Clock | None = None, cluster: str = "") -> None:
        self.url = url
        self.tier = tier
        self.cluster = cluster
        self._reader, self._writer, self._file = engines.make(url)
        self.dialect = self._writer.dialect.name
        self._clock = SystemClock() if clock is None and self.dialect == "sqlite" else clock
        self._write_lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._read_pool = ThreadPoolExecutor(_READERS, thread_name_prefix="store-read")
        self._write_pool = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._background_pool = ThreadPoolExecutor(1, thread_name_prefix="store-behind")

    def check_schema(self) -> None:
        """Raise SchemaMismatch, with the remedy, unless the database has this program's schema and tier."""
        with wrapped():
            schema.check(self._reader, self.tier.value, self.cluster)

    def upgrade(self) -> None:
        """Upgrade the database to this program's schema and record the tier; create it if needed; idempotent."""
        with wrapped():
            if self._file is not None:
                self._file.create()
            schema.upgrade(self._writer, self.tier.value, self.cluster, (self._clock or SystemClock()).now())

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on one snapshot. Raises Unavailable if the database is unreachable."""
        for last in tries():
            try:
                self._check_file()
                with wrapped(), self._reader.connect() as connection, connection.begin():
                    return work(Transaction(connection, self._clock, self.tier, writing=False))
            except Again as again:
                if last:
                    raise again.error from again.__cause__
        raise AssertionError("unreachable")

    def write(self, work: Callable[[Transaction], T], *, fence: Fence | None = None) -> T:
        """Run ``work`` and commit; all or none of its writes are stored.

        Raises StaleTerm when ``fence`` is no longer the master's, Conflict when a unique key is
        taken, Unavailable when the database is away or its lock is not to be had.
        """
        for last in tries():
            try:
                result, changed = self._write_once(work, fence)
            except Again as again:
                if last:
                    raise again.error from again.__cause__
                continue
            if changed:
                self._notify_listeners()
            return result
        raise AssertionError("unreachable")

    async def aread(self, work: Callable[[Transaction], T]) -> T:
        """Run ``read`` in a worker thread. Cancelling does not stop work that has begun."""
        return await self._in_thread(self._read_pool, lambda: self.read(work))

    async def awrite(self, work: Callable[[Transaction], T], *, fence: Fence | None = None) -> T:
        """Run ``write`` in the writer's thread. Cancelling does not stop work that has begun."""
        return await self._in_thread(self._write_pool, lambda: self.write(work, fence=fence))

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` (from any thread) after each commit with changes."""
        self._listeners.append(listener)

    def remove_listener(self, listener: Callable[[], None]) -> None:
        """Stop calling the listener."""
        self._listeners.remove(listener)

    def connect_parameters(self) -> dict[str, Any]:
        """Return the driver's parameters, for a connection outside the pools."""
        return dict(self._reader.dialect.create_connect_args(self._reader.url)[1])

    def close(self) -> None:
        """Wait for running work and close all connections."""
        self._read_pool.shutdown()
        self._write_pool.shutdown()
        self._background_pool.shutdown()
        self._reader.dispose()
        self._writer.dispose()

    def _check_file(self) -> None:
        if self._file is not None:
            self._file.check()

    def _write_once(self, work: Callable[[Transaction], T], fence: Fence | None) -> tuple[T, bool]:
        self._check_file()
        with self._exclusive(), wrapped() as stage, self._writer.connect() as connection:
            begun = connection.begin()
            executor = self._background_pool if self.dialect == "postgresql" else None
            tx = Transaction(connection, self._clock, self.tier, writing=True, executor=executor)
            try:
                if self.dialect == "postgresql":
                    connection.execute(select(counter.c.value).with_for_update())
                if fence is not None:
                    _check_fence(tx, fence)
                result = work(tx)
                tx.settle()
                self._check_file()  # a commit to a file that was deleted would be confirmed and lost
                if tx.changed and self.dialect == "postgresql":
                    connection.execute(text("SELECT pg_notify('resource_change', '')"))
            except BaseException:
                tx.abandon()
                begun.rollback()
                raise
            stage.committing = True
            begun.commit()
            return result, tx.changed

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Admit one writer of this process at a time; other processes wait in the database."""
        if not self._write_lock.acquire(timeout=_LOCK_SECONDS):
            raise Unavailable(f"another write has held the database for {_LOCK_SECONDS:.0f} s")
        try:
            yield
        finally:
            self._write_lock.release()

    def _notify_listeners(self) -> None:
        for listener in list(self._listeners):
            listener()

    async def _in_thread(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        context = contextvars.copy_context()  # carries the logs' request_id
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work))


def _check_fence(tx: Transaction, fence: Fence) -> None:
    statement = select(lease.c.term, lease.c.holder).where(lease.c.name == fence.lease)
    if tx.dialect == "postgresql":
        statement = statement.with_for_update(read=True)
    row = tx.connection.execute(statement).first()
    if row is None or row.term != fence.term or not row.holder:
        current = "no term" if row is None else f"term {row.term}"
        raise StaleTerm(f"{fence.lease}: wrote with term {fence.term}, but {current} is current")
