"""Live migration: who may run, step by step (design D5, E1).

Rows of one Compute while it moves, with the attempt's number n in both::

    source                      target
    Owner                       -                  start: capacity taken on the target
    Owner, to target, n         Incoming           the target prepares
    Owner, to target, n, ready  Incoming Prepared  the source sends
    Leaving                     Owner              the source has said that its copy is gone

Safety: the target becomes Owner, and only then may resume, in the transaction that reads the
source's word that its copy is gone, or after the source's node was fenced (ForgetNode). A node
that was once told ``ready`` is waited for, however long that takes; nothing is guessed about an
unreachable host.

Recovery, by the latest words of both nodes. The source says Sending while a migration job runs
there, then Sent (the call succeeded), Failed (its copy runs on) or Unclear (it does not run)::

    source                     target           what is done
    Failed, or Running         any              the source stays; it is told to stop trying, and when
                                                it has said so the target removes its part
    Sent or Unclear, Absent    any              finish: the target decides by what it finds
    Sent, Paused or Stopped    any              the source removes its copy, then finish
    Unclear, Paused or Stopped not looked since the target is asked to look again: what it said while the
                                                source was sending may be true no longer
    Unclear, Paused or Stopped Paused by user   complete: likewise
    Unclear, Paused or Stopped anything else    the target removes its part, then the source resumes

Late and doubled words are harmless: a source's word counts only for the attempt that it names,
and ending a try counts the number up (``migrate_attempt``), so that a source that says the new
number can no longer be sending under the old one. Only then is the target's part removed: else a
source that begins again under the old number could send its only copy to be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from controller.cluster.moves.planning import Hindrance, hindrance_at, hindrance_of, try_move
from controller.cluster.unit_of_work.unit_of_work import Plan, is_gone
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.schedule_policy import RuleMode
from controller.schedule import Refused, Request


class Verdict(StrEnum):
    """What the two nodes' words mean."""

    WAIT = "wait"
    ASK_TARGET = "ask target"
    SWAP = "swap"
    REMOVE_SOURCE = "remove source"
    KEEP_SOURCE = "keep source"
    REMOVE_TARGET = "remove target"


def verdict(source: Assignment, target: Assignment | None) -> Verdict:
    """The recovery table, for a source that was told to send. ``target`` None: nothing is there any more."""
    phase = source.observed.get("migration", "")
    if source.observed.get("migrate_attempt") != source.spec.migrate_attempt:
        return Verdict.WAIT
    if phase == "Failed" or (phase in ("Sent", "Unclear") and source.state == "Running"):
        return Verdict.KEEP_SOURCE
    if phase not in ("Sent", "Unclear") or source.state not in ("Absent", "Paused", "Stopped"):
        return Verdict.WAIT
    if target is None:
        return Verdict.KEEP_SOURCE  # lost with its node, or removed as told
    if source.state == "Absent":
        return Verdict.SWAP
    if phase == "Sent":
        return Verdict.REMOVE_SOURCE
    if target.spec.role is AssignmentRole.INCOMING and not target.observed.get("ready"):
        return Verdict.ASK_TARGET
    return Verdict.REMOVE_SOURCE if is_complete(target) else Verdict.REMOVE_TARGET


def is_complete(target: Assignment) -> bool:
    """Everything has arrived: the machine is paused by us, not by an incoming migration."""
    return target.state == "Paused" and target.state_reason == "user"


def start(
    plan: Plan, compute: Compute, owner: Assignment, to: str | None = None, *, cause: str | None = None
) -> Hindrance | None:
    """Begin to move a running Compute; returns why it cannot be moved, or None.

    ``to`` names the node; the filters and hard rules of its policy hold there too. Until it has arrived it counts
    on both nodes, so that no rule is broken wherever it ends. ``cause`` is noted for who began it.
    """
    refused = unmovable(plan, compute, owner)
    if refused is not None:
        return Hindrance(refused)
    if to == owner.spec.node:
        return Hindrance(f"it is on {to} already")
    allowed = compute.spec.schedule_policy.node_filters
    if to is not None and allowed and to not in allowed:
        return Hindrance(f"{to} is not in the service's node_filters")
    request, source = request_for(plan, compute, to), owner.spec.node
    answer = try_move(plan.snapshot, request, source, arrived=False)
    if isinstance(answer, Refused):
        return hindrance_of(answer) if to is None else hindrance_at(plan.snapshot, request, source, to)
    attempt = next_attempt(plan, compute)
    target = plan.assign(compute, answer.node, AssignmentRole.INCOMING, answer.share, attempt)
    plan.edit(
        owner,
        spec={"migrate_to": target.spec.node, "migrate_attempt": attempt, "migrate_ready": False},
        observed={"migration": None},
    )
    noted = {"migrating_to": target.spec.node, "migrating_for": cause, "attempt": attempt}
    plan.edit(compute, observed=noted)
    plan.tell(compute, "Migrating", f"from {owner.spec.node} to {target.spec.node}")
    return None


def request_for(plan: Plan, compute: Compute, to: str | None = None, avoid: Iterable[str] = ()) -> Request:
    """What is asked of the scheduler for a move: another node, or the one named."""
    policy = compute.spec.schedule_policy
    if to is not None:
        policy = policy.model_copy(update={"node_filters": (to,)})
    away = frozenset((*avoid, *(each.spec.node for each in plan.of(compute))))
    return Request.of(compute.spec, key=compute.name, service=compute.service_path, policy=policy, avoid=away)


def call_off(plan: Plan, compute: Compute, reason: str) -> bool:
    """End a migration of which the source was told nothing yet; False when there is none."""
    mine = plan.of(compute)
    source = next((each for each in mine if each.spec.migrate_to), None)
    if source is None or source.spec.migrate_ready or source.spec.role is not AssignmentRole.OWNER:
        return False
    for target in mine:
        if target.spec.attempt == source.spec.migrate_attempt:
            plan.give_role(target, AssignmentRole.LEAVING)
    _end(plan, compute, source)
    plan.tell(compute, "MigrationCancelled", reason)
    return True


def held_up(plan: Plan, compute: Compute) -> str | None:
    """Why a new Compute is not placed yet: it must be with the others, and where they will be is open."""
    rules = compute.spec.schedule_policy.all_rules()
    if not any(rule.hard and rule.mode is RuleMode.AFFINITY and rule.value is None for rule in rules):
        return None
    moving = next((each.name for each in plan.members(compute) if each.observed.get("migrating_to")), None)
    return f"waits until {moving} has moved: it must be where that one is" if moving else None


def unmovable(plan: Plan, compute: Compute, owner: Assignment) -> str | None:
    """Why a Compute cannot be moved at this moment; None when it can."""
    if any(each.spec.role is AssignmentRole.INCOMING for each in plan.of(compute)) or owner.spec.migrate_to:
        return "it is being moved already"
    if plan.node_state(owner.spec.node) != "Up":
        return f"its node {owner.spec.node} is {plan.node_state(owner.spec.node)}"
    if compute.status != "Active" or owner.status != "Active":
        return f"it is {compute.status}" + (f": {compute.status_reason}" if compute.status_reason else "")
    if owner.state != "Running":
        return f"it is {owner.state or 'not seen running'}, and only running machines move"
    return None


def advance(plan: Plan, compute: Compute) -> None:
    """Take the next step of a migration, if one is under way and the nodes' words allow one."""
    mine = plan.of(compute)
    source = next((each for each in mine if each.spec.migrate_to), None)
    if source is None:
        _remove_cancelled(plan, compute, mine)
        return
    target = next((each for each in mine if each.spec.attempt == source.spec.migrate_attempt), None)
    if source.spec.role is AssignmentRole.LEAVING:
        if is_gone(source):
            plan.release(source)
            _promote(plan, compute, target)
    elif source.spec.migrate_ready:
        if target is None or target.spec.role is AssignmentRole.INCOMING or source.state == "Running":
            _settle(plan, compute, source, target)  # else: what is being removed is waited for
    elif target is None or target.spec.role is AssignmentRole.LEAVING:
        _cancel(plan, compute, source, "the target is gone")
    else:
        _prepare(plan, compute, source, target)


def _prepare(plan: Plan, compute: Compute, source: Assignment, target: Assignment) -> None:
    """The source was told nothing yet: going back is free."""
    node = plan.nodes.get(target.spec.node)
    reason = None
    if target.status == "Error" or target.observed.get("migration") == "Failed":
        reason = f"{target.spec.node} cannot take it: {target.status_reason}"
    elif node is None or node.state == "Down":
        reason = f"{target.spec.node} is down"
    elif node.spec.drain or not node.spec.schedulable:
        reason = f"{target.spec.node} is {'draining' if node.spec.drain else 'cordoned'}"
    elif not _is_movable_state(source):
        reason = f"it is {source.state}"
    if reason is not None:
        plan.give_role(target, AssignmentRole.LEAVING)
        _cancel(plan, compute, source, reason, target.spec.node)
    elif node is not None and target.observed.get("migration") == "Prepared":
        address = str(node.observed.get("migration_address", ""))
        plan.edit(source, spec={"migrate_ready": True, "migrate_address": address})


def _is_movable_state(source: Assignment) -> bool:
    return source.state not in ("Stopped", "Absent")


def _settle(plan: Plan, compute: Compute, source: Assignment, target: Assignment | None) -> None:
    match verdict(source, target):
        case Verdict.SWAP:
            plan.give_role(source, AssignmentRole.LEAVING, **_NOT_MOVING)
            _promote(plan, compute, target)
        case Verdict.ASK_TARGET:
            assert target is not None
            plan.edit(target, spec={"migrate_ready": True})
        case Verdict.REMOVE_SOURCE:
            plan.give_role(source, AssignmentRole.LEAVING)
        case Verdict.KEEP_SOURCE:
            _cancel(plan, compute, source, source.status_reason or "the machine could not be sent")
        case Verdict.REMOVE_TARGET:
            assert target is not None
            plan.give_role(target, AssignmentRole.LEAVING)
        case Verdict.WAIT:
            pass


def _promote(plan: Plan, compute: Compute, target: Assignment | None) -> None:
    if target is None:
        return
    plan.give_role(target, AssignmentRole.OWNER)
    arrived = {"node": target.spec.node, "migrating_to": None, "migrating_for": None, "migration_failed": None}
    plan.edit(compute, observed=arrived)
    plan.tell(compute, "Migrated", f"to {target.spec.node}")


_NOT_MOVING = {"migrate_to": None, "migrate_address": "", "migrate_ready": False}


def _cancel(plan: Plan, compute: Compute, source: Assignment, reason: str, target: str | None = None) -> None:
    """End a try that failed; ``target`` is the node that it failed for."""
    target = target or source.spec.migrate_to
    _end(plan, compute, source)
    tries = int((compute.observed.get("migration_failed") or {}).get("tries", 0)) + 1
    failed = {"at": plan.now.isoformat(), "reason": reason, "target": target, "tries": tries}
    plan.edit(compute, observed={"migration_failed": failed})
    plan.warn(compute, "MigrationFailed", reason)


def _end(plan: Plan, compute: Compute, source: Assignment) -> None:
    """Tell the source to stop trying, under a new number; its saying that number is the end of the try."""
    number = next_attempt(plan, compute)
    plan.edit(source, spec={**_NOT_MOVING, "migrate_attempt": number}, observed={"migration": None})
    plan.edit(compute, observed={"migrating_to": None, "migrating_for": None, "attempt": number})


def _remove_cancelled(plan: Plan, compute: Compute, mine: list[Assignment]) -> None:
    """Remove the target's part once the owner has said that it no longer sends."""
    owner = next((each for each in mine if each.spec.role is AssignmentRole.OWNER), None)
    for target in mine:
        if target.spec.role is not AssignmentRole.INCOMING:
            continue
        if owner is None or owner.observed.get("migrate_attempt", 0) >= owner.spec.migrate_attempt:
            plan.give_role(target, AssignmentRole.LEAVING)


def next_attempt(plan: Plan, compute: Compute) -> int:
    """A number that no assignment and no try of the Compute has had."""
    known = [each.spec.attempt for each in plan.of(compute)] + [each.spec.migrate_attempt for each in plan.of(compute)]
    return max([int(compute.observed.get("attempt", 0)), *known]) + 1
