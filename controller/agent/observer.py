"""Shares one observation of the hypervisor among all that need one at the same time.

``observe`` returns an observation that began after the call. Callers that come together share it,
and at most one observation runs at a time: fifty machines that finish at once cost two
observations, not fifty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine
from controller.errors import ResourceError, TimedOut


class Observer:
    """Shares observations of a driver; remembers whether the last one succeeded."""

    def __init__(self, driver: Driver, deadline: float) -> None:
        self._driver = driver
        self._deadline = deadline
        self._running: asyncio.Task[Mapping[str, Machine]] | None = None
        self._waiting: asyncio.Task[Mapping[str, Machine]] | None = None
        self.failure = ""
        """Why the last observation failed; empty when it succeeded."""

    async def observe(self) -> Mapping[str, Machine]:
        """Return all machines with our metadata, by uid. Raises Unavailable, TimedOut."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._observe(self._running))
            self._waiting.add_done_callback(_retrieve)
        return await asyncio.shield(self._waiting)

    async def close(self) -> None:
        """Cancel observations that are in progress."""
        tasks = [task for task in (self._running, self._waiting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _observe(self, previous: asyncio.Task[Mapping[str, Machine]] | None) -> Mapping[str, Machine]:
        if previous is not None:
            await asyncio.wait([previous])
        self._running, self._waiting = self._waiting, None
        try:
            async with asyncio.timeout(self._deadline):
                machines = await self._driver.observe()
        except TimeoutError as error:
            self.failure = f"the hypervisor did not answer within {self._deadline:g} s"
            raise TimedOut(self.failure) from error
        except ResourceError as error:
            self.failure = error.message
            raise
        self.failure = ""
        return {machine.uid: machine for machine in machines}


def _retrieve(task: asyncio.Task[Mapping[str, Machine]]) -> None:
    # Every caller may have been cancelled: then no caller retrieves the error.
    if not task.cancelled():
        task.exception()
