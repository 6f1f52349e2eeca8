"""Drains nodes: plans the moves of everything on all draining nodes together, and starts the next ones.

``advance`` plans from the current state each time and starts what may start now. The plan is never
stored, so that a drain continues after any process was killed, and follows every change. The next
moves are chosen in ``_plan_moves`` and started in ``_start``.

- All draining nodes are planned together. Each move sees the moves before it, and none goes to a
  node that is draining or cordoned.
- A move is planned as if the leaving copy no longer counted, and started only if no hard rule is
  broken even while both copies count; else it waits for the moves before it. What cannot be placed
  even then is blocked, with the scheduler's counted reasons.
- Large Computes first, then by service and index; a bounded number moves at the same time.
- Nothing is ever powered off. A failed move is retried after a pause that doubles, to another node
  if possible.

When a drain is cancelled, migrations that the source has not begun to send are cancelled; the
others finish.

Design: F3, J4, M3
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from controller.cluster.moves import migration
from controller.cluster.moves.planning import Blocked, Blocker, Move, MovePlan, blocker_of, try_move
from controller.cluster.moves.spread import Spread, Topology
from controller.cluster.traffic import loadbalancers
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork, Workload
from controller.counted import counted
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import DrainBlocker, DrainProgress, Node
from controller.model.registry import key_of
from controller.schedule import Placed, Request, Snapshot

DRAIN = "drain"
"""Cause of the migrations that a drain starts."""
RETRY_AFTER = timedelta(seconds=15)
"""Pause before a failed migration of a Compute is retried; doubled each time it fails again."""
LONGEST_PAUSE = timedelta(minutes=10)

_SWAPPED = 32
"""Moves of one service whose targets are exchanged at most; beyond that they stay as placed."""


@dataclass(frozen=True)
class Limits:
    """How many migrations of drains may be in progress: from each node, and in the cluster."""

    per_node: int = 1
    in_cluster: int = 4


@dataclass
class Drained:
    """The progress of one node's drain."""

    remaining: int = 0
    moving: dict[str, str] = field(default_factory=dict)
    """Resource to the node that it goes to; empty for one that only ends."""
    planned: dict[str, str] = field(default_factory=dict)
    """Resource to the node that it would go to, as things are now."""
    blocked_by: list[Blocked] = field(default_factory=list)

    def observed(self) -> dict[str, Any]:
        """Return the form in the node's ``observed``."""
        progress = DrainProgress(
            remaining=self.remaining,
            moving=self.moving,
            planned=self.planned,
            blocked_by=tuple(
                DrainBlocker(resource=each.resource, reason=each.blocker.reason, counts=each.blocker.counts)
                for each in self.blocked_by
            ),
        )
        return progress.model_dump(mode="json")


@dataclass(frozen=True)
class _Leaver:
    """A Compute that is to be moved, with its request to the scheduler."""

    compute: Compute
    owner: Assignment
    request: Request

    @property
    def node(self) -> str:
        return self.owner.spec.node

    @property
    def name(self) -> str:
        return key_of(self.compute).path

    @property
    def rank(self) -> tuple[object, ...]:
        need = self.request.need
        size = (need.memory_mib + need.hugepages_mib, need.vcpus + need.pinned_cpus, need.disk_gib)
        return (*(-each for each in size), self.request.service, self.request.index)


def advance(work: UnitOfWork, leaving: Collection[str], limits: Limits) -> dict[str, Drained]:
    """Take the next step of the drains of those nodes; return the progress of each.

    ``work`` holds everything that is on them, and the nodes themselves, all of them draining.
    """
    result = {name: Drained() for name in leaving}
    _replace_loadbalancers(work, result)
    leavers, in_progress = _collect(work, result)
    future = _future(work, result) if leavers else Snapshot(())
    waiting = [each for each in leavers if not _is_blocked(work, each, result)]
    moves, refused = _plan_moves(work, waiting, future)
    for each, blocker in refused:
        result[each.node].blocked_by.append(Blocked(each.name, each.node, blocker))
    _start(work, moves, result, in_progress, limits)
    for drained in result.values():
        drained.blocked_by.sort(key=lambda each: each.resource)
    return result


def preview(work: UnitOfWork, nodes: Collection[str], draining: Collection[str] = ()) -> MovePlan:
    """Return the moves that a drain of those nodes would make now, together with the drains of ``draining``.

    ``work`` holds what is on all of them; it is never stored.
    """
    for name in nodes:
        node = work.nodes[name]
        spec = node.spec.model_copy(update={"drain": True, "schedulable": False})
        work.nodes[name] = node.model_copy(update={"spec": spec})
    found = MovePlan()
    drains = advance(work, {*nodes, *draining}, Limits(0, 0))
    for name, drained in sorted((name, drains[name]) for name in nodes):
        moves = {**drained.moving, **drained.planned}
        why = dict.fromkeys(drained.planned, f"{name} is to be empty")
        found.moves += [
            Move(resource, name, target, why.get(resource, "in progress already")) for resource, target in moves.items()
        ]
        found.blocked += drained.blocked_by
    if not found.moves and not found.blocked:
        found.message = "nothing has to be moved"
    return found


def cancel(work: UnitOfWork, nodes: Collection[str], aside: Collection[str] = ()) -> None:
    """Cancel the migrations that the drains of those nodes started and that are not being sent yet.

    Computes with a uid in ``aside`` are left as they are: either node may have the newer disks.
    """
    for workload in work.workloads.values():
        if not isinstance(workload, Compute) or workload.facts.migrating_for != DRAIN or workload.uid in aside:
            continue
        source = next((each.spec.node for each in work.of(workload) if each.spec.migrate_to), None)
        if source in nodes:
            migration.cancel(work, workload, f"the drain of {source} was cancelled")


def show(work: UnitOfWork, node: Node, drained: Drained | None) -> None:
    """Show the progress of the node's drain, None: it has none; record an event when it ends or is blocked."""
    before = node.facts.drain or DrainProgress()
    work.edit(node, observed={"drain": drained.observed() if drained is not None else None})
    if drained is None:
        return
    if not drained.remaining and before.remaining:
        work.record_event(node, "Drained", "nothing is left on it")
    known = {each.resource for each in before.blocked_by}
    new = [each for each in drained.blocked_by if each.resource not in known]
    if new:
        # Without their names: everybody reads the events of a node.
        count = counted(len(new), "resource")
        work.record_warning(node, "DrainBlocked", f"{count} cannot move: {new[0].blocker.reason}")


def _start(
    work: UnitOfWork,
    moves: list[tuple[_Leaver, str]],
    result: dict[str, Drained],
    in_progress: Counter[str],
    limits: Limits,
) -> None:
    """Start the moves that may start now; the others are shown as planned."""
    refused: list[tuple[_Leaver, Blocker]] = []
    total = sum(in_progress.values())
    for each, target in moves:
        blocker = None
        if in_progress[each.node] < limits.per_node and total < limits.in_cluster:
            blocker = migration.start(work, each.compute, each.owner, target, cause=DRAIN)
            if blocker is None:
                in_progress[each.node] += 1
                total += 1
                result[each.node].moving[each.name] = target
                continue
            refused.append((each, blocker))
        result[each.node].planned[each.name] = target
    if not total:  # no migration in progress could change it
        for each, blocker in refused:
            result[each.node].blocked_by.append(Blocked(each.name, each.node, blocker))


def _collect(work: UnitOfWork, result: dict[str, Drained]) -> tuple[list[_Leaver], Counter[str]]:
    """Count what is on the nodes; return what has to be moved, and the number of migrations from each node."""
    leavers: list[_Leaver] = []
    in_progress: Counter[str] = Counter()
    for compute in _computes(work):
        for assignment in work.of(compute):
            drained = result.get(assignment.spec.node)
            if drained is None:
                continue
            drained.remaining += 1
            if compute.is_deleting:
                drained.moving[key_of(compute).path] = ""
            elif assignment.spec.role is AssignmentRole.OWNER and not assignment.spec.migrate_to:
                leavers.append(_Leaver(compute, assignment, _request(work, compute)))
            else:
                drained.moving[key_of(compute).path] = assignment.spec.migrate_to or compute.facts.node
                in_progress[assignment.spec.node] += assignment.spec.role is not AssignmentRole.INCOMING
    return sorted(leavers, key=lambda each: each.rank), in_progress


def _is_blocked(work: UnitOfWork, each: _Leaver, result: dict[str, Drained]) -> bool:
    """Record a reason that blocks it whatever the other nodes are like; return whether there is one."""
    reason = migration.unmovable(work, each.compute, each.owner) or _recent_failure(each.compute, work.now)
    if reason is not None:
        result[each.node].blocked_by.append(Blocked(each.name, each.node, Blocker(reason)))
    return reason is not None


def _recent_failure(compute: Compute, now: datetime) -> str | None:
    failed = compute.facts.migration_failed
    if failed is None:
        return None
    pause = min(RETRY_AFTER * 2 ** min(max(failed.tries, 1) - 1, 10), LONGEST_PAUSE)
    return failed.reason if now - failed.at <= pause else None


def _request(work: UnitOfWork, compute: Compute) -> Request:
    failed = compute.facts.migration_failed
    return migration.request_for(work, compute, avoid=(failed.target,) if failed is not None and failed.target else ())


def _future(work: UnitOfWork, result: dict[str, Drained]) -> Snapshot:
    """Return the cluster as it is when every migration from these nodes has arrived."""
    _ = work.snapshot  # reads what a snapshot is built of
    future = work.build_snapshot()
    for compute in _computes(work):
        for assignment in work.of(compute):
            if assignment.spec.migrate_to and compute.facts.migrating_to and assignment.spec.node in result:
                future.count(compute.service_path, assignment.spec.node, -1)
    return future


def _plan_moves(
    work: UnitOfWork, waiting: list[_Leaver], future: Snapshot
) -> tuple[list[tuple[_Leaver, str]], list[tuple[_Leaver, Blocker]]]:
    """Return the moves in an order in which each is possible after those before it, and what was refused.

    A refused one is retried as long as others of its service have been placed since: only that can
    satisfy a rule, because free room never grows here.
    """
    moves: list[tuple[_Leaver, str]] = []
    refused: dict[str, tuple[_Leaver, Blocker]] = {}
    turn = waiting
    while turn:
        moved = set()
        for each in turn:
            answer = try_move(future, each.request, each.node, arrived=True)
            if not isinstance(answer, Placed):
                again = migration.request_for(work, each.compute)
                if again.avoid != each.request.avoid:  # the node that failed is better than none
                    answer = try_move(future, again, each.node, arrived=True)
            if isinstance(answer, Placed):
                moves.append((each, answer.node))
                refused.pop(each.name, None)
                moved.add(each.request.service)
            else:
                refused[each.name] = each, blocker_of(answer)
        turn = [each for each, _ in refused.values() if each.request.service in moved]
    return _by_prefix(work, moves), list(refused.values())


def _by_prefix(work: UnitOfWork, moves: list[tuple[_Leaver, str]]) -> list[tuple[_Leaver, str]]:
    """Assign the targets of each service so that the prefixes of its index order are balanced.

    Targets are exchanged only between Computes of equal requests, and only where no hard rule makes
    the order matter.
    """
    topology = Topology(work.nodes)
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, (each, _) in enumerate(moves):
        request = each.request
        if not any(rule.hard for rule in request.policy.all_rules()):
            alike[request.service, request.need, request.machine_share, request.provider].append(number)
    result = list(moves)
    for numbers in alike.values():
        if 1 < len(numbers) <= _SWAPPED:
            _swap(work, result, numbers, topology)
    return result


def _swap(work: UnitOfWork, moves: list[tuple[_Leaver, str]], numbers: list[int], topology: Topology) -> None:
    """Exchange the targets of two moves where that balances the prefixes better."""
    compute = moves[numbers[0]][0].compute
    spread = Spread(compute.spec.schedule_policy, topology)
    places = {
        each.spec.index: each.facts.migrating_to or each.facts.node for each in work.members(compute) if each.facts.node
    }
    places |= {moves[number][0].request.index: moves[number][1] for number in numbers}
    places = dict(sorted(places.items()))
    best = spread.prefixes(list(places.values()))
    for one, other in combinations(numbers, 2):
        (this, here), (that, there) = moves[one], moves[other]
        if there in this.request.avoid or here in that.request.avoid:
            continue
        swapped = {**places, this.request.index: there, that.request.index: here}
        score = spread.prefixes(list(swapped.values()))
        if score < best:
            best, places = score, swapped
            moves[one], moves[other] = (this, there), (that, here)


def _replace_loadbalancers(work: UnitOfWork, result: dict[str, Drained]) -> None:
    """Make new instances on other nodes; count what is left of the old ones."""
    found = [each for each in work.workloads.values() if isinstance(each, Loadbalancer)]
    loadbalancers.reconcile(work, found)
    for each in found:
        name = f"Loadbalancer {key_of(each).path}"
        for assignment in work.of(each):
            drained = result.get(assignment.spec.node)
            if drained is None:
                continue
            drained.remaining += 1
            if assignment.spec.role is AssignmentRole.OWNER:
                blocker = Blocker(each.status_reason or f"it is {each.status}")
                drained.blocked_by.append(Blocked(name, assignment.spec.node, blocker))
            else:
                drained.moving[name] = _replacement(work, each)


def _replacement(work: UnitOfWork, workload: Workload) -> str:
    made = [each.spec.node for each in work.of(workload) if each.name in work.inserted]
    return made[-1] if made else ""


def _computes(work: UnitOfWork) -> Iterable[Compute]:
    return [each for each in work.workloads.values() if isinstance(each, Compute)]
