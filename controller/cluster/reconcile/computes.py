"""Reconciles the Computes of the cluster: takes the next step of each.

Initializing -> (placed; capacity taken and assignment made in one transaction) Creating:Scheduled
-> (the owner's node reports its revision) Active. A changed spec is released to the node only
together with the capacity that it needs, and is Updating:Scheduled until the node reports it.
Deleting -> (assignments Leaving) Deleting:Scheduled -> (the nodes report Absent) deleted.

Error is never final: the cause is checked again whenever a node, its capacity or the Compute
changes, and at each resync. A Compute that fits nowhere delays no other.

Design: I1, J10, K5
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.cluster.moves import migration, rebalance
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork, is_removed
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute, OnNodeDown
from controller.model.hard_rules import label_axes
from controller.model.moments import STORED
from controller.model.node import Capacity, Node, Share
from controller.schedule import Placed, Refused, Request, place, share_of_node, shortage, sizes_of

ZONES = ("datacenter", "power", "network", "rack")


def reconcile(work: UnitOfWork, computes: Iterable[Compute]) -> None:
    """Take the next step of every Compute; place the new ones of each service together."""
    unplaced = [compute for compute in computes if not _step(work, compute)]
    _place(work, unplaced)


def _step(work: UnitOfWork, compute: Compute) -> bool:
    """Take the step of a Compute that has assignments or is deleting; return False for one to be placed."""
    _release_removed(work, compute)
    if compute.is_deleting:
        _remove(work, compute)
        return True
    migration.advance(work, compute)
    _release_removed(work, compute)
    owner = _owner(work, compute)
    if owner is not None:
        _follow(work, compute, owner)
        _start_requested_migration(work, compute, owner)
        return True
    if any(each.spec.migrate_to for each in work.of(compute)):
        return True  # the source removes its copy; the complete copy waits on the target
    lost = compute.facts.lost
    if lost and compute.spec.on_node_down is OnNodeDown.NONE:
        reason = f"its node {lost} was lost; delete it, or set on_node_down to Rebuild"
        work.edit(compute, status="Error", status_reason=reason, state="Unknown", state_reason="")
        return True
    return False


def _release_removed(work: UnitOfWork, compute: Compute) -> None:
    """Release what its node has removed; a migration's source is released when the target becomes Owner."""
    for assignment in work.of(compute):
        if is_removed(assignment) and (not assignment.spec.migrate_to or compute.is_deleting):
            work.release(assignment)


def _remove(work: UnitOfWork, compute: Compute) -> None:
    """Remove it from all nodes; a target to which the source may still send is removed last."""
    mine = work.of(compute)
    if not mine:
        work.drop(compute)
        return
    sending = any(each.spec.migrate_to and each.spec.migrate_ready for each in mine)
    for assignment in mine:
        if sending and assignment.spec.role is AssignmentRole.INCOMING:
            continue
        work.give_role(assignment, AssignmentRole.LEAVING, keep_disks=compute.facts.keep_disks)
    stuck = [each for each in mine if each.status == "Error"]
    away = sorted({each.spec.node for each in mine if work.node_state(each.spec.node) != "Up"})
    reason = ""
    if stuck:
        reason = f"{stuck[0].spec.node}: {stuck[0].status_reason}"
    elif away:
        reason = f"waits for {', '.join(away)}"
    work.edit(compute, status="Deleting:Scheduled", status_reason=reason)


def _follow(work: UnitOfWork, compute: Compute, owner: Assignment) -> None:
    """Release a changed spec to the owner's node, and copy what the node reports."""
    waits = _release_spec(work, compute, owner)
    if waits is not None:
        work.edit(compute, status="Error", status_reason=waits)
    else:
        _set_status(work, compute, owner)
    node = work.nodes.get(owner.spec.node)
    zones = node.facts.zones if node is not None else {}
    facts = {name: value for name, value in owner.observed.items() if name not in _NO_FACTS}
    place = {axis: zones.get(axis) for axis in ZONES} | {"node_labels": _named_labels(compute, node)}
    work.edit(compute, observed={**facts, "node": owner.spec.node, "lost": None, **place})
    if node is not None and node.state in ("Down", "Unknown"):
        work.edit(compute, state="Unknown", state_reason=f"node {node.name} is {node.state}")
        if node.state == "Down" and compute.spec.on_node_down is OnNodeDown.REBUILD and compute.status != "Error":
            work.edit(compute, status_reason=_how_to_rebuild(node))
    else:
        work.edit(compute, state=owner.state, state_reason=owner.state_reason)


def _named_labels(compute: Compute, node: Node | None) -> dict[str, str] | None:
    """Return the node's labels that the hard rules and filters are about, for the root; None if there are none."""
    named = label_axes(compute.spec.schedule_policy)
    if node is None or not named:
        return None
    return {label: node.labels[label] for label in named if label in node.labels}


def _how_to_rebuild(node: Node) -> str:
    return (
        f"node {node.name} is Down: if it never returns, fence it and run `resourcectl delete node "
        f"{node.cluster}/{node.name} --force`; then it is created again on another node (on_node_down Rebuild)"
    )


_PROTOCOL = ("role", "migration", "migrate_attempt", "ready", "revision", "seen")
"""Facts of assignments that only the controller uses."""
_OURS = (
    "assignments",
    "attempt",
    "keep_disks",
    "migrations",
    "migrating_to",
    "migrating_for",
    "migration_failed",
    "lost",
    "node",
)
"""Facts of a Compute that the controller writes: no report of an agent may replace them."""
_NO_FACTS = frozenset((*_PROTOCOL, *_OURS))


def _release_spec(work: UnitOfWork, compute: Compute, owner: Assignment) -> str | None:
    """Release the Compute's current spec to the node; return why that is not possible now, or None."""
    desired = compute.spec.model_dump(mode="json")
    if owner.spec.desired == desired and owner.spec.revision == compute.revision:
        return None
    if owner.spec.migrate_to:
        return None  # the migration ends first
    before = type(compute.spec).model_validate(owner.spec.desired, context=STORED)
    share = Share(cells=dict.fromkeys(owner.spec.cells, Capacity()), cpus=owner.spec.cpus)
    if sizes_of(before) != sizes_of(compute.spec):
        resized = _resize(work, compute, owner)
        if isinstance(resized, str):
            return resized
        share = resized
    for_node = _for_node(desired) != _for_node(owner.spec.desired)
    released = {"desired": desired, "revision": compute.revision, "cells": tuple(share.cells), "cpus": share.cpus}
    work.edit(owner, spec=released)
    if compute.status == "Active" and compute.revision != owner.facts.revision:
        work.edit(compute, status="Updating:Scheduled", status_reason="")
    elif for_node and owner.status == "Error":
        work.edit(owner, status="Updating:Scheduled", status_reason="")
    return None


def _for_node(desired: dict[str, object]) -> dict[str, object]:
    """Return the part of a spec that the node acts on; the rest is for the controllers."""
    return {name: value for name, value in desired.items() if name not in ("migrations", "migrate_to", "rebalance")}


def _resize(work: UnitOfWork, compute: Compute, owner: Assignment) -> Share | str:
    """Take the new size on the owner's node in place of the old one, in this transaction.

    Return what is taken now, or why there is no room; then the old size stays taken.

    Design: I1
    """
    snapshot, node, old = work.snapshot, owner.spec.node, work.share(owner)
    request = Request.of(compute.spec, key=compute.name, service=compute.service_path)
    snapshot.give_back(node, old)
    share = share_of_node(snapshot, node, request)
    if share is None:
        reason = f"no room on {node} for the new size: {shortage(snapshot, node, request)}"
        snapshot.take(node, old)
        return reason
    snapshot.take(node, share)
    work.given_back.append((node, compute.uid))
    work.taken.append((node, compute.uid, share))
    return share


def _set_status(work: UnitOfWork, compute: Compute, owner: Assignment) -> None:
    reported = owner.facts.revision
    if owner.status == "Error":
        work.edit(compute, status="Error", status_reason=owner.status_reason)
    elif owner.status == "Active" and reported == owner.spec.revision == compute.revision:
        if compute.status != "Active":
            work.record_event(compute, "Active", f"runs on {owner.spec.node}")
        work.edit(compute, status="Active", status_reason="")
    elif reported or compute.status.startswith("Updating"):
        work.edit(compute, status="Updating:Scheduled", status_reason="")
    else:
        work.edit(compute, status="Creating:Scheduled", status_reason="")


def _start_requested_migration(work: UnitOfWork, compute: Compute, owner: Assignment) -> None:
    """Try each requested migration once; ``spec.migrations`` counts the requests."""
    if compute.spec.migrations <= compute.facts.migrations:
        return
    if compute.spec.rebalance is not None:
        rebalance.take_turn(work, compute, owner)
        return
    if compute.status not in ("Active", "Error") or owner.spec.migrate_to or work.node_state(owner.spec.node) != "Up":
        return  # it is tried when this has changed
    refused = migration.start(work, compute, owner, compute.spec.migrate_to)
    work.edit(compute, observed={"migrations": compute.spec.migrations})
    if refused is not None:
        failed = {"at": work.now.isoformat(), "reason": refused.reason}
        work.edit(compute, observed={"migration_failed": failed})
        work.record_warning(compute, "MigrationRefused", refused.reason)


def _place(work: UnitOfWork, computes: list[Compute]) -> None:
    by_key = {}
    for compute in computes:
        waits = migration.waits_for_affinity(work, compute)
        if waits is None:
            by_key[f"{compute.service_path}/{compute.name}"] = compute
        else:
            work.edit(compute, status="Initializing", status_reason=waits)
    if not by_key:
        return
    requests = [
        Request.of(
            compute.spec,
            key=key,
            service=compute.service_path,
            avoid=frozenset(each.spec.node for each in work.of(compute)),
        )
        for key, compute in by_key.items()
    ]
    for answer in place(work.snapshot, requests):
        compute = by_key[answer.request.key]
        if isinstance(answer, Placed):
            _schedule(work, compute, answer)
        else:
            _refuse(work, compute, answer)


def _schedule(work: UnitOfWork, compute: Compute, answer: Placed) -> None:
    number = migration.next_attempt(work, compute)
    work.assign(compute, answer.node, AssignmentRole.OWNER, answer.share, number)
    work.edit(
        compute,
        status="Creating:Scheduled",
        status_reason="",
        observed={"node": answer.node, "attempt": number, "lost": None},
    )
    work.record_event(compute, "Scheduled", f"placed on {answer.node}")


def _refuse(work: UnitOfWork, compute: Compute, answer: Refused) -> None:
    reason = f"no node fits: {answer.message}"
    if compute.status_reason != reason:
        work.record_warning(compute, "NoRoom", reason)
    work.edit(compute, status="Error", status_reason=reason)


def _owner(work: UnitOfWork, compute: Compute) -> Assignment | None:
    return next((each for each in work.of(compute) if each.spec.role is AssignmentRole.OWNER), None)
