"""Loadbalancer instances on the in-memory driver: books only, no traffic.

FOR TESTS AND SCALE RUNS ONLY. An instance whose provider has another driver, or none on this node,
is refused with a reason: nothing pretends to be Active. The books are in memory; a restarted
agent makes the same entries again from its assignments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError

from controller.agent.assignments import Assigned
from controller.agent.reports import ABSENT, Reports
from controller.errors import PermanentError
from controller.model.assignment import AssignmentRole
from controller.model.envelope import State, Status
from controller.model.loadbalancer import LoadbalancerSpec
from controller.model.provider import ProviderDriver
from controller.wire.agent_pb2 import ResourceReport


class MemoryLoadbalancers:
    """Instances of one node."""

    def __init__(self, providers: Mapping[str, ProviderDriver], reports: Reports) -> None:
        """``providers``: driver by provider's name, as offered by this node."""
        self._providers = providers
        self._reports = reports

    def reconcile(self, assigned: Assigned) -> None:
        """Book what is assigned and report it. Raises PermanentError when no driver can do it."""
        item = assigned.item
        report = ResourceReport(
            assignment=item.name, resource_uid=assigned.uid, role=item.role, attempt=item.attempt, state=ABSENT
        )
        if assigned.role is not AssignmentRole.OWNER:
            report.status = Status.DELETING_SCHEDULED.value
            self._reports.say(report)
            return
        try:
            spec = self._booked(assigned)
        except PermanentError as error:
            report.status, report.status_reason = Status.ERROR.value, error.message
            self._reports.say(report)
            raise
        report.status, report.state, report.revision = Status.ACTIVE.value, State.RUNNING.value, item.revision
        observed = {"accelerator": "memory", "addresses": [str(spec.vip)] if spec.vip else []}
        report.observed = json.dumps(observed, separators=(",", ":")).encode()
        self._reports.say(report)

    def _booked(self, assigned: Assigned) -> LoadbalancerSpec:
        try:
            spec = LoadbalancerSpec.model_validate_json(assigned.item.spec)
        except ValidationError as error:
            raise PermanentError(f"this agent does not understand the Loadbalancer: {error}") from error
        provider = spec.template.provider
        if self._providers.get(provider) is not ProviderDriver.MEMORY:
            raise PermanentError(f"no driver for Loadbalancer provider {provider} on this node")
        return spec
