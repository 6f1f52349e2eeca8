"""What both loops share: waiting for the next due key, the resync, starting and stopping.

Ordering: one key is never worked on twice at once; a wake that comes while its key is worked on
leads to one more attempt afterwards. Nothing is lost by a crash, since every run begins with a
resync. Belongs to one event loop: ``wake`` from another thread goes through
``call_soon_threadsafe``. Does not promise any order between different keys.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable

from controller.clock import Clock
from controller.loop.backoff import Backoff
from controller.loop.outcome import Outcome, log_outcome, verdict_of
from controller.loop.queue import KeyQueue

ListKeys = Callable[[], Awaitable[Iterable[str]]]
RESYNC_JITTER = 0.1


class BaseLoop(ABC):
    """The frame of a loop; see ``Loop`` and ``BatchLoop``."""

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        keys: ListKeys | None = None,
        resync: float = 60.0,
        backoff: Backoff | None = None,
        report: Callable[[Outcome], None] = log_outcome,
        source: random.Random | None = None,
    ) -> None:
        """``keys`` lists every key there is; asked at the start and about every ``resync`` seconds."""
        self.name = name
        self._clock = clock
        self._keys = keys
        self._resync = resync
        self._backoff = backoff or Backoff()
        self._report = report
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._queue = KeyQueue(name, clock, self._backoff, self._random)
        self._changed = asyncio.Event()
        self._stopping = False
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, *keys: str, after: float = 0.0) -> None:
        """Ask for keys, now or after some seconds. May be called before ``run``."""
        for key in keys:
            self._queue.wake(key, after)
        self._changed.set()

    def stop(self) -> None:
        """Begin nothing new; ``run`` returns when what is under way has ended."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Work until ``stop``; cancelled, it cancels what is under way. May be run again afterwards."""
        self._stopping = False
        resync = asyncio.create_task(self._resync_forever()) if self._keys else None
        try:
            while not self._stopping:
                self._changed.clear()
                self._start_due()
                self._set_timer()
                await self._changed.wait()
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            helpers = [task for task in (resync, self._timer) if task is not None]
            self._timer = None
            await _cancel([*helpers, *self._tasks])

    @abstractmethod
    def _start_due(self) -> None:
        """Start tasks for keys that are due, as far as the bounds allow."""

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    def _set_timer(self) -> None:
        """Have one sleeper that ends when the earliest key is due."""
        at = self._queue.next_at()
        if at is None or (at <= self._clock.monotonic() and self._tasks):
            return  # what is due already waits for a free place, and a task's end looks again
        if self._timer is not None and not self._timer.done():
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.create_task(self._ring(at - self._clock.monotonic()))

    async def _ring(self, delay: float) -> None:
        await self._clock.sleep(delay)
        self._changed.set()

    async def _resync_forever(self) -> None:
        assert self._keys is not None
        failures = 0
        while True:
            try:
                self.wake(*await self._keys())
                failures = 0
                pause = self._resync * (1 + RESYNC_JITTER * (2 * self._random.random() - 1))
            except Exception as error:
                # A resync that cannot list must come back, whatever went wrong: it is the safety net.
                failures += 1
                pause = self._backoff.delay(failures, self._random)
                self._report_resync(error, pause)
            await self._clock.sleep(pause)

    def _report_resync(self, error: Exception, pause: float) -> None:
        self._report(Outcome(self.name, "(resync)", verdict_of(error), error, pause))


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.gather(*tasks, return_exceptions=True)
