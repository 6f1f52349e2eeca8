"""Prepares this node to receive machines by migration, for the machine reconciler.

The outcome is in the journal: Prepared, or Failed with the reason, after which the controller tries
another node. A temporary error is raised and not journalled; the loop retries it.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.agent.assignments import Assigned, Assignments
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine
from controller.agent.journal import Journal, MigrationPhase, MigrationRecord
from controller.agent.start_limiter import StartLimiter
from controller.errors import PermanentError


class MigrationReceiver:
    """The target side of migrations."""

    def __init__(
        self,
        driver: Driver,
        assignments: Assignments,
        journal: Journal,
        starts: StartLimiter,
        check_provider: Callable[[Assigned], None],
    ) -> None:
        """``check_provider`` raises PermanentError for a machine whose provider this node does not offer."""
        self._driver = driver
        self._assignments = assignments
        self._journal = journal
        self._starts = starts
        self._check_provider = check_provider

    async def prepare(self, assigned: Assigned, machine: Machine | None) -> None:
        """Keep aside what a failed attempt has left, prepare for the machine, and journal the outcome."""
        attempt = assigned.item.attempt
        try:
            async with self._starts.slot():
                if not self._assignments.is_current(assigned):
                    return
                if machine is not None:
                    await self._driver.quarantine(assigned.uid)
                self._check_provider(assigned)
                await self._driver.prepare_incoming(assigned.desired)
        except PermanentError as error:
            # Reported as Failed, because the controller then tries another node.
            await self._journal.record(assigned.uid, MigrationRecord(attempt, MigrationPhase.FAILED, error.message))
            return
        await self._journal.record(assigned.uid, MigrationRecord(attempt, MigrationPhase.PREPARED))
