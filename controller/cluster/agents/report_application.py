"""What agents say of their machines, taken into the assignments.

A report counts only for the role it was made under: one that comes late, after the role changed,
says nothing of the new role and is passed over; the agent will speak again. Pure: ``reports``
writes what this changes.
"""

from __future__ import annotations

import json
from typing import Any

from controller.model.assignment import Assignment
from controller.wire.agent_pb2 import ResourceReport


def heed(assignment: Assignment, report: ResourceReport) -> Assignment | None:
    """The assignment with the report taken in; None when it changes nothing or does not count."""
    if report.role != assignment.spec.role:
        return None
    observed: dict[str, Any] = {
        **_facts(report),
        "role": report.role,
        "revision": report.revision,
        "migrate_attempt": report.attempt,
    }
    if report.ready:
        observed["ready"] = True
    if report.migration:
        observed["migration"] = report.migration
    changes = {
        "status": report.status or assignment.status,
        "status_reason": report.status_reason,
        "state": report.state,
        "state_reason": report.state_reason,
        "observed": observed,
    }
    if all(getattr(assignment, name) == value for name, value in changes.items()):
        return None
    return assignment.model_copy(update=changes)


def _facts(report: ResourceReport) -> dict[str, Any]:
    if not report.observed:
        return {}
    try:
        facts = json.loads(report.observed)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
