"""Restoring the spread of one service where it was lost (J4, J11): plan first, then move by move.

Objective, in this order: fewer broken hard rules, then evener axes in the order of the rules
(``spread``), then fewer moves: the best single move is taken again and again, and only while it
makes the whole better. Each Compute moves once in a plan.

The wish is kept in the Computes that are to move: one more migration, to a node, with the turn
that it has. So it is taken once whatever is killed, by the transaction that starts the move or finds
it no longer good. Every move of a plan is possible whether the others have been made or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from controller.cluster.moves import migration
from controller.cluster.moves.planning import Blocked, Hindrance, Move, MovePlan, hindrance_of, try_move
from controller.cluster.moves.spread import Score, Spread, Topology
from controller.cluster.unit_of_work.unit_of_work import Plan
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.registry import key_of
from controller.schedule import Refused, Snapshot

_AT_A_TIME = 16
"""Kinds of places that are compared before the best move is taken."""
_PREFIXES = 100_000
"""Work, in resources looked at, up to which the best of many alike is chosen by the prefixes."""


def foresee(plan: Plan, computes: Sequence[Compute], max_moves: int | None = None) -> MovePlan:
    """The moves that would even the service out; ``plan`` has its Computes and their assignments.

    ``plan`` is thrown away: its snapshot goes on as if the moves were under way.
    """
    members = [each for each in sorted(computes, key=lambda each: each.spec.index) if _place(each)]
    found = MovePlan()
    if not members:
        found.message = "nothing of it stands on a node yet"
        return found
    search = _Search(plan, members)
    while max_moves is None or len(found.moves) < max_moves:
        move = search.best()
        if move is None:
            break
        beside = search.beside(*move)
        if beside is not None:
            found.message = f"more can follow when this has been done: {beside.reason}"
            break
        found.moves.append(search.make(*move))
    else:
        if search.best() is not None:
            found.message = f"more could follow: {len(found.moves)} moves were asked for at most"
    found.blocked = search.blocked()
    if not found.moves and not found.message:
        found.message = "nothing that can be moved would make it better" if found.blocked else "it is balanced already"
    return found


def take_turn(plan: Plan, compute: Compute, owner: Assignment) -> bool:
    """Make the move that was wished for, or find that it is good no longer; False: its turn comes later."""
    wish = compute.spec.rebalance
    assert wish is not None
    others = [each for each in plan.members(compute) if each.uid != compute.uid]
    if sum(bool(each.observed.get("migrating_to")) for each in others) >= wish.at_once:
        return False
    if any(each.spec.rebalance.order < wish.order for each in others if is_waiting(each) and each.spec.rebalance):
        return False
    target = compute.spec.migrate_to
    refused = _no_better(plan, compute, others, owner.spec.node, target) or migration.start(
        plan, compute, owner, target
    )
    plan.edit(compute, observed={"migrations": compute.spec.migrations})
    plan.turn_over = True
    if refused is not None:
        plan.tell(compute, "RebalanceSkipped", f"to {target}: {refused.reason}")
    return True


def is_waiting(compute: Compute) -> bool:
    """A migration was wished for and not begun yet."""
    return compute.spec.migrations > int(compute.observed.get("migrations", 0))


def _no_better(
    plan: Plan, compute: Compute, others: Sequence[Compute], node: str, target: str | None
) -> Hindrance | None:
    """The move, looked at again: it must still make the whole better."""
    _ = plan.snapshot  # all nodes are known from here on
    if target is None or target not in plan.nodes:
        return Hindrance("there is no such node")
    spread = Spread(compute.spec.schedule_policy, Topology(plan.nodes))
    places = [place for each in others if (place := _place(each))]
    if spread.score([*places, target]) < spread.score([*places, node]):
        return None
    return Hindrance("it would make the service no better now")


def _place(compute: Compute) -> str:
    """Where it stands, or will when it has moved."""
    return str(compute.observed.get("migrating_to") or compute.observed.get("node") or "")


class _Search:
    """The service as it will stand after the moves that were made so far."""

    def __init__(self, plan: Plan, members: Sequence[Compute]) -> None:
        self._plan = plan
        self._members = {each.uid: each for each in members}
        self._both = plan.snapshot
        self._future = plan.build_snapshot()
        self._topology = Topology(plan.nodes)
        self._spread = Spread(members[0].spec.schedule_policy, self._topology)
        self._places = {each.uid: _place(each) for each in members}
        self._owners: dict[str, Assignment] = {}
        self._stuck: dict[str, str] = {}
        for each in members:
            owner = next((one for one in plan.of(each) if one.spec.role is AssignmentRole.OWNER), None)
            if each.observed.get("migrating_to"):
                self._future.count(each.service_path, str(each.observed["node"]), -1)
            elif owner is not None:
                self._owners[each.uid] = owner
                hindrance = migration.unmovable(plan, each, owner) or self._is_leaving(owner.spec.node)
                if hindrance is not None:
                    self._stuck[each.uid] = hindrance

    def best(self) -> tuple[str, str] | None:
        """(uid, node) of the move that makes the whole best; None when none makes it better."""
        now = self._score(self._places)
        kinds = iter(self._kinds())
        while group := list(islice(kinds, _AT_A_TIME)):
            found: list[tuple[Score, Score, int, str, str]] = []
            for uids in group:
                target = self._target(uids[0])
                if isinstance(target, str) and (score := self._score({**self._places, uids[0]: target})) < now:
                    found.append((score, *self._by_prefix(uids, target), target))
            if found:
                return min(found)[3:]
        return None

    def beside(self, uid: str, target: str) -> Hindrance | None:
        """Why the move cannot be made while those before it are under way; takes its room when it can."""
        request = migration.request_for(self._plan, self._members[uid], target)
        answer = try_move(self._both, request, self._places[uid], arrived=False)
        return hindrance_of(answer) if isinstance(answer, Refused) else None

    def make(self, uid: str, target: str) -> Move:
        """Go on as if the move had been made."""
        compute, source = self._members[uid], self._places[uid]
        why = self._spread.why(list(self._places.values()), source, target)
        answer = try_move(self._future, migration.request_for(self._plan, compute, target), source, arrived=True)
        assert not isinstance(answer, Refused)
        self._places[uid] = target
        self._owners.pop(uid)
        return Move(key_of(compute).path, source, target, why)

    def blocked(self) -> list[Blocked]:
        """What would have to move for the better, and cannot."""
        found = []
        now = self._score(self._places)
        for uid, reason in self._stuck.items():
            target = self._target(uid)
            if isinstance(target, str) and self._score({**self._places, uid: target}) < now:
                found.append(Blocked(key_of(self._members[uid]).path, self._places[uid], Hindrance(reason)))
        if now[0]:
            for uids in self._kinds():
                target = self._target(uids[0])
                without = [place for uid, place in self._places.items() if uid != uids[0]]
                if isinstance(target, Hindrance) and self._spread.violations(without) < now[0]:
                    found.append(Blocked(key_of(self._members[uids[0]]).path, self._places[uids[0]], target))
        return found

    def _kinds(self) -> list[list[str]]:
        """Those that may move, put together where they stand alike: the most crowded first."""
        alike: dict[tuple[Score, tuple[str | None, ...]], list[str]] = defaultdict(list)
        kind_of = self._spread.kinds(list(self._places.values()))
        for uid in self._owners:
            if uid not in self._stuck:
                alike[kind_of[self._places[uid]]].append(uid)
        return [alike[kind] for kind in sorted(alike, key=lambda kind: (tuple(-one for one in kind[0]), str(kind[1])))]

    def _target(self, uid: str) -> str | Hindrance:
        """Where placement would put it now."""
        request = migration.request_for(self._plan, self._members[uid])
        answer = try_move(self._future, request, self._places[uid], arrived=True)
        if isinstance(answer, Refused):
            return hindrance_of(answer)
        _take_back(self._future, answer.node, self._places[uid], request.service)
        self._future.give_back(answer.node, answer.share)
        return answer.node

    def _by_prefix(self, uids: Sequence[str], target: str) -> tuple[Score, int, str]:
        """Of several that stand alike, the one whose going leaves the prefixes of the index order best."""
        able = [uid for uid in uids if self._places[uid] != target]
        if len(able) * len(self._places) > _PREFIXES:
            able = able[-1:]
        return min(
            (
                self._spread.prefixes(list({**self._places, uid: target}.values())),
                -self._members[uid].spec.index,
                uid,
            )
            for uid in able
        )

    def _score(self, places: dict[str, str]) -> Score:
        return self._spread.score(list(places.values()))

    def _is_leaving(self, name: str) -> str | None:
        node = self._plan.nodes.get(name)
        return f"{name} is draining: that moves it" if node is not None and node.spec.drain else None


def _take_back(snapshot: Snapshot, target: str, source: str, service: str) -> None:
    snapshot.count(service, target, -1)
    snapshot.count(service, source, 1)
