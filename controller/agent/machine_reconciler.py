"""Reconciles the machines of one host with their assignments, for the agent's loop.

One round observes, decides, reports and acts; the next round observes again. The loop runs one
``reconcile`` per resource at a time, so the driver gets one call per machine at a time. Everything
is level-triggered: between two rounds only the journal (on disk) and the last error (for the
report) are kept.

An error of one machine affects that machine only. A permanent error becomes its status, with the
reason; the loop retries a temporary error after a back-off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from controller.agent.assignments import Assigned, Assignments
from controller.agent.boot_hold import BootHold
from controller.agent.crash_backoff import CrashBackoff
from controller.agent.driver_deadline import driver_deadline
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine, MachineState
from controller.agent.journal import Journal
from controller.agent.machine_decisions import RECHECK_SECONDS, Decision, Step, decide
from controller.agent.machine_reports import MachineReports
from controller.agent.migration_receiver import MigrationReceiver
from controller.agent.migration_sender import MigrationSender
from controller.agent.observer import Observer
from controller.agent.reports import Reports
from controller.agent.start_limiter import StartLimiter
from controller.agent.stray_cleanup import StrayCleanup
from controller.clock import Clock
from controller.errors import PermanentError, ResourceError
from controller.model.compute import Power


@dataclass(frozen=True)
class WorkLimits:
    """Bounds of the work on one host; times in seconds."""

    starts: int = 4
    """Machines that are created or prepared at the same time."""
    start_patience: float = 30.0
    """How long a slow start keeps its slot from others."""
    deadline: float = 900.0
    """The longest that one call of the driver may take, images included."""
    stray_grace: float = 5.0
    """How long a machine must be unassigned before it is kept aside."""


class MachineReconciler:
    """The Computes of one host."""

    def __init__(
        self,
        driver: Driver,
        observer: Observer,
        assignments: Assignments,
        journal: Journal,
        reports: Reports,
        *,
        clock: Clock,
        accelerator: str,
        limits: WorkLimits | None = None,
        providers: Collection[str] = (),
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """``providers``: names of those that this node offers.

        ``changed`` is called when the host's network may have to follow.
        """
        self._driver = driver
        self._observer = observer
        self._assignments = assignments
        self._journal = journal
        self._reports = reports
        self._limits = limits or WorkLimits()
        self._starts = StartLimiter(self._limits.starts, self._limits.start_patience, clock)
        self._providers = providers
        self._backoff = CrashBackoff(clock)
        self._changed = changed
        self._removed: dict[str, Assigned] = {}
        self._machine_reports = MachineReports(reports, self._backoff, accelerator)
        self._sender = MigrationSender(
            driver, observer, assignments, journal, self._machine_reports, deadline=self._limits.deadline
        )
        self._receiver = MigrationReceiver(driver, assignments, journal, self._starts, self._check_provider)
        self._strays = StrayCleanup(
            driver,
            assignments,
            journal,
            clock=clock,
            grace=self._limits.stray_grace,
            deadline=self._limits.deadline,
            changed=changed,
        )
        self.boot_hold = BootHold(journal, assignments, observer)

    async def reconcile(self, uid: str) -> float | None:
        """Take the next step for the resource; return the seconds until it must be reconciled again."""
        assigned = self._assignments.get(uid)
        machine = (await self._observer.observe()).get(uid)
        if self._assignments.get(uid) is not assigned:
            return 0.0  # a report under an assignment is of a machine that was observed after the assignment came
        if assigned is None:
            self._forget(uid)
            self._machine_reports.record_unassigned(uid, machine)
            return await self._strays.reconcile(uid, machine)
        self._strays.reset(uid)
        try:
            decision = await self._decide_and_journal(assigned, machine)
        except PermanentError as error:
            self._machine_reports.record_error(assigned, machine, error.message)
            raise
        if decision.step in (Step.NOTHING, Step.WAIT):
            self._machine_reports.clear_error(uid)
        wait = self._backoff.delay(assigned, decision.step)
        self._machine_reports.record(assigned, machine, decision)
        if wait > 0:
            return wait
        if decision.step is Step.NOTHING:
            return None
        if decision.step is Step.WAIT:
            return RECHECK_SECONDS
        if decision.step is Step.REPAIR:
            return await self._sender.repair(assigned)
        try:
            await self._act(assigned, machine, decision)
        except PermanentError as error:
            machine = (await self._observer.observe()).get(uid)
            self._machine_reports.record_error(assigned, machine, error.message)
            raise
        except ResourceError as error:
            self._machine_reports.record_retry(assigned, error.message)
            raise
        finally:
            self._changed()
        self._machine_reports.clear_error(uid)
        self._backoff.record(assigned, decision.step)
        return 0.0

    async def report_all(self) -> None:
        """Bring the reports of all machines and assignments up to date. Raises as ``Observer.observe`` does.

        Takes no step and writes nothing to disk, so it may run at the same time as ``reconcile``.
        """
        before = {uid: self._assignments.get(uid) for uid in self._assignments.uids()}
        machines = await self._observer.observe()
        for uid in {*machines, *self._assignments.uids(), *self._reports.uids()}:
            assigned, machine = self._assignments.get(uid), machines.get(uid)
            if assigned is None:
                self._machine_reports.record_unassigned(uid, machine)
            elif assigned.kind == "Compute":
                fresh = before.get(uid) is assigned
                try:
                    decision = self._decide(assigned, machine)
                except PermanentError as error:
                    self._machine_reports.record_error(assigned, machine, error.message, fresh=fresh)
                else:
                    self._machine_reports.record(assigned, machine, decision, fresh=fresh)

    def _decide(self, assigned: Assigned, machine: Machine | None) -> Decision:
        uid = assigned.uid
        return decide(
            assigned,
            machine,
            self._journal.migration(uid),
            confirmed=self._assignments.confirmed,
            sending=self._sender.sending(uid),
            held=self.boot_hold.holds(assigned),
            boot_unconfirmed=self._journal.boot_unconfirmed,
            removed=self._removed.get(uid) is assigned,
        )

    async def _decide_and_journal(self, assigned: Assigned, machine: Machine | None) -> Decision:
        """Decide, and bring the journal up to date with what was just observed."""
        if self._assignments.confirmed:
            await self._journal.confirm_boot()
        decision = self._decide(assigned, machine)
        await self.boot_hold.release(assigned, machine)
        await self._sender.journal_outcome(assigned, machine, decision)
        return decision

    async def _act(self, assigned: Assigned, machine: Machine | None, decision: Decision) -> None:
        uid, driver = assigned.uid, self._driver
        if decision.step is Step.SEND:  # no deadline here: sending the disks may take longer than any other call
            await self._sender.send(assigned)
            return
        async with driver_deadline(self._limits.deadline + assigned.shutdown_timeout):
            match decision.step:
                case Step.ENSURE:
                    run = assigned.spec.power is Power.RUNNING
                    async with self._starts.slot():
                        if self._assignments.is_current(assigned):
                            self._check_provider(assigned)
                            await driver.ensure(assigned.desired, run=run)
                case Step.RESUME:
                    if self._assignments.is_current(assigned):
                        await driver.resume(assigned.desired)
                case Step.PREPARE:
                    await self._receiver.prepare(assigned, machine)
                case Step.REMOVE:
                    timeout = self._shutdown_timeout(assigned, machine)
                    if assigned.item.delete_disks:
                        await driver.remove(uid, timeout=timeout)
                    else:
                        if timeout > 0:
                            await driver.stop(uid, timeout=timeout)
                        await driver.quarantine(uid)
                    self._removed[uid] = assigned
                    await self._journal.forget(uid)

    def _check_provider(self, assigned: Assigned) -> None:
        provider = assigned.spec.provider
        if provider not in self._providers:
            raise PermanentError(f"this node does not have a driver for provider {provider}")

    def _shutdown_timeout(self, assigned: Assigned, machine: Machine | None) -> float:
        """Return the seconds for a graceful shutdown; 0 for what a migration left and for what does not run."""
        if machine is None or machine.state is not MachineState.RUNNING or self._journal.migration(assigned.uid):
            return 0.0
        return assigned.shutdown_timeout

    def _forget(self, uid: str) -> None:
        self._machine_reports.clear_error(uid)
        self._removed.pop(uid, None)
        self._backoff.forget(uid)
