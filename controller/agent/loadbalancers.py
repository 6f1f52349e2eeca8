"""Reports Loadbalancer instances as the in-memory driver would run them, for the agent. They carry no traffic.

FOR TESTS AND SCALE RUNS ONLY. An instance whose provider has another driver, or none on this node,
is refused with a reason: nothing is reported Active that another driver must run. Nothing is kept;
a restarted agent makes the same reports from its assignments.
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
from controller.model.moments import STORED
from controller.model.provider import ProviderDriver
from controller.wire.agent_pb2 import ResourceReport


class MemoryLoadbalancers:
    """The instances of one node."""

    def __init__(self, providers: Mapping[str, ProviderDriver], reports: Reports) -> None:
        """``providers``: the driver of each provider that this node offers, by the provider's name."""
        self._providers = providers
        self._reports = reports

    def reconcile(self, assigned: Assigned) -> None:
        """Report the instance. Raises PermanentError when this node does not have the in-memory driver for it."""
        item = assigned.item
        report = ResourceReport(
            assignment=item.name, resource_uid=assigned.uid, role=item.role, attempt=item.attempt, state=ABSENT
        )
        if assigned.role is not AssignmentRole.OWNER:
            report.status = Status.DELETING_SCHEDULED.value
            self._reports.put(report)
            return
        try:
            spec = self._checked_spec(assigned)
        except PermanentError as error:
            report.status, report.status_reason = Status.ERROR.value, error.message
            self._reports.put(report)
            raise
        report.status, report.state, report.revision = Status.ACTIVE.value, State.RUNNING.value, item.revision
        observed = {"accelerator": "memory", "addresses": [str(spec.vip)] if spec.vip else []}
        report.observed = json.dumps(observed, separators=(",", ":")).encode()
        self._reports.put(report)

    def _checked_spec(self, assigned: Assigned) -> LoadbalancerSpec:
        try:
            spec = LoadbalancerSpec.model_validate_json(assigned.item.spec, context=STORED)
        except ValidationError as error:
            raise PermanentError(f"this agent does not understand the Loadbalancer: {error}") from error
        provider = spec.template.provider
        if self._providers.get(provider) is not ProviderDriver.MEMORY:
            raise PermanentError(f"this node does not have a driver for Loadbalancer provider {provider}")
        return spec
