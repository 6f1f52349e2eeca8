"""What becomes of each Compute of the cluster (K5, J10, I1).

Initializing -> (placed; capacity taken and assignment made in one transaction) Creating:Scheduled
-> (the owner's node reports its revision) Active. A changed spec is released to the node only
together with the capacity that it needs, and is Updating:Scheduled until the node reports it.
Deleting -> (assignments Leaving) Deleting:Scheduled -> (the nodes report Absent) gone.

Error never sticks: the cause is looked at again whenever a node, its capacity or the Compute
changes, and at each resync. What fits nowhere holds up nobody.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.cluster.moves import migration, rebalance
from controller.cluster.unit_of_work.unit_of_work import Plan, is_gone
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute, OnNodeDown
from controller.model.node import Capacity, Share
from controller.schedule import Placed, Refused, Request, place, share_of_node, shortage, sizes_of

ZONES = ("datacenter", "power", "network", "rack")


def reconcile(plan: Plan, computes: Iterable[Compute]) -> None:
    """Bring every Compute one step on, placing the new ones of each service together."""
    unplaced = [compute for compute in computes if not _step(plan, compute)]
    _place(plan, unplaced)


def _step(plan: Plan, compute: Compute) -> bool:
    """One Compute that has assignments, or is to go; False for one that is to be placed."""
    _release_gone(plan, compute)
    if compute.is_deleting:
        _remove(plan, compute)
        return True
    migration.advance(plan, compute)
    _release_gone(plan, compute)
    owner = _owner(plan, compute)
    if owner is not None:
        _follow(plan, compute, owner)
        _take_wish(plan, compute, owner)
        return True
    if any(each.spec.migrate_to for each in plan.of(compute)):
        return True  # the source is removing its copy, the complete one waits on the target
    lost = compute.observed.get("lost")
    if lost and compute.spec.on_node_down is OnNodeDown.NONE:
        reason = f"its node {lost} was lost; delete it, or set on_node_down to Rebuild"
        plan.edit(compute, status="Error", status_reason=reason, state="Unknown", state_reason="")
        return True
    return False


def _release_gone(plan: Plan, compute: Compute) -> None:
    """End what its node has removed; a source that makes way for its target ends with the handover."""
    for assignment in plan.of(compute):
        if is_gone(assignment) and (not assignment.spec.migrate_to or compute.is_deleting):
            plan.release(assignment)


def _remove(plan: Plan, compute: Compute) -> None:
    """Take everything away: a target that may still be sent to goes last."""
    mine = plan.of(compute)
    if not mine:
        plan.drop(compute)
        return
    sending = any(each.spec.migrate_to and each.spec.migrate_ready for each in mine)
    for assignment in mine:
        if sending and assignment.spec.role is AssignmentRole.INCOMING:
            continue
        plan.give_role(assignment, AssignmentRole.LEAVING)
    stuck = [each for each in mine if each.status == "Error"]
    away = sorted({each.spec.node for each in mine if plan.node_state(each.spec.node) != "Up"})
    reason = ""
    if stuck:
        reason = f"{stuck[0].spec.node}: {stuck[0].status_reason}"
    elif away:
        reason = f"waits for {', '.join(away)}"
    plan.edit(compute, status="Deleting:Scheduled", status_reason=reason)


def _follow(plan: Plan, compute: Compute, owner: Assignment) -> None:
    """Hand a changed spec to the owner's node; take the node's word over."""
    waits = _hand_over(plan, compute, owner)
    if waits is not None:
        plan.edit(compute, status="Error", status_reason=waits)
    else:
        _take_word(plan, compute, owner)
    node = plan.nodes.get(owner.spec.node)
    zones = node.observed.get("zones", {}) if node is not None else {}
    facts = {name: value for name, value in owner.observed.items() if name not in _NO_FACTS}
    plan.edit(
        compute,
        observed={**facts, "node": owner.spec.node, "lost": None, **{axis: zones.get(axis) for axis in ZONES}},
    )
    if node is not None and node.state in ("Down", "Unknown"):
        plan.edit(compute, state="Unknown", state_reason=f"node {node.name} is {node.state}")
    else:
        plan.edit(compute, state=owner.state, state_reason=owner.state_reason)


_PROTOCOL = ("role", "migration", "migrate_attempt", "ready", "revision", "seen")
"""What assignments observe for the controller's own use."""
_OURS = ("assignments", "attempt", "migrations", "migrating_to", "migrating_for", "migration_failed", "lost", "node")
"""What the controller notes of a Compute: no agent's word may take its place."""
_NO_FACTS = frozenset((*_PROTOCOL, *_OURS))


def _hand_over(plan: Plan, compute: Compute, owner: Assignment) -> str | None:
    """Release the Compute's present spec to the node; returns why that cannot be (yet)."""
    desired = compute.spec.model_dump(mode="json")
    if owner.spec.desired == desired and owner.spec.revision == compute.revision:
        return None
    if owner.spec.migrate_to:
        return None  # first arrive, then change
    before = type(compute.spec).model_validate(owner.spec.desired)
    share = Share(cells=dict.fromkeys(owner.spec.cells, Capacity()), cpus=owner.spec.cpus)
    if sizes_of(before) != sizes_of(compute.spec):
        resized = _resize(plan, compute, owner)
        if isinstance(resized, str):
            return resized
        share = resized
    for_node = _for_node(desired) != _for_node(owner.spec.desired)
    released = {"desired": desired, "revision": compute.revision, "cells": tuple(share.cells), "cpus": share.cpus}
    plan.edit(owner, spec=released)
    if compute.status == "Active" and compute.revision != owner.observed.get("revision"):
        plan.edit(compute, status="Updating:Scheduled", status_reason="")
    elif for_node and owner.status == "Error":
        plan.edit(owner, status="Updating:Scheduled", status_reason="")
    return None


def _for_node(desired: dict[str, object]) -> dict[str, object]:
    """The part of a spec that the node acts on: the rest is the controllers'."""
    return {name: value for name, value in desired.items() if name not in ("migrations", "migrate_to", "rebalance")}


def _resize(plan: Plan, compute: Compute, owner: Assignment) -> Share | str:
    """Take the new size on the owner's node in place of the old one, in this very transaction (I1).

    Returns what is taken now, or why there is no room; then what was taken stays.
    """
    snapshot, node, old = plan.snapshot, owner.spec.node, plan.share(owner)
    request = Request.of(compute.spec, key=compute.name, service=compute.service_path)
    snapshot.give_back(node, old)
    share = share_of_node(snapshot, node, request)
    if share is None:
        reason = f"no room on {node} for the new size: {shortage(snapshot, node, request)}"
        snapshot.take(node, old)
        return reason
    snapshot.take(node, share)
    plan.given_back.append((node, compute.uid))
    plan.taken.append((node, compute.uid, share))
    return share


def _take_word(plan: Plan, compute: Compute, owner: Assignment) -> None:
    said = owner.observed.get("revision", 0)
    if owner.status == "Error":
        plan.edit(compute, status="Error", status_reason=owner.status_reason)
    elif owner.status == "Active" and said == owner.spec.revision == compute.revision:
        if compute.status != "Active":
            plan.tell(compute, "Active", f"runs on {owner.spec.node}")
        plan.edit(compute, status="Active", status_reason="")
    elif said or compute.status.startswith("Updating"):
        plan.edit(compute, status="Updating:Scheduled", status_reason="")
    else:
        plan.edit(compute, status="Creating:Scheduled", status_reason="")


def _take_wish(plan: Plan, compute: Compute, owner: Assignment) -> None:
    """Try each migration that was asked for once (``spec.migrations`` counts them)."""
    if compute.spec.migrations <= int(compute.observed.get("migrations", 0)):
        return
    if compute.spec.rebalance is not None:
        rebalance.take_turn(plan, compute, owner)
        return
    if compute.status not in ("Active", "Error") or owner.spec.migrate_to or plan.node_state(owner.spec.node) != "Up":
        return  # its turn comes
    refused = migration.start(plan, compute, owner, compute.spec.migrate_to)
    plan.edit(compute, observed={"migrations": compute.spec.migrations})
    if refused is not None:
        failed = {"at": plan.now.isoformat(), "reason": refused.reason}
        plan.edit(compute, observed={"migration_failed": failed})
        plan.warn(compute, "MigrationRefused", refused.reason)


def _place(plan: Plan, computes: list[Compute]) -> None:
    by_key = {}
    for compute in computes:
        held_up = migration.held_up(plan, compute)
        if held_up is None:
            by_key[f"{compute.service_path}/{compute.name}"] = compute
        else:
            plan.edit(compute, status="Initializing", status_reason=held_up)
    if not by_key:
        return
    requests = [
        Request.of(
            compute.spec,
            key=key,
            service=compute.service_path,
            avoid=frozenset(each.spec.node for each in plan.of(compute)),
        )
        for key, compute in by_key.items()
    ]
    for answer in place(plan.snapshot, requests):
        compute = by_key[answer.request.key]
        if isinstance(answer, Placed):
            _schedule(plan, compute, answer)
        else:
            _refuse(plan, compute, answer)


def _schedule(plan: Plan, compute: Compute, answer: Placed) -> None:
    number = migration.next_attempt(plan, compute)
    plan.assign(compute, answer.node, AssignmentRole.OWNER, answer.share, number)
    plan.edit(
        compute,
        status="Creating:Scheduled",
        status_reason="",
        observed={"node": answer.node, "attempt": number, "lost": None},
    )
    plan.tell(compute, "Scheduled", f"placed on {answer.node}")


def _refuse(plan: Plan, compute: Compute, answer: Refused) -> None:
    reason = f"no node fits: {answer.message}"
    if compute.status_reason != reason:
        plan.warn(compute, "NoRoom", reason)
    plan.edit(compute, status="Error", status_reason=reason)


def _owner(plan: Plan, compute: Compute) -> Assignment | None:
    return next((each for each in plan.of(compute) if each.spec.role is AssignmentRole.OWNER), None)
