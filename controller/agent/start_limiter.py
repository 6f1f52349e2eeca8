"""A bound on how many machines are made at once that a slow one cannot hold for long.

A caller waits for a place and works in it. After ``patience`` seconds the place is given to the
next, though the slow work goes on: a hung image server or machine delays the others once, by that
much, and never stops them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.clock import Clock


class Places:
    """``limit`` places."""

    def __init__(self, limit: int, patience: float, clock: Clock) -> None:
        self._free = asyncio.Semaphore(limit)
        self._patience = patience
        self._clock = clock

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a place; leave it at the end, or when patience is over."""
        await self._free.acquire()
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self._free.release()

        timer = asyncio.create_task(self._impatience(leave))
        try:
            yield
        finally:
            timer.cancel()
            leave()

    async def _impatience(self, leave: Callable[[], None]) -> None:
        await self._clock.sleep(self._patience)
        leave()
