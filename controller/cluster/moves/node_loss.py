"""Giving up a lost node.

Forgetting is for a node that is fenced: whoever asks vouches that nothing runs there any more.
It is the only way in which something ends, or runs elsewhere, without its node's word.
"""

from __future__ import annotations

from controller.cluster.moves import migration
from controller.cluster.unit_of_work.unit_of_work import Plan
from controller.model.assignment import AssignmentRole
from controller.model.compute import Compute, OnNodeDown
from controller.model.registry import key_of

_STANDS_STILL = {"migrating_to": None, "migrating_for": None}


def forget(plan: Plan, node: str) -> list[str]:
    """Drop the node's assignments, capacity and all; returns the keys of the Computes that it had.

    A Compute that was complete on a migration's target goes on there; others are made again
    elsewhere (on_node_down Rebuild) or become Error. What was Deleting there is gone.
    """
    had = []
    for assignment in [each for each in plan.assignments.values() if each.spec.node == node]:
        plan.release(assignment)
        workload = next((each for each in plan.workloads.values() if each.uid == assignment.spec.resource_uid), None)
        if workload is None:
            continue
        had.append(key_of(workload).path)
        held = assignment.spec.role is AssignmentRole.OWNER or bool(assignment.spec.migrate_to)
        if not held or not isinstance(workload, Compute) or workload.is_deleting:
            continue
        target = next((each for each in plan.of(workload) if each.spec.role is AssignmentRole.INCOMING), None)
        if target is not None and migration.is_complete(target):
            plan.give_role(target, AssignmentRole.OWNER)
            plan.edit(workload, observed={"node": target.spec.node, **_STANDS_STILL})
            plan.warn(workload, "NodeLost", f"{node} was lost; goes on at {target.spec.node}")
            continue
        plan.edit(workload, observed={"lost": node, "node": None, **_STANDS_STILL}, state="", state_reason="")
        plan.warn(workload, "NodeLost", f"{node} was lost with it")
        if workload.spec.on_node_down is OnNodeDown.REBUILD:
            plan.edit(workload, status="Initializing", status_reason=f"node {node} was lost")
    return sorted(set(had))
