"""Heartbeats of a process: it reports its ServiceProcess to the API of its tier, at an interval and at every change.

A lost heartbeat is not repeated: the next one is newer.

Design: A9, F4
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from controller.clock import Clock
from controller.errors import ResourceError
from controller.wire import api_pb2

SendHeartbeat = Callable[[api_pb2.UpdateNodeRequest], Awaitable[None]]
"""Send one heartbeat to the API; raises ResourceError."""


class Heartbeat:
    """Sends ``describe()`` about every ``interval`` seconds, and soon after ``changed``."""

    def __init__(
        self,
        send: SendHeartbeat,
        describe: Callable[[], api_pb2.UpdateNodeRequest],
        *,
        clock: Clock,
        interval: float,
        note: Callable[[bool], None] = lambda _: None,
        source: random.Random | None = None,
    ) -> None:
        """``note`` is called after each heartbeat: True if the API received it."""
        self._send = send
        self._describe = describe
        self._clock = clock
        self._interval = interval
        self._note = note
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._changed = asyncio.Event()
        self._log = structlog.get_logger("heartbeat")
        self._failing = False

    def changed(self) -> None:
        """Send the next heartbeat soon: the process has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            self._changed.clear()
            await self.once()
            pause = asyncio.ensure_future(self._clock.sleep(self._interval * self._random.uniform(0.9, 1.1)))
            news = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({pause, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                news.cancel()

    async def once(self) -> None:
        """Send one heartbeat now; log a failure if the last one succeeded."""
        try:
            await self._send(self._describe())
        except ResourceError as error:
            if not self._failing:
                self._log.warning("heartbeat not received by the API", error=error.message)
            self._failing = True
        else:
            self._failing = False
        self._note(not self._failing)
