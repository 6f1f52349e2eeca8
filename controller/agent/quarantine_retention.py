"""Deletes disks that were kept aside once their time is over, for the agent.

A round runs once an hour, the first an hour after the start. The time of day alone deletes nothing: it must have passed
as the monotonic counter has. After a jump of the clock the whole time passes again, by the counter, before anything is
deleted; so a clock that was set wrong, or right, deletes nothing early. Nothing is deleted without a session in which
the cluster has confirmed what is assigned: a node that is cut off, or held after a restore, keeps everything. A failure
is logged and tried again in the next round.

Not promised: that an agent which starts while the clock is wrong already notices it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from controller.agent.drivers.base import Driver
from controller.clock import Clock
from controller.errors import ResourceError

_log = structlog.get_logger("agent.quarantine")

ROUND_SECONDS = 3600.0


_DRIFT_SECONDS = 60.0
"""How far the clock may go otherwise than the counter between two rounds: it is slewed by less."""


class QuarantineRetention:
    """The time that disks stay in quarantine; ``run`` must be kept running."""

    def __init__(self, driver: Driver, clock: Clock, keep_seconds: float, *, confirmed: Callable[[], bool]) -> None:
        """``confirmed`` returns whether the cluster has confirmed in this session what is assigned to the node."""
        self._driver = driver
        self._clock = clock
        self._keep = timedelta(seconds=keep_seconds)
        self._confirmed = confirmed
        self._looked_at = (clock.now(), clock.monotonic())
        self._jumped_at: float | None = None

    async def run(self) -> None:
        """Purge what is too old, every hour, until cancelled."""
        while True:
            await self._clock.sleep(ROUND_SECONDS)
            try:
                await self.purge_old()
            except ResourceError as error:
                _log.warning("cannot purge the quarantine", error=error.message)
            except Exception:
                # A defect here must not end the agent, which keeps machines running. It is logged with its trace.
                _log.exception("cannot purge the quarantine")

    async def purge_old(self) -> None:
        """Purge everything that was kept aside longer than its time. Raises as the driver does."""
        if not self._is_clock_trusted() or not self._confirmed():
            return
        now = self._clock.now()
        for one in await self._driver.quarantined():
            if now - one.at > self._keep:
                _log.warning(
                    "deleting disks that were kept aside", key=one.key, name=one.name, size_bytes=one.size_bytes
                )
                await self._driver.purge(one.key)

    def _is_clock_trusted(self) -> bool:
        """Return whether the clock has gone as the counter has, for as long as disks are kept since its last jump."""
        (now, counter), (then, counted) = (self._clock.now(), self._clock.monotonic()), self._looked_at
        self._looked_at = now, counter
        jump = (now - then).total_seconds() - (counter - counted)
        if abs(jump) > _DRIFT_SECONDS:
            self._jumped_at = counter
            _log.warning(
                "the host's clock jumped: the time of disks that are kept aside starts again",
                jump_seconds=round(jump),
                keep_seconds=self._keep.total_seconds(),
            )
        return self._jumped_at is None or counter - self._jumped_at > self._keep.total_seconds()
