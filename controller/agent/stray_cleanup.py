"""Takes away machines and disks that no assignment names, for the machine reconciler.

Nothing is removed before the cluster has sent a full set of assignments in the present session:
until then a machine without an assignment proves nothing. A machine must then be unassigned for
the whole grace period. Its disks are not deleted but kept aside: the cluster's database is the only
source that says that nobody wants them, and it may be a restored one that is too old.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.agent.assignments import Assignments
from controller.agent.driver_deadline import driver_deadline
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine
from controller.agent.journal import Journal
from controller.clock import Clock

_log = structlog.get_logger("agent.strays")


class StrayCleanup:
    """The unassigned machines of one host."""

    def __init__(
        self,
        driver: Driver,
        assignments: Assignments,
        journal: Journal,
        *,
        clock: Clock,
        grace: float,
        deadline: float,
        changed: Callable[[], None],
    ) -> None:
        """``grace``, ``deadline``: seconds before a machine is kept aside, and that this may take.

        ``changed`` is called after that was tried.
        """
        self._driver = driver
        self._assignments = assignments
        self._journal = journal
        self._clock = clock
        self._grace = grace
        self._deadline = deadline
        self._changed = changed
        self._unassigned_since: dict[str, float] = {}

    def reset(self, uid: str) -> None:
        """Restart the grace period of a resource that is assigned."""
        self._unassigned_since.pop(uid, None)

    async def reconcile(self, uid: str, machine: Machine | None) -> float | None:
        """Take away what is left of a resource that is not assigned; return the seconds until the next round."""
        if machine is None:
            self.reset(uid)
            if self._assignments.confirmed and self._journal.migration(uid) is not None:
                await self._driver.quarantine(uid)  # disks that a migration prepared or left
                await self._journal.forget(uid)
            return None
        if not self._assignments.confirmed:
            return None  # the full set requeues every machine of this host
        since = self._unassigned_since.setdefault(uid, self._clock.monotonic())
        wait = since + self._grace - self._clock.monotonic()
        if wait > 0:
            return wait
        _log.warning("keeping a machine aside that is not assigned to this node", uid=uid, name=machine.name)
        try:
            async with driver_deadline(self._deadline):
                await self._driver.quarantine(uid)
        finally:
            self._changed()
        return 0.0
