"""Emptying nodes: everything that is leaving at the same moment is planned as one (F3, J4, M3).

``advance`` draws the plan anew from the present state and starts what may start now: nothing of it
is stored, so that a drain goes on wherever any process was killed, and follows whatever has changed.

- All draining nodes are planned together. Each move sees the moves before it, and none goes to a
  node that is itself draining or cordoned.
- A move is planned as if the copy that leaves were gone, and started only if no hard rule is broken
  even while both copies count; else it waits for the moves before it. What cannot be placed even
  then is blocked, with the scheduler's counted reasons.
- Large ones first, then by service and index; a bounded number moves at once.
- Nothing is ever powered off. What failed is tried again after a pause that doubles, on another node
  if there is one.

A drain that was called off: what was not sent yet goes back; what is being sent arrives.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from controller.cluster.moves import migration
from controller.cluster.moves.planning import Blocked, Hindrance, Move, MovePlan, hindrance_of, try_move
from controller.cluster.moves.spread import Spread, Topology
from controller.cluster.traffic import loadbalancers
from controller.cluster.unit_of_work.unit_of_work import Plan, Workload
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Node
from controller.model.registry import key_of
from controller.schedule import Placed, Request, Snapshot

DRAIN = "drain"
"""Cause of the migrations that a drain begins."""
RETRY_AFTER = timedelta(seconds=15)
"""How long a Compute is left alone whose migration has just failed; doubled each time it fails again."""
LONGEST_PAUSE = timedelta(minutes=10)

_SWAPPED = 32
"""Of one service: more are left as placement had them."""


@dataclass(frozen=True)
class Limits:
    """How many migrations drains may have under way: from each node, and in the cluster."""

    per_node: int = 1
    in_cluster: int = 4


@dataclass
class Drained:
    """How one node's drain stands."""

    remaining: int = 0
    moving: dict[str, str] = field(default_factory=dict)
    """Resource to the node that it goes to; empty for one that only ends."""
    planned: dict[str, str] = field(default_factory=dict)
    """Resource to the node that it would go to, as things are now."""
    blocked_by: list[Blocked] = field(default_factory=list)

    def observed(self) -> dict[str, Any]:
        """The form in the node's ``observed``."""
        blocked = [
            {"resource": each.resource, "reason": each.hindrance.reason, "counts": dict(each.hindrance.counts)}
            for each in self.blocked_by
        ]
        return {"remaining": self.remaining, "moving": self.moving, "planned": self.planned, "blocked_by": blocked}


@dataclass(frozen=True)
class _Leaver:
    """A Compute that is to be moved, with what is asked of the scheduler for it."""

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


def advance(plan: Plan, leaving: Collection[str], limits: Limits) -> dict[str, Drained]:
    """Take the next step of the drains of those nodes; how each stands then.

    ``plan`` holds everything that is on them, and the nodes themselves, all of them draining.
    """
    result = {name: Drained() for name in leaving}
    _replace_loadbalancers(plan, result)
    leavers, under_way = _sort_out(plan, result)
    future = _future(plan, result) if leavers else Snapshot(())
    waiting = [each for each in leavers if not _is_hindered(plan, each, result)]
    moves, refused = _draw(plan, waiting, future)
    for each, hindrance in refused:
        result[each.node].blocked_by.append(Blocked(each.name, each.node, hindrance))
    _start(plan, moves, result, under_way, limits)
    for drained in result.values():
        drained.blocked_by.sort(key=lambda each: each.resource)
    return result


def foresee(plan: Plan, asked: Collection[str], draining: Collection[str] = ()) -> MovePlan:
    """The moves that a drain of the nodes asked about would make now, beside those that drain already.

    ``plan`` holds what is on all of them; it is thrown away.
    """
    for name in asked:
        node = plan.nodes[name]
        spec = node.spec.model_copy(update={"drain": True, "schedulable": False})
        plan.nodes[name] = node.model_copy(update={"spec": spec})
    found = MovePlan()
    drains = advance(plan, {*asked, *draining}, Limits(0, 0))
    for name, drained in sorted((name, drains[name]) for name in asked):
        moves = {**drained.moving, **drained.planned}
        why = dict.fromkeys(drained.planned, f"{name} is to be empty")
        found.moves += [
            Move(resource, name, target, why.get(resource, "on its way already")) for resource, target in moves.items()
        ]
        found.blocked += drained.blocked_by
    if not found.moves and not found.blocked:
        found.message = "nothing is there to be moved"
    return found


def call_off(plan: Plan, nodes: Collection[str]) -> None:
    """The drain of those nodes has ended: take back what it began and did not send yet."""
    for workload in plan.workloads.values():
        if not isinstance(workload, Compute) or workload.observed.get("migrating_for") != DRAIN:
            continue
        source = next((each.spec.node for each in plan.of(workload) if each.spec.migrate_to), None)
        if source in nodes:
            migration.call_off(plan, workload, f"the drain of {source} was called off")


def show(plan: Plan, node: Node, drained: Drained | None) -> None:
    """Write down how the node's drain stands, None: it has none; tell when it ends, or something blocks it."""
    before = node.observed.get("drain") or {}
    plan.edit(node, observed={"drain": drained.observed() if drained is not None else None})
    if drained is None:
        return
    if not drained.remaining and before.get("remaining"):
        plan.tell(node, "Drained", "nothing is left on it")
    known = {each["resource"] for each in before.get("blocked_by", ())}
    new = [each for each in drained.blocked_by if each.resource not in known]
    if new:
        more = f" (and {len(new) - 1} more)" if len(new) > 1 else ""
        plan.warn(node, "DrainBlocked", f"{new[0].resource}: {new[0].hindrance.reason}{more}")


def _start(
    plan: Plan,
    moves: list[tuple[_Leaver, str]],
    result: dict[str, Drained],
    under_way: Counter[str],
    limits: Limits,
) -> None:
    """Start what may start now; the others are shown as planned."""
    refused: list[tuple[_Leaver, Hindrance]] = []
    total = sum(under_way.values())
    for each, target in moves:
        hindrance = None
        if under_way[each.node] < limits.per_node and total < limits.in_cluster:
            hindrance = migration.start(plan, each.compute, each.owner, target, cause=DRAIN)
            if hindrance is None:
                under_way[each.node] += 1
                total += 1
                result[each.node].moving[each.name] = target
                continue
            refused.append((each, hindrance))
        result[each.node].planned[each.name] = target
    if not total:  # nothing that is under way could change it
        for each, hindrance in refused:
            result[each.node].blocked_by.append(Blocked(each.name, each.node, hindrance))


def _sort_out(plan: Plan, result: dict[str, Drained]) -> tuple[list[_Leaver], Counter[str]]:
    """Count what is on the nodes; who has still to be moved, and how many migrations are under way from each."""
    leavers: list[_Leaver] = []
    under_way: Counter[str] = Counter()
    for compute in _computes(plan):
        for assignment in plan.of(compute):
            drained = result.get(assignment.spec.node)
            if drained is None:
                continue
            drained.remaining += 1
            if compute.is_deleting:
                drained.moving[key_of(compute).path] = ""
            elif assignment.spec.role is AssignmentRole.OWNER and not assignment.spec.migrate_to:
                leavers.append(_Leaver(compute, assignment, _request(plan, compute)))
            else:
                going = assignment.spec.migrate_to or compute.observed.get("node", "")
                drained.moving[key_of(compute).path] = str(going)
                under_way[assignment.spec.node] += assignment.spec.role is not AssignmentRole.INCOMING
    return sorted(leavers, key=lambda each: each.rank), under_way


def _is_hindered(plan: Plan, each: _Leaver, result: dict[str, Drained]) -> bool:
    """Note what stands in the way of it whatever the other nodes are like."""
    reason = migration.unmovable(plan, each.compute, each.owner) or _failed_lately(each.compute, plan.now)
    if reason is not None:
        result[each.node].blocked_by.append(Blocked(each.name, each.node, Hindrance(reason)))
    return reason is not None


def _failed_lately(compute: Compute, now: datetime) -> str | None:
    failed = compute.observed.get("migration_failed")
    if not isinstance(failed, dict):
        return None
    pause = min(RETRY_AFTER * 2 ** min(int(failed.get("tries", 1)) - 1, 10), LONGEST_PAUSE)
    return str(failed["reason"]) if now - datetime.fromisoformat(failed["at"]) <= pause else None


def _request(plan: Plan, compute: Compute) -> Request:
    failed = compute.observed.get("migration_failed")
    target = failed.get("target") if isinstance(failed, dict) else None
    return migration.request_for(plan, compute, avoid=(target,) if target else ())


def _future(plan: Plan, result: dict[str, Drained]) -> Snapshot:
    """The cluster when everything that is under way from these nodes has arrived."""
    _ = plan.snapshot  # reads what a snapshot is built of
    future = plan.build_snapshot()
    for compute in _computes(plan):
        for assignment in plan.of(compute):
            if assignment.spec.migrate_to and compute.observed.get("migrating_to") and assignment.spec.node in result:
                future.count(compute.service_path, assignment.spec.node, -1)
    return future


def _draw(
    plan: Plan, waiting: list[_Leaver], future: Snapshot
) -> tuple[list[tuple[_Leaver, str]], list[tuple[_Leaver, Hindrance]]]:
    """The moves in an order in which each is possible after those before it, and what is left over.

    What was refused is tried again as long as others of its service have found a place since: only
    that can lift a rule, for room never grows here.
    """
    moves: list[tuple[_Leaver, str]] = []
    refused: dict[str, tuple[_Leaver, Hindrance]] = {}
    turn = waiting
    while turn:
        moved = set()
        for each in turn:
            answer = try_move(future, each.request, each.node, arrived=True)
            if not isinstance(answer, Placed):
                again = migration.request_for(plan, each.compute)
                if again.avoid != each.request.avoid:  # rather the node that failed than none
                    answer = try_move(future, again, each.node, arrived=True)
            if isinstance(answer, Placed):
                moves.append((each, answer.node))
                refused.pop(each.name, None)
                moved.add(each.request.service)
            else:
                refused[each.name] = each, hindrance_of(answer)
        turn = [each for each, _ in refused.values() if each.request.service in moved]
    return _by_prefix(plan, moves), list(refused.values())


def _by_prefix(plan: Plan, moves: list[tuple[_Leaver, str]]) -> list[tuple[_Leaver, str]]:
    """Give the targets of each service out so that the prefixes of its index order are balanced.

    Only among alike, and only where no hard rule makes the order matter.
    """
    topology = Topology(plan.nodes)
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, (each, _) in enumerate(moves):
        request = each.request
        if not any(rule.hard for rule in request.policy.all_rules()):
            alike[request.service, request.need, request.machine_share, request.provider].append(number)
    result = list(moves)
    for numbers in alike.values():
        if 1 < len(numbers) <= _SWAPPED:
            _swap(plan, result, numbers, topology)
    return result


def _swap(plan: Plan, moves: list[tuple[_Leaver, str]], numbers: list[int], topology: Topology) -> None:
    """Exchange the targets of two as long as that makes the prefixes better."""
    compute = moves[numbers[0]][0].compute
    spread = Spread(compute.spec.schedule_policy, topology)
    places = {
        each.spec.index: str(each.observed.get("migrating_to") or each.observed["node"])
        for each in plan.members(compute)
        if each.observed.get("node")
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


def _replace_loadbalancers(plan: Plan, result: dict[str, Drained]) -> None:
    """Make new instances elsewhere; what is left of the old ones is counted."""
    found = [each for each in plan.workloads.values() if isinstance(each, Loadbalancer)]
    loadbalancers.reconcile(plan, found)
    for each in found:
        name = f"Loadbalancer {key_of(each).path}"
        for assignment in plan.of(each):
            drained = result.get(assignment.spec.node)
            if drained is None:
                continue
            drained.remaining += 1
            if assignment.spec.role is AssignmentRole.OWNER:
                hindrance = Hindrance(each.status_reason or f"it is {each.status}")
                drained.blocked_by.append(Blocked(name, assignment.spec.node, hindrance))
            else:
                drained.moving[name] = _replacement(plan, each)


def _replacement(plan: Plan, workload: Workload) -> str:
    made = [each.spec.node for each in plan.of(workload) if each.name in plan.inserted]
    return made[-1] if made else ""


def _computes(plan: Plan) -> Iterable[Compute]:
    return [each for each in plan.workloads.values() if isinstance(each, Compute)]
