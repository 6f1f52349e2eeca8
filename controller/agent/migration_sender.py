"""Sends machines to other nodes, and repairs those whose migration broke off, for the machine reconciler.

The journal has a migration on disk before the driver is called, so a restarted agent knows that
the target may have the machine. One number of a migration is sent at most once. While a call of
the driver lasts, ``sending`` gives its number.

Not promised: that a failed call has ended the hypervisor's job. The next rounds observe the job
and repair what it leaves.
"""

from __future__ import annotations

import structlog

from controller.agent.assignments import Assigned, Assignments
from controller.agent.driver_deadline import driver_deadline
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine, MachineState, MigrationTarget
from controller.agent.journal import Journal, MigrationPhase, MigrationRecord
from controller.agent.machine_decisions import RECHECK_SECONDS, Decision
from controller.agent.machine_reports import MachineReports
from controller.agent.observer import Observer
from controller.errors import ResourceError
from controller.model.assignment import AssignmentRole

_log = structlog.get_logger("agent.migration")


class MigrationSender:
    """The source side of migrations."""

    def __init__(
        self,
        driver: Driver,
        observer: Observer,
        assignments: Assignments,
        journal: Journal,
        reports: MachineReports,
        *,
        deadline: float,
    ) -> None:
        """``deadline``: seconds that a repair may take; sending has none, since disks may be large."""
        self._driver = driver
        self._observer = observer
        self._assignments = assignments
        self._journal = journal
        self._reports = reports
        self._deadline = deadline
        self._sending: dict[str, int] = {}

    def sending(self, uid: str) -> int:
        """Return the number of the migration that this process carries out now, or 0."""
        return self._sending.get(uid, 0)

    async def send(self, assigned: Assigned) -> None:
        """Send the machine to the node that the assignment names, and journal the outcome."""
        uid, item = assigned.uid, assigned.item
        self._sending[uid] = item.attempt
        try:
            if not self._assignments.is_current(assigned):
                return
            # On disk before the call: an agent that reads it after a crash knows that the target may have the machine.
            await self._journal.record(uid, MigrationRecord(item.attempt, MigrationPhase.SENDING))
            reason = ""
            try:
                await self._driver.migrate(uid, MigrationTarget(item.migrate_to, item.migrate_address))
            except ResourceError as error:
                reason = error.message
                _log.warning("migration failed", uid=uid, to=item.migrate_to, attempt=item.attempt, error=reason)
            machine = (await self._observer.observe()).get(uid)
            if machine is not None and machine.migrating:
                return  # the call failed and the job goes on: the next rounds observe it
            phase = MigrationPhase.UNCLEAR if reason else MigrationPhase.SENT
            if machine is not None and machine.state is MachineState.RUNNING:
                if not await self._driver.repair_migration(uid):
                    return
                phase = MigrationPhase.FAILED
            await self._journal.record(uid, MigrationRecord(item.attempt, phase, reason))
        finally:
            del self._sending[uid]

    async def repair(self, assigned: Assigned) -> float:
        """Repair a machine that is still here after it was sent; return the seconds until the next round.

        When the machine is complete and runs, its migration is journalled as Failed.
        """
        uid, record = assigned.uid, self._journal.migration(assigned.uid)
        assert record is not None
        try:
            async with driver_deadline(self._deadline):
                complete = await self._driver.repair_migration(uid)
        except ResourceError as error:
            self._reports.record_retry(assigned, error.message)
            raise
        machine = (await self._observer.observe()).get(uid)
        if not complete or machine is None or machine.state is not MachineState.RUNNING or machine.migrating:
            return RECHECK_SECONDS
        reason = record.reason or "the migration broke off"
        await self._journal.record(uid, MigrationRecord(record.attempt, MigrationPhase.FAILED, reason))
        return 0.0

    async def journal_outcome(self, assigned: Assigned, machine: Machine | None, decision: Decision) -> None:
        """Journal the phase that was decided; forget a migration that the controller ended while the machine runs."""
        record = self._journal.migration(assigned.uid)
        if record is None or assigned.role is not AssignmentRole.OWNER:
            return
        if not assigned.item.migrate_to and machine is not None and machine.state is MachineState.RUNNING:
            await self._journal.forget(assigned.uid)
        elif record.attempt == assigned.item.attempt and decision.phase not in (
            None,
            record.phase,
            MigrationPhase.SENDING,
        ):
            assert decision.phase is not None
            await self._journal.record(assigned.uid, MigrationRecord(record.attempt, decision.phase, record.reason))
