"""Takes the full reports of nodes that are held since the database was restored.

The reports are applied to the assignments that the database has. What they say otherwise (a machine
that the database has elsewhere or not at all, an assignment of which nothing is on the node, a newer
number of a migration) is kept for ``reconcile.adoption``.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.cluster.agents import reports
from controller.cluster.unit_of_work import reported_copies
from controller.cluster.unit_of_work.reported_copies import Copy
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import COMPUTE
from controller.model.node import NODE, NodeHold
from controller.store import resources, restore_hold
from controller.store.database import Transaction
from controller.wire.agent_pb2 import ResourceReport

_ABSENT = "Absent"


def take(tx: Transaction, cluster: str, node: str, reported: Sequence[ResourceReport]) -> bool:
    """Take the full report of a node; return False if no report of the node is waited for."""
    row = resources.find(tx, NODE.key(cluster, node))
    if row is None or row.facts.hold in (NodeHold.NONE, NodeHold.ALONE):
        return False
    reports.write(tx, cluster, {each.assignment: (node, each) for each in reported if each.assignment})
    known = resources.list_all(tx, ASSIGNMENT, parents=(cluster,), fields={"spec.node": node})
    here = [each for each in known if each.spec.resource_kind == COMPUTE.name]
    reported_copies.replace(tx, node, differences(node, here, reported))
    restore_hold.mark_reported(tx, row)
    return True


def differences(node: str, here: Sequence[Assignment], reported: Sequence[ResourceReport]) -> list[Copy]:
    """Return what was reported otherwise than the database has it in the node's assignments ``here``."""
    missing = {each.spec.resource_uid: each for each in here}
    found = []
    for each in reported:
        if each.state == _ABSENT and not each.role:
            continue
        assignment = missing.pop(each.resource_uid, None)
        if assignment is None or not _agrees(assignment, each):
            attempt = max(each.attempt, _number(each))
            found.append(Copy(each.resource_uid, node, each.state, each.state_reason, each.role, attempt))
    return found + [Copy(uid, node, _ABSENT) for uid in missing]


def _agrees(assignment: Assignment, report: ResourceReport) -> bool:
    newest = max(assignment.spec.attempt, assignment.spec.migrate_attempt)
    return (assignment.name, assignment.spec.role, True) == (report.assignment, report.role, report.attempt <= newest)


def _number(report: ResourceReport) -> int:
    """Return the number of the assignment that the agent has, which is the last part of its name."""
    number = report.assignment.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
