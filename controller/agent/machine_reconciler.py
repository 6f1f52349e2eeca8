"""Makes this host's machines what the assignments say: look, decide, report, act, look again.

One ``reconcile`` per resource runs at a time (the loop sees to that), so the driver gets one call
per machine at a time. Everything is level-triggered: nothing is remembered between two rounds but
the journal (on disk) and what went wrong last (for the report).

An error of one machine is that machine's own: a permanent one becomes its status, with the
reason; a passing one is tried again after a back-off by the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import structlog

from controller.agent.assignments import Assigned, Assignments
from controller.agent.crash_backoff import Repeats
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Machine, MachineState, MigrationTarget
from controller.agent.journal import Journal, MigrationPhase, MigrationRecord
from controller.agent.machine_decisions import LOOK_AGAIN, Decision, Step, decide
from controller.agent.observer import Observer
from controller.agent.reports import Reports, compose
from controller.agent.start_limiter import Places
from controller.clock import Clock
from controller.errors import InvalidInput, PermanentError, ResourceError, TimedOut
from controller.model.assignment import AssignmentRole
from controller.model.compute import OnNodeUp, Power
from controller.model.envelope import Status

_log = structlog.get_logger("agent.machines")


@dataclass(frozen=True)
class Limits:
    """Bounds of the work on one host; times in seconds."""

    starts: int = 4
    """Machines made or prepared at once."""
    start_patience: float = 30.0
    """How long a slow start keeps others from a place."""
    deadline: float = 900.0
    """The longest that any one call of the driver may take, images included."""
    stray_grace: float = 5.0
    """How long a machine must be unassigned before it is removed."""


class Machines:
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
        limits: Limits | None = None,
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
        self._clock = clock
        self._accelerator = accelerator
        self._limits = limits or Limits()
        self._places = Places(self._limits.starts, self._limits.start_patience, clock)
        self._providers = providers
        self._repeats = Repeats(clock)
        self._changed = changed
        self._errors: dict[str, tuple[Assigned, str]] = {}
        self._gone: dict[str, Assigned] = {}
        self._sending: dict[str, int] = {}
        self._strays: dict[str, float] = {}

    async def reconcile(self, uid: str) -> float | None:
        """Do the next thing for the resource; returns seconds until it wants to be looked at again."""
        assigned = self._assignments.of(uid)
        machine = (await self._observer.look()).get(uid)
        if self._assignments.of(uid) is not assigned:
            return 0.0  # what is reported under an assignment was seen after it came
        if assigned is None:
            return await self._unassigned(uid, machine)
        self._strays.pop(uid, None)
        try:
            decision = await self._decide(assigned, machine)
        except PermanentError as error:
            self._fail(assigned, machine, error.message)
            raise
        if decision.step in (Step.NOTHING, Step.WAIT):
            self._errors.pop(uid, None)
        wait = self._repeats.wait(assigned, decision.step)
        self._say(assigned, machine, decision)
        if wait > 0:
            return wait
        if decision.step is Step.NOTHING:
            return None
        if decision.step is Step.WAIT:
            return LOOK_AGAIN
        if decision.step is Step.MEND:
            return await self._mend(assigned)
        try:
            await self._act(assigned, machine, decision)
        except PermanentError as error:
            machine = (await self._observer.look()).get(uid)
            self._fail(assigned, machine, error.message)
            raise
        except ResourceError as error:
            self._trouble(assigned, error.message)
            raise
        finally:
            self._changed()
        self._errors.pop(uid, None)
        self._repeats.done(assigned, decision.step)
        return 0.0

    async def picture(self) -> None:
        """Have a report of everything: what is here and what is assigned. Raises as ``look`` does.

        Acts on nothing and writes nothing down: it runs beside ``reconcile``.
        """
        before = {uid: self._assignments.of(uid) for uid in self._assignments.uids()}
        machines = await self._observer.look()
        for uid in {*machines, *self._assignments.uids(), *self._reports.uids()}:
            assigned, machine = self._assignments.of(uid), machines.get(uid)
            if assigned is None:
                self._say_unassigned(uid, machine)
            elif assigned.kind == "Compute":
                try:
                    self._say(assigned, machine, self._judge(assigned, machine), fresh=before.get(uid) is assigned)
                except PermanentError as error:
                    self._fail(assigned, machine, error.message, fresh=before.get(uid) is assigned)

    async def hold_after_boot(self, boot: str) -> None:
        """Call at the start: machines with on_node_up None stay off when the node was restarted."""
        if boot == self._journal.boot:
            return
        held: dict[str, str] = {}
        if self._journal.boot:
            machines = await self._observer.look()
            for uid in self._assignments.uids():
                assigned, machine = self._assignments.of(uid), machines.get(uid)
                if assigned is None or assigned.kind != "Compute" or machine is None:
                    continue
                with suppress(InvalidInput):  # it is reported when it is worked on
                    if machine.state is MachineState.STOPPED and assigned.spec.on_node_up is OnNodeUp.NONE:
                        held[uid] = _asked(assigned)
        await self._journal.booted(boot, held)

    def _judge(self, assigned: Assigned, machine: Machine | None) -> Decision:
        uid = assigned.uid
        held = self._journal.held(uid)
        return decide(
            assigned,
            machine,
            self._journal.migration(uid),
            confirmed=self._assignments.confirmed,
            sending=self._sending.get(uid, 0),
            held=bool(held) and held == _asked(assigned),
            cold=self._journal.cold,
            gone=self._gone.get(uid) is assigned,
        )

    async def _decide(self, assigned: Assigned, machine: Machine | None) -> Decision:
        """Decide, and bring the journal in line with what was just seen."""
        if self._assignments.confirmed:
            await self._journal.warmed()
        decision = self._judge(assigned, machine)
        held = self._journal.held(assigned.uid)
        if held and (held != _asked(assigned) or (machine and machine.state is MachineState.RUNNING)):
            await self._journal.release(assigned.uid)
        await self._settle(assigned, machine, decision)
        return decision

    async def _settle(self, assigned: Assigned, machine: Machine | None, decision: Decision) -> None:
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

    async def _act(self, assigned: Assigned, machine: Machine | None, decision: Decision) -> None:
        uid, driver = assigned.uid, self._driver
        if decision.step is Step.SEND:  # lasts as long as there are disks to send
            await self._send(assigned)
            return
        async with _deadline(self._limits.deadline + assigned.shutdown_timeout):
            match decision.step:
                case Step.ENSURE:
                    run = assigned.spec.power is Power.RUNNING
                    async with self._places.take():
                        if self._still(assigned):
                            self._check_provider(assigned)
                            await driver.ensure(assigned.desired, run=run)
                case Step.RESUME:
                    if self._still(assigned):
                        await driver.resume(assigned.desired)
                case Step.PREPARE:
                    await self._prepare(assigned, machine)
                case Step.REMOVE:
                    await driver.remove(
                        uid, timeout=self._shutdown(assigned, machine), delete_disks=assigned.item.delete_disks
                    )
                    self._gone[uid] = assigned
                    await self._journal.forget(uid)

    def _check_provider(self, assigned: Assigned) -> None:
        provider = assigned.spec.provider
        if provider not in self._providers:
            raise PermanentError(f"no driver for provider {provider} on this node")

    def _still(self, assigned: Assigned) -> bool:
        """Whether the decision was made from what is still asked; else the next round decides anew."""
        return self._assignments.of(assigned.uid) is assigned

    async def _prepare(self, assigned: Assigned, machine: Machine | None) -> None:
        attempt = assigned.item.attempt
        try:
            async with self._places.take():
                if not self._still(assigned):
                    return
                if machine is not None:
                    await self._driver.remove(assigned.uid, timeout=0)
                self._check_provider(assigned)
                await self._driver.prepare_incoming(assigned.desired)
        except PermanentError as error:
            # Told as Failed, for the controller then tries another node.
            await self._journal.record(assigned.uid, MigrationRecord(attempt, MigrationPhase.FAILED, error.message))
            return
        await self._journal.record(assigned.uid, MigrationRecord(attempt, MigrationPhase.PREPARED))

    async def _send(self, assigned: Assigned) -> None:
        uid, item = assigned.uid, assigned.item
        self._sending[uid] = item.attempt
        try:
            if not self._still(assigned):
                return
            # On disk before the call: whoever reads it after a crash knows that the copy may be away.
            await self._journal.record(uid, MigrationRecord(item.attempt, MigrationPhase.SENDING))
            reason = ""
            try:
                await self._driver.migrate(uid, MigrationTarget(item.migrate_to, item.migrate_address))
            except ResourceError as error:
                reason = error.message
                _log.warning("migration failed", uid=uid, to=item.migrate_to, attempt=item.attempt, error=reason)
            machine = (await self._observer.look()).get(uid)
            if machine is not None and machine.migrating:
                return  # the call failed, the job goes on: the next rounds look at it
            phase = MigrationPhase.UNCLEAR if reason else MigrationPhase.SENT
            if machine is not None and machine.state is MachineState.RUNNING:
                if not await self._driver.mend(uid):
                    return
                phase = MigrationPhase.FAILED
            await self._journal.record(uid, MigrationRecord(item.attempt, phase, reason))
        finally:
            del self._sending[uid]

    async def _mend(self, assigned: Assigned) -> float:
        """Mend a machine that was sent and is here still; once it runs and is whole, the try has failed."""
        uid, record = assigned.uid, self._journal.migration(assigned.uid)
        assert record is not None
        try:
            async with _deadline(self._limits.deadline):
                whole = await self._driver.mend(uid)
        except ResourceError as error:
            self._trouble(assigned, error.message)
            raise
        machine = (await self._observer.look()).get(uid)
        if not whole or machine is None or machine.state is not MachineState.RUNNING or machine.migrating:
            return LOOK_AGAIN
        reason = record.reason or "the migration broke off"
        await self._journal.record(uid, MigrationRecord(record.attempt, MigrationPhase.FAILED, reason))
        return 0.0

    def _shutdown(self, assigned: Assigned, machine: Machine | None) -> float:
        """Seconds for a graceful end: none for what a migration left, or what does not run."""
        if machine is None or machine.state is not MachineState.RUNNING or self._journal.migration(assigned.uid):
            return 0.0
        return assigned.shutdown_timeout

    async def _unassigned(self, uid: str, machine: Machine | None) -> float | None:
        self._errors.pop(uid, None)
        self._gone.pop(uid, None)
        self._repeats.forget(uid)
        self._say_unassigned(uid, machine)
        if machine is None:
            self._strays.pop(uid, None)
            if self._assignments.confirmed and self._journal.migration(uid) is not None:
                await self._driver.remove(uid, timeout=0)  # disks that were prepared and never used
                await self._journal.forget(uid)
            return None
        if not self._assignments.confirmed:
            return None  # the full set wakes every machine that is here
        since = self._strays.setdefault(uid, self._clock.monotonic())
        wait = since + self._limits.stray_grace - self._clock.monotonic()
        if wait > 0:
            return wait
        _log.warning("removing a machine that nothing assigns to this node", uid=uid, name=machine.name)
        try:
            async with _deadline(self._limits.deadline):
                await self._driver.remove(uid, timeout=0)
        finally:
            self._changed()
        return 0.0

    def _say_unassigned(self, uid: str, machine: Machine | None) -> None:
        if machine is None:
            self._reports.forget(uid)
        else:
            self._reports.say(compose(uid, None, machine, None))

    def _say(self, assigned: Assigned, machine: Machine | None, decision: Decision, *, fresh: bool = True) -> None:
        failed = self._errors.get(assigned.uid)
        error = failed[1] if failed and failed[0] is assigned else ""
        if self._repeats.wait(assigned, decision.step) > 0:
            reason = f"does not stay as it was made; tried again ({decision.step.lower()}) after a while"
            decision = replace(decision, reason=reason)
        facts = self._facts(assigned)
        self._reports.say(compose(assigned.uid, assigned, machine, decision, error=error, facts=facts, fresh=fresh))

    def _fail(self, assigned: Assigned, machine: Machine | None, message: str, *, fresh: bool = True) -> None:
        self._errors[assigned.uid] = (assigned, message)
        decision = Decision(Step.WAIT, Status.ERROR, message)
        facts = self._facts(assigned)
        self._reports.say(compose(assigned.uid, assigned, machine, decision, error=message, facts=facts, fresh=fresh))

    def _trouble(self, assigned: Assigned, message: str) -> None:
        """A passing error: the status stays, the reason says what is being waited for."""
        last = self._reports.last(assigned.uid)
        if last is not None and last.status != Status.ERROR:
            told = type(last).FromString(last.SerializeToString())
            told.status_reason = message
            self._reports.say(told)

    def _facts(self, assigned: Assigned) -> Mapping[str, object]:
        try:
            addresses = [str(one.address) for one in assigned.spec.interfaces]
        except InvalidInput:
            addresses = []
        return {"accelerator": self._accelerator, "addresses": addresses}


def _asked(assigned: Assigned) -> str:
    """What an operator asked of the machine's power; a change of it lifts the hold."""
    return f"{assigned.item.revision} {assigned.spec.power} {assigned.spec.reboots}"


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    """``asyncio.timeout`` whose end is our TimedOut."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise TimedOut(f"the driver gave no answer within {seconds:g} s") from late
