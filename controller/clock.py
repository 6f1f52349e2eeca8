"""Time, passed in and never looked up.

Code that needs the time takes a ``Clock``. Production passes ``SystemClock``; tests pass
``VirtualClock`` and advance it by hand, so no test ever sleeps.

Ordering: ``VirtualClock.advance`` wakes sleepers in the order of their deadlines and lets the
event loop run between two wake-ups. It does not promise fairness between sleepers with one
deadline.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta


class Clock(ABC):
    """The time of day, a monotonic counter, and a way to wait."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the time of day, with time zone UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that never go back."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``; zero yields once."""


class SystemClock(Clock):
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock(Clock):
    """A clock that stands still until ``advance`` moves it (tests and offline replays)."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking every sleeper whose deadline is passed on the way."""
        target = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, waiter = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, deadline)
            if not waiter.done():
                waiter.set_result(None)
            await _settle()
        self._elapsed = target
        await _settle()

    def shift(self, seconds: float) -> None:
        """Move time forward outside an event loop; sleepers are woken by the next ``advance``."""
        self._elapsed += seconds


async def _settle(turns: int = 20) -> None:
    """Let tasks that became ready run until they wait again (a bounded number of turns)."""
    for _ in range(turns):
        await asyncio.sleep(0)
