"""Bounds how many machines are created at the same time, for the machine reconciler.

A caller waits for a slot and works in it. After ``patience`` seconds the slot is given to the next
caller, and the slow work goes on: a hung image server or machine delays the others once, by that
time, and never stops them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.clock import Clock


class StartLimiter:
    """``limit`` slots."""

    def __init__(self, limit: int, patience: float, clock: Clock) -> None:
        self._free = asyncio.Semaphore(limit)
        self._patience = patience
        self._clock = clock

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot; release it at the end of the body, or after ``patience`` seconds."""
        await self._free.acquire()
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._free.release()

        timer = asyncio.create_task(self._release_later(release))
        try:
            yield
        finally:
            timer.cancel()
            release()

    async def _release_later(self, release: Callable[[], None]) -> None:
        await self._clock.sleep(self._patience)
        release()
