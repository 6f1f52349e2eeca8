"""Lists the disks that the node keeps aside, for the agent's full reports.

What runs is reported whatever the quarantine does: where it cannot be listed, or its disk hangs, the report has the
list of before. One listing runs at a time, so that a disk that hangs holds one thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from controller.agent.drivers.types import Quarantined
from controller.errors import ResourceError

_log = structlog.get_logger("quarantine")
LIST_SECONDS = 10.0


class QuarantineListing:
    """What was listed last."""

    def __init__(self, quarantined: Callable[[], Awaitable[Sequence[Quarantined]]]) -> None:
        self._quarantined = quarantined
        self._listing: asyncio.Future[Sequence[Quarantined]] | None = None
        self.kept: Sequence[Quarantined] = ()

    @property
    def size_bytes(self) -> int:
        """Return what all disks of the last list take."""
        return sum(one.size_bytes for one in self.kept)

    async def refresh(self) -> None:
        """Update the list; wait for it ``LIST_SECONDS`` at most."""
        if self._listing is None:
            self._listing = asyncio.ensure_future(self._quarantined())
        await asyncio.wait({self._listing}, timeout=LIST_SECONDS)
        if not self._listing.done():
            _log.warning("the quarantine cannot be listed: its disk does not answer")
            return
        listing, self._listing = self._listing, None
        try:
            self.kept = listing.result()
        except ResourceError as error:
            _log.warning("the quarantine cannot be listed", error=error.message)
