"""One look at the hypervisor for everybody who wants one.

``look`` returns an observation that began after the call: callers that come together share it, and
at most one observation runs at a time. So fifty machines that finish at once cost two looks, not
fifty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine
from controller.errors import ResourceError, TimedOut


class Observer:
    """Shares observations of a driver; remembers whether the last one worked."""

    def __init__(self, driver: Driver, deadline: float) -> None:
        self._driver = driver
        self._deadline = deadline
        self._running: asyncio.Task[Mapping[str, Machine]] | None = None
        self._waiting: asyncio.Task[Mapping[str, Machine]] | None = None
        self.trouble = ""
        """Why the last look failed; empty when it worked."""

    async def look(self) -> Mapping[str, Machine]:
        """All machines with our metadata, by uid. Raises Unavailable, TimedOut."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._observe(self._running))
            self._waiting.add_done_callback(_retrieve)
        return await asyncio.shield(self._waiting)

    async def close(self) -> None:
        """Let go of looks that are under way."""
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
            self.trouble = f"the hypervisor gave no answer within {self._deadline:g} s"
            raise TimedOut(self.trouble) from error
        except ResourceError as error:
            self.trouble = error.message
            raise
        self.trouble = ""
        return {machine.uid: machine for machine in machines}


def _retrieve(task: asyncio.Task[Mapping[str, Machine]]) -> None:
    # Every caller may have been cancelled: nobody is left to take the error.
    if not task.cancelled():
        task.exception()
