"""What to do next with one machine: a pure function of what is asked, what is there and the journal.

The rules that keep two copies from running:

- only an Owner's machine is ever started or resumed;
- a source whose migration has begun neither starts nor resumes its copy until the cluster
  controller has ended that migration, which it says by clearing ``migrate_to``, in a full set of
  the present session (``confirmed``): a word kept on disk from before does not count;
- after a restart of the node nothing is started by a word from before: a node that was given up
  (ForgetNode) may come back, and what it had runs elsewhere by now;
- a target resumes only when it has become the Owner;
- an incomplete copy (paused by ``incoming``) is never set going.

So at every moment at most the Owner runs it, and the controller makes another node the Owner only
after this one said that its copy does not run.
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

LOOK_AGAIN = 1.0
"""Seconds until the next look at a machine that is between two states."""


class Step(StrEnum):
    """The next act."""

    NOTHING = "Nothing"
    WAIT = "Wait"
    """Nothing to do, but look again soon."""
    ENSURE = "Ensure"
    RESUME = "Resume"
    PREPARE = "Prepare"
    SEND = "Send"
    MEND = "Mend"
    """Set right what a migration that broke off has left; when that is done, it has Failed."""
    REMOVE = "Remove"


@dataclass(frozen=True)
class Decision:
    """The next act, and what to report meanwhile."""

    step: Step
    status: Status
    reason: str = ""
    phase: MigrationPhase | None = None
    attempt: int | None = None
    """Number of the migration that is under way, where that is not the one last asked for."""


def decide(
    assigned: Assigned,
    machine: Machine | None,
    record: MigrationRecord | None,
    *,
    confirmed: bool = True,
    sending: int = 0,
    held: bool = False,
    cold: bool = False,
    gone: bool = False,
) -> Decision:
    """Decide about a Compute.

    ``sending``: number of a migration that this process is carrying out now, or 0. While it lasts it
    is reported under its own number, whatever is asked meanwhile: the controller takes a newer
    number for the word that nothing is sent under the old one.
    ``held``: the machine stays off since the node was restarted. ``cold``: no full set came since
    the node was restarted. ``gone``: ``remove`` has succeeded under this very assignment. Raises
    InvalidInput for a spec that is not understood.
    """
    if sending:
        return Decision(Step.WAIT, Status.ACTIVE, phase=MigrationPhase.SENDING, attempt=sending)
    match assigned.role:
        case AssignmentRole.OWNER:
            if machine is not None and machine.migrating and record is not None and record.begun:
                # Paused in a job may be its last step, or a hang: the driver knows.
                step = Step.MEND if machine.state is MachineState.PAUSED else Step.WAIT
                return Decision(step, Status.ACTIVE, phase=MigrationPhase.SENDING, attempt=record.attempt)
            decision = _owner(assigned, machine, record, held)
            if decision.step in (Step.ENSURE, Step.RESUME) and not confirmed:
                if _given_away(machine, record):
                    return replace(decision, step=Step.WAIT, reason="waits for the cluster's word on its migration")
                if cold and not _runs(machine):
                    reason = "waits for the cluster's word, since the node was restarted"
                    return replace(decision, step=Step.WAIT, reason=reason)
            return decision
        case AssignmentRole.INCOMING:
            return _incoming(assigned, machine, record)
        case AssignmentRole.LEAVING:
            removed = machine is None and gone
            return Decision(Step.NOTHING if removed else Step.REMOVE, Status.DELETING_SCHEDULED)


def _given_away(machine: Machine | None, record: MigrationRecord | None) -> bool:
    """Whether another node may hold the newer state of the machine, as far as this node can tell."""
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
                return Decision(Step.WAIT, Status.ACTIVE, "another migration is under way")
        if begun and record is not None:
            kept = _kept(assigned, machine, held)
            return Decision(kept.step, kept.status, kept.reason or record.reason, MigrationPhase.FAILED)
    return _kept(assigned, machine, held)


def _sending(machine: Machine | None, record: MigrationRecord) -> Decision:
    """The source of a migration that was begun and is no longer under way: say how it stands, touch nothing."""
    phase = record.phase
    if phase in (MigrationPhase.SENDING, MigrationPhase.UNCLEAR):
        if machine is not None and machine.state is MachineState.RUNNING:
            return Decision(Step.MEND, Status.ACTIVE, record.reason, MigrationPhase.SENDING)
        phase = MigrationPhase.UNCLEAR
    step = Step.NOTHING if phase is MigrationPhase.SENT else Step.WAIT
    return Decision(step, Status.ACTIVE, record.reason, phase)


def _kept(assigned: Assigned, machine: Machine | None, held: bool) -> Decision:
    """The Owner, as far as no migration forbids anything."""
    spec = assigned.spec
    run = spec.power is Power.RUNNING
    if machine is None:
        return Decision(Step.ENSURE, Status.CREATING_SCHEDULED)
    if machine.migrating or machine.state is MachineState.UNKNOWN:
        return Decision(Step.WAIT, Status.ACTIVE, "the machine is between two states")
    same = machine.revision == assigned.item.revision and machine.persistent
    pending = Status.CREATING_SCHEDULED if same else Status.UPDATING_SCHEDULED
    if machine.state is MachineState.PAUSED:
        if machine.pause_reason is PauseReason.INCOMING:
            return Decision(Step.WAIT, Status.CREATING_SCHEDULED, "its memory is not complete")
        # What was sent away is resumed even to be stopped: drivers refuse to touch it otherwise.
        resume = run or machine.pause_reason is PauseReason.MIGRATION
        return Decision(Step.RESUME if resume else Step.ENSURE, Status.ACTIVE)
    if machine.state is MachineState.RUNNING:
        if not (run and same and machine.reboots >= spec.reboots):
            return Decision(Step.ENSURE, pending)
        return Decision(Step.NOTHING if _placed(assigned, machine) else Step.ENSURE, Status.ACTIVE)
    if held:
        return Decision(Step.NOTHING, Status.ACTIVE, "off since the node was restarted (on_node_up None)")
    if not run and same:
        return Decision(Step.NOTHING, Status.ACTIVE)
    return Decision(Step.ENSURE, pending)


def _placed(assigned: Assigned, machine: Machine) -> bool:
    """Whether it is kept to the part of the host that was assigned to it; changing that needs no stop."""
    given = (tuple(assigned.item.cells), tuple(assigned.item.cpus))
    return machine.settled and (machine.cells, machine.cpus) == given


def _incoming(assigned: Assigned, machine: Machine | None, record: MigrationRecord | None) -> Decision:
    mine = record if record is not None and record.attempt == assigned.item.attempt else None
    if mine is not None:
        status = Status.ERROR if mine.phase is MigrationPhase.FAILED else Status.CREATING_SCHEDULED
        return Decision(Step.NOTHING, status, mine.reason, mine.phase)
    if machine is None or machine.state is MachineState.STOPPED:
        # A stopped definition is what a failed try left behind; preparing begins by removing it.
        return Decision(Step.PREPARE, Status.CREATING_SCHEDULED)
    return Decision(Step.WAIT, Status.CREATING_SCHEDULED, "a copy of an earlier migration is still here")
