"""Drops everything that is assigned to a lost node.

For a node that is fenced: the caller guarantees that nothing runs there any more. This is the only
way in which something is removed, or runs on another node, without a report of its node.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.cluster.moves import migration
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.model.assignment import AssignmentRole
from controller.model.compute import Compute, OnNodeDown
from controller.model.registry import key_of

_NOT_MOVING = {"migrating_to": None, "migrating_for": None}


def forget(work: UnitOfWork, node: str, aside: Collection[str] = ()) -> list[str]:
    """Release the node's assignments with their capacity; return the keys of the Computes that it had.

    A Compute that was complete on a migration's target continues there; others are created again on
    another node (on_node_down Rebuild) or become Error. What was Deleting there is deleted. Those with a uid in
    ``aside`` wait as they are: another node may have them, see ``restore_hold``.
    """
    had = []
    for assignment in [each for each in work.assignments.values() if each.spec.node == node]:
        work.release(assignment)
        workload = next((each for each in work.workloads.values() if each.uid == assignment.spec.resource_uid), None)
        if workload is None:
            continue
        had.append(key_of(workload).path)
        if workload.uid in aside:
            continue  # another node may have it
        held = assignment.spec.role is AssignmentRole.OWNER or bool(assignment.spec.migrate_to)
        if not held or not isinstance(workload, Compute) or workload.is_deleting:
            continue
        target = next((each for each in work.of(workload) if each.spec.role is AssignmentRole.INCOMING), None)
        if target is not None and migration.is_complete(target):
            work.give_role(target, AssignmentRole.OWNER)
            work.edit(workload, observed={"node": target.spec.node, **_NOT_MOVING})
            work.record_warning(workload, "NodeLost", f"{node} was lost; continues on {target.spec.node}")
            continue
        work.edit(workload, observed={"lost": node, "node": None, **_NOT_MOVING}, state="", state_reason="")
        work.record_warning(workload, "NodeLost", f"it was lost with {node}")
        if workload.spec.on_node_down is OnNodeDown.REBUILD:
            work.edit(workload, status="Initializing", status_reason=f"node {node} was lost")
    return sorted(set(had))
