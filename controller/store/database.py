"""A tier's database: transactions, their clock, and whose writes count.

Ordering: writers of one database go one after the other, on both engines: by ``BEGIN IMMEDIATE``
on SQLite, by locking the counter's row first on PostgreSQL. So what a write transaction reads
does not change under it, and the order of commits is the order of ``resource_version``. Readers
never wait for writers and see one snapshot for the whole transaction.

Fencing (H2): a write made with a ``Fence`` first finds its lease with the same term, inside the
transaction; taking the lease away is a write too, so that the two cannot pass each other.

Not promised: that ``work`` runs once. After a deadlock or a lost connection before the commit it
runs again, so it must have no effects outside the database. When the connection breaks in the
commit itself, ``TimedOut`` says that the outcome is unknown.
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
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from controller.clock import Clock, SystemClock
from controller.errors import Conflict, InvalidInput, Problem, StaleTerm, TimedOut, Unavailable
from controller.store import engines, schema
from controller.store.background_writes import Behind
from controller.store.tables import counter, lease

T = TypeVar("T")
_TRIES = 5
_LOCK_SECONDS = 30.0
_READERS = 4


class Tier(StrEnum):
    """Whose database it is."""

    ROOT = "root"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class Fence:
    """The lease and term under which a master writes."""

    lease: str
    term: int


class Transaction:
    """One open transaction; valid only inside the ``work`` that got it."""

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
        self._behind = Behind(executor)
        self.tier = tier
        self.writing = writing
        self.changed = False
        """True once versions were taken: watchers are to be woken after the commit."""
        self._clock = clock
        self._now: datetime | None = None

    @property
    def connection(self) -> Connection:
        """The connection; waits for what runs behind, and raises what went wrong there."""
        self._behind.settle()
        return self._connection

    def behind(self, work: Callable[[Transaction], None]) -> None:
        """Have ``work`` write in this transaction while the caller goes on; see ``behind``.

        It gets a transaction of its own to speak through, and takes no versions. Inside a savepoint it is
        waited for, since whoever ends that one asks nobody.
        """
        beside = Transaction(self._connection, self._clock, self.tier, writing=self.writing)
        beside._now = self.now
        self._behind.run(lambda: work(beside))
        if self._connection.in_nested_transaction():
            self._behind.settle()

    def settle(self) -> None:
        """Wait for what runs behind; raise what went wrong there."""
        self._behind.settle()

    def abandon(self) -> None:
        """Wait for what runs behind, whatever comes of it: the transaction is to be undone."""
        self._behind.end()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    @property
    def now(self) -> datetime:
        """The database's clock, read once in the transaction; a test's clock is bound instead."""
        if self._now is None:
            if self._clock is not None:
                self._now = self._clock.now()
            else:
                self._now = self.connection.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)
        return self._now

    def take_versions(self, number: int) -> int:
        """Take ``number`` versions; the first of them is returned."""
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
    """One tier's database. Safe to share between threads."""

    def __init__(self, url: str, *, tier: Tier, clock: Clock | None = None, cluster: str = "") -> None:
        self.url = url
        self.tier = tier
        self.cluster = cluster
        self._reader, self._writer = engines.make(url)
        self.dialect = self._writer.dialect.name
        self._clock = SystemClock() if clock is None and self.dialect == "sqlite" else clock
        self._write_lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._read_pool = ThreadPoolExecutor(_READERS, thread_name_prefix="store-read")
        self._write_pool = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._behind_pool = ThreadPoolExecutor(1, thread_name_prefix="store-behind")

    def check_schema(self) -> None:
        """Raise SchemaMismatch, with what to do, unless the database has this program's schema and tier."""
        with _wrapped():
            schema.check(self._reader, self.tier.value, self.cluster)

    def upgrade(self) -> None:
        """Bring the database to this program's schema and record the tier; again: no effect."""
        with _wrapped():
            schema.upgrade(self._writer, self.tier.value, self.cluster, (self._clock or SystemClock()).now())

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on one snapshot. Raises Unavailable when the database is away."""
        for last in _tries():
            try:
                with _wrapped(), self._reader.connect() as connection, connection.begin():
                    return work(Transaction(connection, self._clock, self.tier, writing=False))
            except _Again as again:
                if last:
                    raise again.error from again.__cause__
        raise AssertionError("unreachable")

    def write(self, work: Callable[[Transaction], T], *, fence: Fence | None = None) -> T:
        """Run ``work`` and commit; everything or nothing of it is stored.

        Raises StaleTerm when ``fence`` is no longer the master's, Conflict when a unique key is
        taken, Unavailable when the database is away or its lock is not to be had.
        """
        for last in _tries():
            try:
                result, changed = self._write_once(work, fence)
            except _Again as again:
                if last:
                    raise again.error from again.__cause__
                continue
            if changed:
                self._tell_listeners()
            return result
        raise AssertionError("unreachable")

    async def aread(self, work: Callable[[Transaction], T]) -> T:
        """``read`` in a worker thread. Cancelling does not stop work that has begun."""
        return await self._in_thread(self._read_pool, lambda: self.read(work))

    async def awrite(self, work: Callable[[Transaction], T], *, fence: Fence | None = None) -> T:
        """``write`` in the writer's thread. Cancelling does not stop work that has begun."""
        return await self._in_thread(self._write_pool, lambda: self.write(work, fence=fence))

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` (from any thread) after each commit that made changes."""
        self._listeners.append(listener)

    def remove_listener(self, listener: Callable[[], None]) -> None:
        """Undo ``add_listener``."""
        self._listeners.remove(listener)

    def connect_parameters(self) -> dict[str, Any]:
        """The driver's parameters, for a connection outside the pools."""
        return dict(self._reader.dialect.create_connect_args(self._reader.url)[1])

    def close(self) -> None:
        """Wait for running work and close every connection."""
        self._read_pool.shutdown()
        self._write_pool.shutdown()
        self._behind_pool.shutdown()
        self._reader.dispose()
        self._writer.dispose()

    def _write_once(self, work: Callable[[Transaction], T], fence: Fence | None) -> tuple[T, bool]:
        with self._exclusive(), _wrapped() as stage, self._writer.connect() as connection:
            begun = connection.begin()
            executor = self._behind_pool if self.dialect == "postgresql" else None
            tx = Transaction(connection, self._clock, self.tier, writing=True, executor=executor)
            try:
                if self.dialect == "postgresql":
                    connection.execute(select(counter.c.value).with_for_update())
                if fence is not None:
                    _check_fence(tx, fence)
                result = work(tx)
                tx.settle()
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
        """One writer of this process at a time; other processes wait in the database."""
        if not self._write_lock.acquire(timeout=_LOCK_SECONDS):
            raise Unavailable(f"another write has held the database for {_LOCK_SECONDS:.0f} s")
        try:
            yield
        finally:
            self._write_lock.release()

    def _tell_listeners(self) -> None:
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
        stands = "no term" if row is None else f"term {row.term}"
        raise StaleTerm(f"{fence.lease}: wrote with term {fence.term}, but {stands} stands")


class _Again(Exception):
    """The transaction had no effect and may be run again; ``error`` is for the last try."""

    def __init__(self, error: Unavailable) -> None:
        super().__init__(error.message)
        self.error = error


class _Stage:
    committing = False


@contextmanager
def _wrapped() -> Iterator[_Stage]:
    """Turn the drivers' errors into ours."""
    stage = _Stage()
    try:
        yield stage
    except IntegrityError as error:
        raise Conflict(f"taken already: {_first_line(error)}") from error
    except DataError as error:
        raise InvalidInput([Problem("", f"the database refuses the value: {_first_line(error)}")]) from error
    except OverflowError as error:  # SQLite's driver says so of an integer that is too large
        raise InvalidInput([Problem("", f"the database refuses the value: {error}")]) from error
    except OperationalError as error:
        if stage.committing and error.connection_invalidated:
            raise TimedOut("the database went away in a commit; whether it took effect is unknown") from error
        unavailable = Unavailable(f"database: {_first_line(error)}")
        if error.connection_invalidated or engines.is_conflict(error):
            raise _Again(unavailable) from error
        raise unavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _Again(Unavailable(f"database: {_first_line(error)}")) from error
        raise


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _tries() -> Iterator[bool]:
    """False for every try but the last, which is True."""
    for number in range(1, _TRIES + 1):
        yield number == _TRIES
