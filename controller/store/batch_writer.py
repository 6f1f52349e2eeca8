"""Gathers what many callers send into few transactions: heartbeats, registrations and reports of agents.

Entries have a key. An entry replaces an older one of its key that is not written yet, so that any
number of senders costs one write about every ``gather`` seconds. ``add`` returns at once;
``add_and_wait`` returns when the entry is written, or raises the error of that entry.

The database may refuse one entry (InvalidInput, Conflict), or the write may fail for one entry in a
way that its code does not foresee. Then the batch is written in halves until that entry is alone, so
that it costs no other entry. After a TemporaryError an entry
of ``add`` stays, unless a newer one of its key has come; a caller of ``add_and_wait`` gets the error
and decides itself.

Ordering: of two entries of one key the newer is never written before the older. Entries of
different keys have no order.

Not promised: that an entry is written once. An entry whose write is cancelled stays and is written
again by the next ``flush``, so that ``write`` must be idempotent. Entries are in memory only; a
process that is killed loses them.

Not safe for several threads at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from controller.clock import Clock
from controller.errors import InternalError, ResourceError, TemporaryError, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


async def write_bisecting(
    write: Callable[[Mapping[str, Item]], Awaitable[Result]], items: Mapping[str, Item]
) -> list[tuple[Mapping[str, Item], Result | ResourceError]]:
    """Write all items together; when that is refused, write each half, until a refused item is alone.

    Return the parts that were written separately, each with its outcome: what ``write`` returned, a
    TemporaryError (for a part of any size, which may be retried), or the refusal of a single item: an
    InternalError where ``write`` raised what is no ResourceError.
    """
    try:
        return [(items, await write(items))]
    except TemporaryError as error:
        return [(items, error)]
    except Exception as error:
        if len(items) == 1:
            return [(items, _refusal(error))]
    names = list(items)
    middle = len(names) // 2
    parts = ({name: items[name] for name in half} for half in (names[:middle], names[middle:]))
    return [outcome for part in parts for outcome in await write_bisecting(write, part)]


def _refusal(error: Exception) -> ResourceError:
    if isinstance(error, ResourceError):
        return error
    structlog.get_logger("batch_writer").error("a write broke", error=repr(error), exc_info=error)
    made = InternalError(f"internal error: {type(error).__name__}")
    made.__cause__ = error
    return made


@dataclass
class _Entry(Generic[Item, Result]):
    item: Item
    waiters: list[asyncio.Future[Result]] = field(default_factory=list)


class BatchWriter(Generic[Item, Result]):
    """One kind of entry; ``run`` must be kept running."""

    def __init__(
        self,
        write: Callable[[Mapping[str, Item]], Awaitable[Result]],
        clock: Clock,
        *,
        gather: float = 0.0,
        retry: float = 0.0,
        most: int = sys.maxsize,
        postponed: Callable[[int, TemporaryError], None] = lambda _number, _error: None,
        refused: Callable[[str, Item, ResourceError], Item | None] = lambda _key, _item, _error: None,
    ) -> None:
        """``write`` writes a batch in one transaction.

        ``gather`` is the time in seconds from the first entry of a batch to its write; ``retry`` is
        added to it after a TemporaryError. ``postponed`` receives how many entries of ``add`` stay
        because of such an error. ``refused`` receives an entry of ``add`` that the database refused,
        and returns what is to be written in its place, or None.
        """
        self._write = write
        self._clock = clock
        self._gather = gather
        self._retry = retry
        self._most = most
        self._postponed = postponed
        self._refused = refused
        self._waiting: dict[str, _Entry[Item, Result]] = {}
        self._some = asyncio.Event()
        self._stopping = False

    def add(self, key: str, item: Item) -> None:
        """Write the item with the next batch. While ``most`` others wait, an item of a new key is dropped."""
        if key in self._waiting or len(self._waiting) < self._most:
            self._put(key, item)

    def _put(self, key: str, item: Item) -> None:
        entry = self._waiting.get(key)
        if entry is None:
            self._waiting[key] = _Entry(item)
        else:
            entry.item = item
        self._some.set()

    async def add_and_wait(self, key: str, item: Item) -> Result:
        """Write the item with the next batch and return what ``write`` returned for it.

        Raises what the database raises for this item; Unavailable when ``run`` ends before.
        """
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._put(key, item)
        self._waiting[key].waiters.append(done)
        return await done

    def stop(self) -> None:
        """Let ``run`` write what is there and end."""
        self._stopping = True
        self._some.set()

    async def run(self) -> None:
        """Write batches until cancelled or stopped."""
        try:
            while True:
                await self._some.wait()
                if self._gather and not self._stopping:
                    await self._clock.sleep(self._gather)
                complete = await self.flush()
                if self._stopping:
                    return
                if not complete and self._retry:
                    await self._clock.sleep(self._retry)
        finally:
            self._fail_waiters()

    async def flush(self) -> bool:
        """Write what is there now; return whether nothing of it is to be retried."""
        taken, self._waiting = self._waiting, {}
        self._some.clear()
        if not taken:
            return True
        try:
            outcomes = await write_bisecting(self._write, {key: entry.item for key, entry in taken.items()})
        except BaseException:
            self._keep(taken)
            raise
        complete = True
        for part, outcome in outcomes:
            entries = {key: taken[key] for key in part}
            if not isinstance(outcome, ResourceError):
                for entry in entries.values():
                    _succeed(entry.waiters, outcome)
                continue
            for entry in entries.values():
                _fail(entry.waiters, outcome)
            left = {key: entry for key, entry in entries.items() if not entry.waiters}
            if isinstance(outcome, TemporaryError) and not isinstance(outcome, InternalError):
                if left:
                    self._postponed(len(left), outcome)
                    self._keep(left)
                    complete = False
            else:
                for key, entry in left.items():
                    self._replace(key, entry.item, outcome)
        return complete

    def _replace(self, key: str, item: Item, error: ResourceError) -> None:
        instead = self._refused(key, item, error)
        if instead is not None:
            self._keep({key: _Entry(instead)})

    def _keep(self, entries: Mapping[str, _Entry[Item, Result]]) -> None:
        """Keep entries for the next batch, before those that came meanwhile; a newer one of a key wins."""
        newer, self._waiting = self._waiting, dict(entries)
        for key, entry in newer.items():
            older = self._waiting.get(key)
            waiters = [*older.waiters, *entry.waiters] if older is not None else entry.waiters
            self._waiting[key] = _Entry(entry.item, waiters)
        self._some.set()

    def _fail_waiters(self) -> None:
        for key, entry in list(self._waiting.items()):
            if entry.waiters:
                del self._waiting[key]
                _fail(entry.waiters, Unavailable("the process is stopping"))


def _succeed(waiters: list[asyncio.Future[Result]], result: Result) -> None:
    for waiter in waiters:
        if not waiter.done():  # a caller that was cancelled no longer waits
            waiter.set_result(result)


def _fail(waiters: list[asyncio.Future[Result]], error: ResourceError) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
