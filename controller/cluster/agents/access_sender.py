"""Sends nodes who may connect to their machines, where only others' machines came or were deleted.

Many changes at once are sent once: sends are at intervals. The pause grows with what was sent, so that a service of
very many Computes on very many nodes leaves time for everything else. A node whose own assignments changed is not
concerned: it gets it with them, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.clock import Clock

GATHER_SECONDS = 0.2
BYTES_PER_SECOND = 20e6


class AccessSender:
    """The loop; ``run`` must be kept running."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Find the nodes that need it, soon."""
        self._woken.set()

    async def run(self, due: Callable[[], set[str]], send: Callable[[str], int]) -> None:
        """Call ``send``, which returns the bytes that it sent, for each node that is due; until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            sent = 0
            for node in sorted(due()):
                sent += send(node)
                await asyncio.sleep(0)  # others' turn
            await self._clock.sleep(max(GATHER_SECONDS, sent / BYTES_PER_SECOND))
