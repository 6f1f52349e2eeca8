"""What the agent last said of each resource, and what it has not said yet.

Owns the newest report per resource uid. The session sends what changed since the last sending,
gathered over a few tens of milliseconds, and everything at the start and now and then. A resource
that is gone for good is said to be Absent once more and then forgotten.

Sending is at least once: what is taken for sending and not confirmed by a living stream is covered
by the full report that opens the next session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from controller.agent.assignments import Assigned
from controller.agent.drivers.types import Machine, MachineState
from controller.agent.machine_decisions import Decision, Step
from controller.model.assignment import AssignmentRole
from controller.wire.agent_pb2 import ResourceReport

ABSENT = "Absent"


class Reports:
    """The newest reports; ``changed`` is set while some are unsent."""

    def __init__(self) -> None:
        self._newest: dict[str, ResourceReport] = {}
        self._unsent: set[str] = set()
        self._forgotten: set[str] = set()
        self.changed = asyncio.Event()

    def say(self, report: ResourceReport) -> None:
        """Keep a report; it goes out if it says anything new."""
        uid = report.resource_uid
        self._forgotten.discard(uid)
        if self._newest.get(uid) != report:
            self._newest[uid] = report
            self._unsent.add(uid)
            self.changed.set()

    def forget(self, uid: str) -> None:
        """The resource is neither here nor assigned: say so once, then no more."""
        last = self._newest.get(uid)
        if last is None:
            return
        if last.state != ABSENT or last.assignment:
            self.say(ResourceReport(resource_uid=uid, state=ABSENT))
        self._forgotten.add(uid)

    def last(self, uid: str) -> ResourceReport | None:
        """The newest report of the resource."""
        return self._newest.get(uid)

    def uids(self) -> list[str]:
        """Resources that have a report."""
        return list(self._newest)

    def take_changed(self) -> list[ResourceReport]:
        """What was not sent yet; counts as sent from now on."""
        taken = [self._newest[uid] for uid in self._unsent]
        self._sent()
        return taken

    def take_all(self) -> list[ResourceReport]:
        """Everything that is there; counts as sent from now on."""
        taken = [report for uid, report in self._newest.items() if uid not in self._forgotten]
        self._sent()
        return taken

    def _sent(self) -> None:
        self._unsent.clear()
        self.changed.clear()
        for uid in self._forgotten:
            self._newest.pop(uid, None)
        self._forgotten.clear()


def compose(
    uid: str,
    assigned: Assigned | None,
    machine: Machine | None,
    decision: Decision | None,
    *,
    error: str = "",
    facts: Mapping[str, Any] | None = None,
    fresh: bool = True,
) -> ResourceReport:
    """The report of a Compute as it was just seen. ``error`` is permanent and becomes the status.

    ``fresh``: the look at the machine began after the assignment had come.
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
