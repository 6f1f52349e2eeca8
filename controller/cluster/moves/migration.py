"""Live migrations: which node may run the Compute, step by step.

Rows of one Compute while it moves, with the attempt's number n in both::

    source                      target
    Owner                       -                  start: capacity taken on the target
    Owner, to target, n         Incoming           the target prepares
    Owner, to target, n, ready  Incoming Prepared  the source sends
    Leaving                     Owner              the source has reported that its copy is removed

Safety: the target becomes Owner, and only then may resume, in the transaction that reads the
source's report that its copy is removed, or after the source's node was fenced (ForgetNode). Once a
source has received ``ready``, its report is waited for, however long that takes; nothing is guessed
about an unreachable host.

Recovery, by the latest reports of both nodes. The source reports Sending while a migration job runs
there, then Sent (the call succeeded), Failed (its copy still runs) or Unclear (it does not run)::

    source                     target           what is done
    Failed, or Running         any              the source stays; it is to stop trying, and when it has
                                                reported that, the target removes its part
    Sent or Unclear, Absent    any              finish: the target decides by what it finds
    Sent, Paused or Stopped    any              the source removes its copy, then finish
    Unclear, Paused or Stopped no report since  the target is to report again: what it reported while the
                                                source was sending may no longer hold
    Unclear, Paused or Stopped Paused by user   complete: the source removes its copy, then finish
    Unclear, Paused or Stopped anything else    the target removes its part, then the source resumes

Late and repeated reports are harmless: a source's report counts only for the attempt that it names,
and ending an attempt increases the number (``migrate_attempt``), so that a source that reports the
new number can no longer be sending under the old one. Only then is the target's part removed: else
a source that begins again under the old number could send its only copy to be deleted.

Design: D5, E1
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from controller.cluster.moves.planning import Blocker, blocker_at, blocker_of, try_move
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork, is_removed
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.schedule_policy import RuleMode
from controller.schedule import Refused, Request


class Verdict(StrEnum):
    """What the reports of the two nodes mean."""

    WAIT = "wait"
    ASK_TARGET = "ask target"
    SWAP = "swap"
    REMOVE_SOURCE = "remove source"
    KEEP_SOURCE = "keep source"
    REMOVE_TARGET = "remove target"


def verdict(source: Assignment, target: Assignment | None) -> Verdict:
    """Return the row of the recovery table for a source that is to send; ``target`` None: nothing is left there."""
    phase = source.facts.migration
    if source.facts.migrate_attempt != source.spec.migrate_attempt:
        return Verdict.WAIT
    if phase == "Failed" or (phase in ("Sent", "Unclear") and source.state == "Running"):
        return Verdict.KEEP_SOURCE
    if phase not in ("Sent", "Unclear") or source.state not in ("Absent", "Paused", "Stopped"):
        return Verdict.WAIT
    if target is None:
        return Verdict.KEEP_SOURCE  # lost with its node, or removed
    if source.state == "Absent":
        return Verdict.SWAP
    if phase == "Sent":
        return Verdict.REMOVE_SOURCE
    if target.spec.role is AssignmentRole.INCOMING and not target.facts.ready:
        return Verdict.ASK_TARGET
    return Verdict.REMOVE_SOURCE if is_complete(target) else Verdict.REMOVE_TARGET


def is_complete(target: Assignment) -> bool:
    """Return whether everything has arrived: the agent paused the machine, not an incoming migration."""
    return target.state == "Paused" and target.state_reason == "user"


def start(
    work: UnitOfWork, compute: Compute, owner: Assignment, to: str | None = None, *, cause: str | None = None
) -> Blocker | None:
    """Begin to move a running Compute; return why it cannot be moved, or None.

    ``to`` names the node; the filters and hard rules of its policy hold there too. Until it has arrived it counts
    on both nodes, so that no rule is broken wherever it ends. ``cause`` records what began the migration.
    """
    refused = unmovable(work, compute, owner)
    if refused is not None:
        return Blocker(refused)
    if to == owner.spec.node:
        return Blocker(f"it is on {to} already")
    allowed = compute.spec.schedule_policy.node_filters
    if to is not None and allowed and to not in allowed:
        return Blocker(f"{to} is not in the service's node_filters")
    request, source = request_for(work, compute, to), owner.spec.node
    answer = try_move(work.snapshot, request, source, arrived=False)
    if isinstance(answer, Refused):
        return blocker_of(answer) if to is None else blocker_at(work.snapshot, request, source, to)
    attempt = next_attempt(work, compute)
    target = work.assign(compute, answer.node, AssignmentRole.INCOMING, answer.share, attempt)
    work.edit(
        owner,
        spec={"migrate_to": target.spec.node, "migrate_attempt": attempt, "migrate_ready": False},
        observed={"migration": None},
    )
    changes = {"migrating_to": target.spec.node, "migrating_for": cause, "attempt": attempt}
    work.edit(compute, observed=changes)
    work.record_event(compute, "Migrating", f"from {owner.spec.node} to {target.spec.node}")
    return None


def request_for(work: UnitOfWork, compute: Compute, to: str | None = None, avoid: Iterable[str] = ()) -> Request:
    """Return the request to the scheduler for a move: to another node, or to the named one."""
    policy = compute.spec.schedule_policy
    if to is not None:
        policy = policy.model_copy(update={"node_filters": (to,)})
    away = frozenset((*avoid, *(each.spec.node for each in work.of(compute))))
    return Request.of(compute.spec, key=compute.name, service=compute.service_path, policy=policy, avoid=away)


def cancel(work: UnitOfWork, compute: Compute, reason: str) -> bool:
    """End a migration that the source does not know of yet; return False when there is none."""
    mine = work.of(compute)
    source = next((each for each in mine if each.spec.migrate_to), None)
    if source is None or source.spec.migrate_ready or source.spec.role is not AssignmentRole.OWNER:
        return False
    for target in mine:
        if target.spec.attempt == source.spec.migrate_attempt:
            work.give_role(target, AssignmentRole.LEAVING)
    _end(work, compute, source)
    work.record_event(compute, "MigrationCancelled", reason)
    return True


def waits_for_affinity(work: UnitOfWork, compute: Compute) -> str | None:
    """Return why a new Compute is not placed yet, or None: it must be with others, and one of them is moving."""
    rules = compute.spec.schedule_policy.all_rules()
    if not any(rule.hard and rule.mode is RuleMode.AFFINITY and rule.value is None for rule in rules):
        return None
    moving = next((each.name for each in work.members(compute) if each.facts.migrating_to), None)
    return f"waits until {moving} has moved: it must be where that one is" if moving else None


def unmovable(work: UnitOfWork, compute: Compute, owner: Assignment) -> str | None:
    """Return why a Compute cannot be moved now, or None."""
    if any(each.spec.role is AssignmentRole.INCOMING for each in work.of(compute)) or owner.spec.migrate_to:
        return "it is being moved already"
    if work.node_state(owner.spec.node) != "Up":
        return f"its node {owner.spec.node} is {work.node_state(owner.spec.node)}"
    if compute.status != "Active" or owner.status != "Active":
        return f"it is {compute.status}" + (f": {compute.status_reason}" if compute.status_reason else "")
    if owner.state != "Running":
        return f"it is {owner.state or 'not seen running'}, and only running machines move"
    return None


def advance(work: UnitOfWork, compute: Compute) -> None:
    """Take the next step of a migration, if one is in progress and the nodes' reports allow a step."""
    mine = work.of(compute)
    source = next((each for each in mine if each.spec.migrate_to), None)
    if source is None:
        _remove_cancelled(work, compute, mine)
        return
    target = next((each for each in mine if each.spec.attempt == source.spec.migrate_attempt), None)
    if source.spec.role is AssignmentRole.LEAVING:
        if is_removed(source):
            work.release(source)
            _promote(work, compute, target)
    elif source.spec.migrate_ready:
        if target is None or target.spec.role is AssignmentRole.INCOMING or source.state == "Running":
            _settle(work, compute, source, target)  # else: wait for the removal
    elif target is None or target.spec.role is AssignmentRole.LEAVING:
        _cancel(work, compute, source, "the target was removed")
    else:
        _prepare(work, compute, source, target)


def _prepare(work: UnitOfWork, compute: Compute, source: Assignment, target: Assignment) -> None:
    """Advance a migration that the source does not know of yet: it can still be cancelled at no cost."""
    node = work.nodes.get(target.spec.node)
    reason = None
    if target.status == "Error" or target.facts.migration == "Failed":
        reason = f"{target.spec.node} cannot take it: {target.status_reason}"
    elif node is None or node.state == "Down":
        reason = f"{target.spec.node} is down"
    elif node.spec.drain or not node.spec.schedulable:
        reason = f"{target.spec.node} is {'draining' if node.spec.drain else 'cordoned'}"
    elif not _is_movable_state(source):
        reason = f"it is {source.state}"
    if reason is not None:
        work.give_role(target, AssignmentRole.LEAVING)
        _cancel(work, compute, source, reason, target.spec.node)
    elif node is not None and target.facts.migration == "Prepared":
        work.edit(source, spec={"migrate_ready": True, "migrate_address": node.facts.migration_address})


def _is_movable_state(source: Assignment) -> bool:
    return source.state not in ("Stopped", "Absent")


def _settle(work: UnitOfWork, compute: Compute, source: Assignment, target: Assignment | None) -> None:
    match verdict(source, target):
        case Verdict.SWAP:
            work.give_role(source, AssignmentRole.LEAVING, **_NOT_MOVING)
            _promote(work, compute, target)
        case Verdict.ASK_TARGET:
            assert target is not None
            work.edit(target, spec={"migrate_ready": True})
        case Verdict.REMOVE_SOURCE:
            work.give_role(source, AssignmentRole.LEAVING)
        case Verdict.KEEP_SOURCE:
            _cancel(work, compute, source, source.status_reason or "the machine could not be sent")
        case Verdict.REMOVE_TARGET:
            assert target is not None
            work.give_role(target, AssignmentRole.LEAVING)
        case Verdict.WAIT:
            pass


def _promote(work: UnitOfWork, compute: Compute, target: Assignment | None) -> None:
    if target is None:
        return
    work.give_role(target, AssignmentRole.OWNER)
    arrived = {"node": target.spec.node, "migrating_to": None, "migrating_for": None, "migration_failed": None}
    work.edit(compute, observed=arrived)
    work.record_event(compute, "Migrated", f"to {target.spec.node}")


_NOT_MOVING = {"migrate_to": None, "migrate_address": "", "migrate_ready": False}


def _cancel(work: UnitOfWork, compute: Compute, source: Assignment, reason: str, target: str | None = None) -> None:
    """End an attempt that failed; ``target`` is the node that it failed for."""
    target = target or source.spec.migrate_to
    _end(work, compute, source)
    before = compute.facts.migration_failed
    tries = (before.tries if before is not None else 0) + 1
    failed = {"at": work.now.isoformat(), "reason": reason, "target": target, "tries": tries}
    work.edit(compute, observed={"migration_failed": failed})
    work.record_warning(compute, "MigrationFailed", reason)


def _end(work: UnitOfWork, compute: Compute, source: Assignment) -> None:
    """Have the source stop, under a new number; the attempt has ended when the source reports that number."""
    number = next_attempt(work, compute)
    work.edit(source, spec={**_NOT_MOVING, "migrate_attempt": number}, observed={"migration": None})
    work.edit(compute, observed={"migrating_to": None, "migrating_for": None, "attempt": number})


def _remove_cancelled(work: UnitOfWork, compute: Compute, mine: list[Assignment]) -> None:
    """Remove the target's part once the owner has reported that it no longer sends."""
    owner = next((each for each in mine if each.spec.role is AssignmentRole.OWNER), None)
    for target in mine:
        if target.spec.role is not AssignmentRole.INCOMING:
            continue
        if owner is None or (owner.facts.migrate_attempt or 0) >= owner.spec.migrate_attempt:
            work.give_role(target, AssignmentRole.LEAVING)


def next_attempt(work: UnitOfWork, compute: Compute) -> int:
    """Return a number that no assignment and no migration of the Compute has had."""
    known = [each.spec.attempt for each in work.of(compute)] + [each.spec.migrate_attempt for each in work.of(compute)]
    return max([compute.facts.attempt, *known]) + 1
