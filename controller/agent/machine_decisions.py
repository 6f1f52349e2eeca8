"""Decides the next step for one machine, for the machine reconciler: a pure function.

Its inputs are the assignment, the machine as observed, and the journal. These rules keep two
copies from running:

- only an Owner's machine is ever started or resumed;
- a source whose migration has begun neither starts nor resumes its copy until the cluster
  controller has ended that migration by clearing ``migrate_to`` in a full set of assignments of the
  present session (``confirmed``); an assignment kept on disk does not count;
- after a restart of the node, assignments kept on disk start nothing: the node may have been given
  up (ForgetNode) while it was off, and its machines may run elsewhere;
- a target resumes only when it has become the Owner;
- an incomplete copy (paused by ``incoming``) is never resumed.

So at every moment at most the Owner runs the machine, and the controller makes another node the
Owner only after this one reported that its copy does not run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from controller.agent.assignments import Assigned
from controller.agent.drivers.types import Machine, MachineState, PauseReason
from controller.agent.journal import MigrationPhase, MigrationRecord
from controller.model.assignment import AssignmentRole
from controller.model.compute import Power
from controller.model.envelope import Status

RECHECK_SECONDS = 1.0
"""Seconds until a machine that changes its state is observed again."""


class Step(StrEnum):
    """The next step for a machine."""

    NOTHING = "Nothing"
    WAIT = "Wait"
    """Nothing to do now; observe again soon."""
    ENSURE = "Ensure"
    RESUME = "Resume"
    PREPARE = "Prepare"
    SEND = "Send"
    REPAIR = "Repair"
    """Repair what a migration that broke off has left; the migration has Failed when that is done."""
    REMOVE = "Remove"


@dataclass(frozen=True)
class Decision:
    """The next step, and what to report meanwhile."""

    step: Step
    status: Status
    reason: str = ""
    phase: MigrationPhase | None = None
    attempt: int | None = None
    """Number of the migration in progress, where it is not the one last requested."""


def decide(
    assigned: Assigned,
    machine: Machine | None,
    record: MigrationRecord | None,
    *,
    confirmed: bool = True,
    sending: int = 0,
    held: bool = False,
    boot_unconfirmed: bool = False,
    removed: bool = False,
) -> Decision:
    """Return the next step for a Compute.

    ``sending``: number of the migration that this process carries out now, or 0. While it lasts it
    is reported under its own number, also when a newer one is requested: to the controller a report
    under the newer number means that nothing is sent under the old one.
    ``held``: the machine stays off since the node was restarted. ``boot_unconfirmed``: no full set
    of assignments came since the node was restarted. ``removed``: ``remove`` has succeeded under
    this very assignment. Raises InvalidInput for a spec that this agent does not understand.
    """
    if sending:
        return Decision(Step.WAIT, Status.ACTIVE, phase=MigrationPhase.SENDING, attempt=sending)
    match assigned.role:
        case AssignmentRole.OWNER:
            if machine is not None and machine.migrating and record is not None and record.begun:
                # A machine that is paused in a job is in its last step, or hangs: the driver knows which.
                step = Step.REPAIR if machine.state is MachineState.PAUSED else Step.WAIT
                return Decision(step, Status.ACTIVE, phase=MigrationPhase.SENDING, attempt=record.attempt)
            decision = _owner(assigned, machine, record, held)
            if decision.step in (Step.ENSURE, Step.RESUME) and not confirmed:
                if _may_run_elsewhere(machine, record):
                    return replace(
                        decision, step=Step.WAIT, reason="waits until the cluster confirms the end of its migration"
                    )
                if boot_unconfirmed and not _runs(machine):
                    reason = "the node was restarted: waits until the cluster confirms its assignments"
                    return replace(decision, step=Step.WAIT, reason=reason)
            return decision
        case AssignmentRole.INCOMING:
            return _incoming(assigned, machine, record)
        case AssignmentRole.LEAVING:
            done = machine is None and removed
            return Decision(Step.NOTHING if done else Step.REMOVE, Status.DELETING_SCHEDULED)


def _may_run_elsewhere(machine: Machine | None, record: MigrationRecord | None) -> bool:
    """Return whether another node may have the newer state of the machine, as far as this node knows."""
    if _runs(machine):
        return False
    return (record is not None and record.begun) or (
        machine is not None and machine.pause_reason is PauseReason.MIGRATION
    )


def _runs(machine: Machine | None) -> bool:
    return machine is not None and machine.state is MachineState.RUNNING


def _owner(assigned: Assigned, machine: Machine | None, record: MigrationRecord | None, held: bool) -> Decision:
    if assigned.item.migrate_to:
        begun = record is not None and record.attempt == assigned.item.attempt
        if begun and record is not None and record.phase is not MigrationPhase.FAILED:
            return _sending(machine, record)
        if not begun and assigned.item.migrate_ready:
            if machine is not None and machine.state is MachineState.RUNNING and not machine.migrating:
                return Decision(Step.SEND, Status.ACTIVE, phase=MigrationPhase.SENDING)
            if machine is not None and machine.migrating:
                return Decision(Step.WAIT, Status.ACTIVE, "another migration is in progress")
        if begun and record is not None:
            decision = _steady_owner(assigned, machine, held)
            return replace(decision, reason=decision.reason or record.reason, phase=MigrationPhase.FAILED)
    return _steady_owner(assigned, machine, held)


def _sending(machine: Machine | None, record: MigrationRecord) -> Decision:
    """Report the phase of a migration that began here and is not in progress any more; change nothing."""
    phase = record.phase
    if phase in (MigrationPhase.SENDING, MigrationPhase.UNCLEAR):
        if machine is not None and machine.state is MachineState.RUNNING:
            return Decision(Step.REPAIR, Status.ACTIVE, record.reason, MigrationPhase.SENDING)
        phase = MigrationPhase.UNCLEAR
    step = Step.NOTHING if phase is MigrationPhase.SENT else Step.WAIT
    return Decision(step, Status.ACTIVE, record.reason, phase)


def _steady_owner(assigned: Assigned, machine: Machine | None, held: bool) -> Decision:
    """Decide for an Owner that no migration restricts."""
    spec = assigned.spec
    run = spec.power is Power.RUNNING
    if machine is None:
        return Decision(Step.ENSURE, Status.CREATING_SCHEDULED)
    if machine.migrating or machine.state is MachineState.UNKNOWN:
        return Decision(Step.WAIT, Status.ACTIVE, "the machine is changing its state")
    same = machine.revision == assigned.item.revision and machine.persistent
    pending = Status.CREATING_SCHEDULED if same else Status.UPDATING_SCHEDULED
    if machine.state is MachineState.PAUSED:
        if machine.pause_reason is PauseReason.INCOMING:
            return Decision(Step.WAIT, Status.CREATING_SCHEDULED, "its memory has not arrived completely")
        # A machine that was sent is resumed even in order to stop it: drivers refuse other calls before that.
        resume = run or machine.pause_reason is PauseReason.MIGRATION
        return Decision(Step.RESUME if resume else Step.ENSURE, Status.ACTIVE)
    if machine.state is MachineState.RUNNING:
        if not (run and same and machine.reboots >= spec.reboots):
            return Decision(Step.ENSURE, pending)
        return Decision(Step.NOTHING if _bound_as_assigned(assigned, machine) else Step.ENSURE, Status.ACTIVE)
    if held:
        return Decision(Step.NOTHING, Status.ACTIVE, "stays off since the node was restarted (on_node_up None)")
    if not run and same:
        return Decision(Step.NOTHING, Status.ACTIVE)
    return Decision(Step.ENSURE, pending)


def _bound_as_assigned(assigned: Assigned, machine: Machine) -> bool:
    """Return whether it is bound to the cells and cpus assigned to it; changing them needs no stop."""
    expected = (tuple(assigned.item.cells), tuple(assigned.item.cpus))
    return machine.settled and (machine.cells, machine.cpus) == expected


def _incoming(assigned: Assigned, machine: Machine | None, record: MigrationRecord | None) -> Decision:
    own = record if record is not None and record.attempt == assigned.item.attempt else None
    if own is not None:
        status = Status.ERROR if own.phase is MigrationPhase.FAILED else Status.CREATING_SCHEDULED
        return Decision(Step.NOTHING, status, own.reason, own.phase)
    if machine is None or machine.state is MachineState.STOPPED:
        # A stopped definition is left from an attempt that failed; preparing begins by removing it.
        return Decision(Step.PREPARE, Status.CREATING_SCHEDULED)
    return Decision(Step.WAIT, Status.CREATING_SCHEDULED, "a copy of an earlier migration is still on this node")
