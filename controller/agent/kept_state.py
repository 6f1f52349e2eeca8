"""What an agent keeps on its node's disk: assignments and journal, read at the start and guarded from then on.

Nothing is read or written before the guard has found the folders to be the node's own. Once they are away and back,
both are written again, because the folder may hold older ones. Without a folder nothing is kept (simulation), and the
state is the node's own at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from controller.agent.assignments import Assignments
from controller.agent.journal import Journal
from controller.agent.state_guard import StateGuard
from controller.clock import Clock
from controller.errors import ResourceError

_log = structlog.get_logger("agent")

STATE_SECONDS = 1.0
"""Between two looks at the state folder."""


class KeptState:
    """The state of one node."""

    def __init__(self, assignments: Assignments, journal: Journal, guard: StateGuard | None, clock: Clock) -> None:
        self._assignments = assignments
        self._journal = journal
        self._guard = guard
        self._clock = clock
        self.loaded = asyncio.Event()
        """Set once the node's own state was read."""

    @property
    def reason(self) -> str:
        """Return why the agent must not act, or cannot store what it must; empty when all is well."""
        return self._guard.reason if self._guard is not None else ""

    async def load(self) -> bool:
        """Read what an earlier process kept, if it is this node's; return whether it is."""
        if self._guard is not None:
            kept = await self._guard.claim(lambda: (self._assignments.read(), self._journal.read()))
            if kept is None:
                return False
            assignments, journal = kept
            self._assignments.load(assignments)
            self._journal.load(journal)
            self._guard.accept()
        self.loaded.set()
        return True

    async def load_in_the_end(self, stopping: asyncio.Event) -> None:
        """Read it once it is this node's; return before only when the agent stops."""
        while not stopping.is_set() and not await self.load():
            await self._clock.sleep(STATE_SECONDS)

    async def check(self) -> None:
        """Wait until it was read, look at it, and raise Unavailable unless it is the node's own."""
        await self.loaded.wait()
        if self._guard is not None:
            await self._guard.check()

    async def watch(self, came_back: Callable[[], None]) -> None:
        """Look at it at an interval, without end. Once it is back, write it again, and call ``came_back``."""
        guard, away = self._guard, False
        if guard is None:
            await asyncio.Event().wait()  # nothing is kept, and nothing is lost
            return
        while True:
            await guard.refresh()
            if away and not guard.reason:
                try:
                    await self._assignments.save()
                    await self._journal.save()
                except ResourceError as error:
                    _log.warning("cannot write the state again", error=error.message)
                else:
                    away = False
                    came_back()
            away = away or bool(guard.reason)
            await self._clock.sleep(STATE_SECONDS)

    def close(self) -> None:
        """Release the folder."""
        if self._guard is not None:
            self._guard.close()
