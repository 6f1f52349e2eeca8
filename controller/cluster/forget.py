"""Giving up a lost node, and emptying one that is to be drained.

Forgetting is for a node that is fenced: whoever asks vouches that nothing runs there any more.
It is the only way in which something ends, or runs elsewhere, without its node's word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.cluster import migration
from controller.cluster.plan import Plan
from controller.model.assignment import AssignmentRole
from controller.model.compute import Compute, OnNodeDown
from controller.model.node import Node
from controller.model.registry import key_of

RETRY_AFTER = timedelta(seconds=15)
"""How long a drain leaves a Compute alone whose migration has just failed."""


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
        if not held or not isinstance(workload, Compute) or workload.status.startswith("Deleting"):
            continue
        target = next((each for each in plan.of(workload) if each.spec.role is AssignmentRole.INCOMING), None)
        if target is not None and migration.is_complete(target):
            plan.give_role(target, AssignmentRole.OWNER)
            plan.edit(workload, observed={"node": target.spec.node, "migrating_to": None})
            plan.warn(workload, "NodeLost", f"{node} was lost; goes on at {target.spec.node}")
            continue
        plan.edit(workload, observed={"lost": node, "node": None, "migrating_to": None}, state="", state_reason="")
        plan.warn(workload, "NodeLost", f"{node} was lost with it")
        if workload.spec.on_node_down is OnNodeDown.REBUILD:
            plan.edit(workload, status="Initializing", status_reason=f"node {node} was lost")
    return sorted(set(had))


@dataclass
class Drained:
    """How a drain stands: what is still there, and what keeps it there."""

    remaining: int = 0
    blocked_by: list[str] = field(default_factory=list)
    moving: bool = False


def drain(plan: Plan, node: Node, computes: Iterable[Compute]) -> Drained:
    """Take a drain's next step: one migration at a time, in order of the Computes' keys.

    ``computes`` are those with an assignment on the node; a Compute that cannot be moved does not
    hold up the next one.
    """
    result = Drained()
    here = {each.spec.resource_uid: each for each in plan.assignments.values() if each.spec.node == node.name}
    waiting = []
    for compute in sorted(computes, key=lambda each: key_of(each).path):
        assignment = here.get(compute.uid)
        if assignment is None:
            continue
        result.remaining += 1
        if assignment.spec.role is AssignmentRole.OWNER and not assignment.spec.migrate_to:
            waiting.append((compute, assignment))
        else:
            result.moving = True
    for compute, owner in waiting:
        refused = _failed_lately(compute, plan.now)
        if refused is None:
            if result.moving:
                continue
            refused = migration.start(plan, compute, owner)
        if refused is None:
            result.moving = True
        else:
            result.blocked_by.append(f"{key_of(compute).path}: {refused}")
    return result


def _failed_lately(compute: Compute, now: datetime) -> str | None:
    failed = compute.observed.get("migration_failed")
    if not isinstance(failed, dict) or now - datetime.fromisoformat(failed["at"]) > RETRY_AFTER:
        return None
    return str(failed["reason"])
