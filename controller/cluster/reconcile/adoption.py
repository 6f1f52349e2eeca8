"""Corrects a restored database by what the nodes have reported, for the cluster controller.

A machine that runs is adopted where it runs: its Compute gets an assignment there, whatever the
backup says. Where nothing runs, the newest complete copy is adopted. What the nodes have confirmed
stays as it is. All of it is one transaction, after which the hold ends for every node.

A Compute at which an error is met that nobody foresaw is set aside with the nodes that may have it, see
``restore_hold``; its status and an event say why.

Not promised: that capacity suffices. A machine that runs is adopted also where the database has no
room for it; then nothing is taken for it, and an event says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from controller.cluster.unit_of_work import reported_copies, storage
from controller.cluster.unit_of_work.reported_copies import Copy
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.errors import InternalError, NotFound, StaleTerm, TemporaryError
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import COMPUTE, Compute
from controller.model.envelope import Status
from controller.model.node import NodeHold, Share
from controller.model.registry import Key, key_of
from controller.schedule import Request, share_of_node
from controller.store import resources, restore_hold
from controller.store.database import Transaction

_NOT_ADOPTED = (
    "internal error ({error}) when it was adopted after the cluster's database was restored: it and {nodes} stay as "
    "they are; run `resourcectl db hold` to try again, or `resourcectl db end-hold` to take the database for true"
)
_NAMED = 3
"""How many nodes a reason names."""


def advance(tx: Transaction, cluster: str, report: Callable[[str, Exception], None] = lambda key, error: None) -> str:
    """End the hold if nothing is waited for any more; return what is still waited for, or an empty text.

    ``report`` is called with each Compute that is set aside, and the error.
    """
    if not restore_hold.is_active(tx):
        return ""
    waiting = sorted(node.name for node in restore_hold.held(tx) if node.facts.hold is NodeHold.UNREPORTED)
    if waiting:
        more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
        have = "has" if len(waiting) == 1 else "have"
        return f"waits until {', '.join(waiting[:_NAMED])}{more} {have} reported: the cluster's database was restored"
    if restore_hold.waits_for_root(tx):
        return "waits for the root: the cluster's database was restored"
    restore_hold.end(tx, adopt(tx, cluster, report))
    return ""


def show(tx: Transaction, reason: str) -> None:
    """Write why nothing is done into the status of everything that is not Active."""
    waiting = [
        compute.model_copy(update={"status_reason": reason})
        for compute in resources.list_all(tx, COMPUTE)
        if compute.status != Status.ACTIVE and compute.status_reason != reason
    ]
    resources.update(tx, waiting)


def adopt(tx: Transaction, cluster: str, report: Callable[[str, Exception], None]) -> dict[str, set[str]]:
    """Correct the assignments of every Compute of which the nodes reported something else.

    Return the uids of those that could not be corrected, each with the nodes that may have it.
    """
    copies = reported_copies.take_all(tx)
    keys = [key for uid in copies if (key := _compute_with(tx, uid)) is not None]
    failed = _adopt(tx, cluster, keys, copies)
    return _set_aside(tx, cluster, failed, copies, report)


def _adopt(
    tx: Transaction, cluster: str, keys: Sequence[Key], copies: Mapping[str, Sequence[Copy]]
) -> dict[Key, Exception]:
    """Adopt the Computes; return the errors of those that could not be. Nothing of these is stored.

    After errors it begins again without the Computes that they are about; where that is not known, with each half.
    """
    try:
        with tx.connection.begin_nested():
            _adopt_together(tx, cluster, keys, copies)
    except _NotAdopted as found:
        return found.errors | _adopt(tx, cluster, [key for key in keys if key not in found.errors], copies)
    except Exception as error:
        _pass_on(error)
        if len(keys) == 1:
            return {keys[0]: error}
        middle = len(keys) // 2
        if not middle:
            raise
        return _adopt(tx, cluster, keys[:middle], copies) | _adopt(tx, cluster, keys[middle:], copies)
    return {}


def _adopt_together(tx: Transaction, cluster: str, keys: Sequence[Key], copies: Mapping[str, Sequence[Copy]]) -> None:
    work = storage.load(tx, cluster, keys)
    moved: dict[Key, Copy] = {}

    def correct(key: Key, compute: Compute) -> None:
        found = settle(work, compute, copies[compute.uid])
        if found is not None:
            moved[key] = found

    _for_each(work, correct)
    storage.store(tx, work)
    work = storage.load(tx, cluster, moved)  # with the capacity that is free now
    _for_each(work, lambda key, compute: _assign(work, compute, moved[key].node))
    storage.store(tx, work)


class _NotAdopted(Exception):
    """Raised when Computes cannot be adopted, with the error of each."""

    def __init__(self, errors: dict[Key, Exception]) -> None:
        super().__init__(", ".join(map(str, errors)))
        self.errors = errors


def _for_each(work: UnitOfWork, step: Callable[[Key, Compute], None]) -> None:
    """Take the step of every Compute; raises _NotAdopted with all errors that are about one of them."""
    errors: dict[Key, Exception] = {}
    for key, compute in work.workloads.items():
        if isinstance(compute, Compute):
            try:
                step(key, compute)
            except Exception as error:
                _pass_on(error)
                errors[key] = error
    if errors:
        raise _NotAdopted(errors)


def _set_aside(
    tx: Transaction,
    cluster: str,
    failed: Mapping[Key, Exception],
    copies: Mapping[str, Sequence[Copy]],
    report: Callable[[str, Exception], None],
) -> dict[str, set[str]]:
    """Show on each Compute that failed why; return the nodes that may have it, by its uid."""
    work = storage.load(tx, cluster, failed)
    aside: dict[str, set[str]] = {}
    for key, compute in work.workloads.items():
        if not isinstance(compute, Compute):
            continue
        report(str(key), failed[key])
        nodes = {copy.node for copy in copies[compute.uid]}
        for assignment in work.of(compute):
            nodes |= {assignment.spec.node, assignment.spec.migrate_to or assignment.spec.node}
        aside[compute.uid] = nodes
        reason = _NOT_ADOPTED.format(error=type(failed[key]).__name__, nodes=", ".join(sorted(nodes)))
        if not compute.is_deleting:
            work.edit(compute, status="Error", status_reason=reason)
        work.record_warning(compute, "NotAdopted", reason)
    storage.store(tx, work)
    return aside


def _pass_on(error: Exception) -> None:
    """Raise an error that is about the database or this master, and not about one Compute."""
    is_of_master = isinstance(error, StaleTerm | TemporaryError) and not isinstance(error, InternalError)
    is_of_database = isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError)
    if is_of_master or is_of_database:
        raise error


def settle(work: UnitOfWork, compute: Compute, copies: Sequence[Copy]) -> Copy | None:
    """Correct the assignments of one Compute; return the copy for which one has still to be made, if any."""
    by_node = {copy.node: copy for copy in copies}
    mine = work.of(compute)
    if compute.is_deleting:
        for assignment in mine:
            if assignment.spec.node in by_node and by_node[assignment.spec.node].state == "Absent":
                work.release(assignment)
        return None
    newest = max([compute.facts.attempt, *(max(each.spec.attempt, each.spec.migrate_attempt) for each in mine)])
    work.edit(compute, observed={"attempt": max([newest, *(copy.attempt for copy in copies)])})
    confirmed = [_as_copy(each) for each in mine if each.spec.node not in by_node]
    if len(confirmed) == len(mine) > 0 and not any(copy.runs for copy in copies):
        return None
    usable = [copy for copy in (*confirmed, *copies) if copy.usable]
    if not usable:
        return None
    best = max(usable, key=lambda copy: copy.rank)
    kept = _keep_only(work, compute, best)
    facts = {"node": best.node, "lost": None, "migrating_to": None, "migrating_for": None}
    work.edit(compute, observed=facts)
    if compute.status in (Status.INITIALIZING, Status.ERROR):
        work.edit(compute, status="Creating:Scheduled", status_reason="")
    return None if kept else best


def _keep_only(work: UnitOfWork, compute: Compute, best: Copy) -> bool:
    """Make the copy's node the only owner and release all other assignments; return whether it has an assignment."""
    kept = False
    mine: list[Assignment] = work.of(compute)
    for assignment in mine:
        if assignment.spec.node != best.node:
            work.release(assignment)
    for assignment in work.of(compute):
        kept = True
        number = compute.facts.attempt + 1
        work.edit(compute, observed={"attempt": number})
        spec = {"migrate_to": None, "migrate_address": "", "migrate_ready": False, "migrate_attempt": number}
        work.give_role(assignment, AssignmentRole.OWNER)
        work.edit(assignment, spec=spec)
    if [each.spec.node for each in mine] != [best.node]:
        # What asked for the move was done already; else it would be moved once more.
        work.edit(compute, observed={"migrations": compute.spec.migrations})
        before = ", ".join(each.spec.node for each in mine) or "no node"
        work.record_warning(compute, "Adopted", f"it is on {best.node}; the restored database had it on {before}")
    return kept


def _assign(work: UnitOfWork, compute: Compute, node: str) -> None:
    """Make the assignment of a Compute that was found on a node."""
    share = share_of_node(work.snapshot, node, Request.of(compute.spec, key=compute.name, service=compute.service_path))
    if share is None:
        share = Share()
        work.record_warning(compute, "NoRoom", f"it was found on {node}, which has no room for it")
    else:
        work.snapshot.take(node, share)
    number = compute.facts.attempt + 1
    work.assign(compute, node, AssignmentRole.OWNER, share, number)
    work.edit(compute, observed={"attempt": number})


def _as_copy(assignment: Assignment) -> Copy:
    spec = assignment.spec
    return Copy(spec.resource_uid, spec.node, assignment.state, assignment.state_reason, spec.role.value, spec.attempt)


def _compute_with(tx: Transaction, uid: str) -> Key | None:
    with suppress(NotFound):
        found = resources.get_by_uid(tx, uid)
        return key_of(found) if isinstance(found, Compute) else None
    return None
