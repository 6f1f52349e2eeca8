"""Composes the reports of Computes and keeps their last errors, for the machine reconciler.

A permanent error stays in the reports until the assignment changes or a step succeeds. A temporary
error changes only the reason: the status stays what it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from controller.agent.assignments import Assigned
from controller.agent.crash_backoff import CrashBackoff
from controller.agent.drivers.types import Machine, MachineState
from controller.agent.machine_decisions import Decision, Step
from controller.agent.reports import ABSENT, Reports
from controller.errors import InvalidInput
from controller.model.assignment import AssignmentRole
from controller.model.envelope import Status
from controller.wire.agent_pb2 import ResourceReport


class MachineReports:
    """The Computes' part of the agent's reports."""

    def __init__(self, reports: Reports, backoff: CrashBackoff, accelerator: str) -> None:
        self._reports = reports
        self._backoff = backoff
        self._accelerator = accelerator
        self._errors: dict[str, tuple[Assigned, str]] = {}

    def record(self, assigned: Assigned, machine: Machine | None, decision: Decision, *, fresh: bool = True) -> None:
        """Report the machine as observed, with what was decided; ``fresh`` as in :func:`machine_report`."""
        failed = self._errors.get(assigned.uid)
        error = failed[1] if failed and failed[0] is assigned else ""
        if self._backoff.delay(assigned, decision.step) > 0:
            reason = f"does not stay in its desired state; retried ({decision.step.lower()}) after a delay"
            decision = replace(decision, reason=reason)
        self._put(assigned, machine, decision, error, fresh)

    def record_error(self, assigned: Assigned, machine: Machine | None, message: str, *, fresh: bool = True) -> None:
        """Report a permanent error as the machine's status."""
        self._errors[assigned.uid] = (assigned, message)
        self._put(assigned, machine, Decision(Step.WAIT, Status.ERROR, message), message, fresh)

    def record_retry(self, assigned: Assigned, message: str) -> None:
        """Report a temporary error: the status stays, and the reason is ``message``."""
        last = self._reports.get(assigned.uid)
        if last is not None and last.status != Status.ERROR:
            report = type(last).FromString(last.SerializeToString())
            report.status_reason = message
            self._reports.put(report)

    def record_unassigned(self, uid: str, machine: Machine | None) -> None:
        """Report a resource that is not assigned to this node: its machine, or that nothing is left."""
        if machine is None:
            self._reports.remove(uid)
        else:
            self._reports.put(machine_report(uid, None, machine, None))

    def clear_error(self, uid: str) -> None:
        """Forget the resource's permanent error."""
        self._errors.pop(uid, None)

    def _put(self, assigned: Assigned, machine: Machine | None, decision: Decision, error: str, fresh: bool) -> None:
        try:
            addresses = [str(one.address) for one in assigned.spec.interfaces]
        except InvalidInput:
            addresses = []
        facts: Mapping[str, object] = {"accelerator": self._accelerator, "addresses": addresses}
        if machine is not None:
            facts = {**facts, "reboots": machine.reboots}
        report = machine_report(assigned.uid, assigned, machine, decision, error=error, facts=facts, fresh=fresh)
        self._reports.put(report)


def machine_report(
    uid: str,
    assigned: Assigned | None,
    machine: Machine | None,
    decision: Decision | None,
    *,
    error: str = "",
    facts: Mapping[str, object] | None = None,
    fresh: bool = True,
) -> ResourceReport:
    """Return the report of a Compute as it was just observed. ``error`` is permanent and becomes the status.

    ``fresh``: the observation of the machine began after the assignment had come.
    """
    report = ResourceReport(resource_uid=uid, state=ABSENT)
    if machine is not None:
        report.revision = machine.revision
        report.state = machine.state.value
        if machine.state is MachineState.PAUSED:
            report.state_reason = machine.pause_reason.value
    if assigned is not None:
        report.assignment = assigned.item.name
        report.role = assigned.item.role
        report.attempt = assigned.item.attempt
        report.ready = fresh and assigned.item.migrate_ready
    if decision is not None:
        report.status, report.status_reason = decision.status.value, decision.reason
        if decision.phase is not None:
            report.migration = decision.phase.value
        if decision.attempt is not None:
            report.attempt = decision.attempt
        leaving = assigned is not None and assigned.role is AssignmentRole.LEAVING
        if leaving and machine is None and decision.step is not Step.NOTHING:
            # Absent under Leaving would end the assignment, and disks may still be here.
            report.state, report.state_reason = MachineState.STOPPED.value, "removing"
    if error:
        report.status, report.status_reason = "Error", error
    if facts:
        report.observed = json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()
    return report
