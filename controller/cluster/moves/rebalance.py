"""Rebalances one service: restores the spread of its Computes, first as a plan, then move by move.

Objective, in this order: fewer broken hard rules, then more even axes in the order of the rules
(``spread``), then fewer moves. The search takes the best single move repeatedly, while a move
improves the score. Each Compute moves once in a plan.

The request is stored in the Computes that are to move: one more migration, to a node, with its
turn. So each is carried out once, whatever is killed: by the transaction that starts the move or
finds that it no longer improves the score. Every move of a plan is possible whether the others have
been made or not.

Design: J4, J11
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from controller.cluster.moves import migration
from controller.cluster.moves.planning import Blocked, Blocker, Move, MovePlan, blocker_of, try_move
from controller.cluster.moves.spread import Score, Spread, Topology
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.registry import key_of
from controller.schedule import Refused, Snapshot

_AT_A_TIME = 16
"""Kinds of places that are compared before the best move is taken."""
_PREFIXES = 100_000
"""Number of resources compared, up to which the best of equal moves is chosen by the prefixes."""


def preview(work: UnitOfWork, computes: Sequence[Compute], max_moves: int | None = None) -> MovePlan:
    """Return the moves that would balance the service; ``work`` has its Computes and their assignments.

    ``work`` is never stored: its snapshot changes as if the moves were in progress.
    """
    members = [each for each in sorted(computes, key=lambda each: each.spec.index) if _place(each)]
    found = MovePlan()
    if not members:
        found.message = "none of its Computes is on a node yet"
        return found
    search = _Search(work, members)
    while max_moves is None or len(found.moves) < max_moves:
        move = search.best()
        if move is None:
            break
        blocker = search.blocker_now(*move)
        if blocker is not None:
            found.message = f"more can follow when these moves are done: {blocker.reason}"
            break
        found.moves.append(search.make(*move))
    else:
        if search.best() is not None:
            found.message = f"more could follow: {len(found.moves)} moves were requested at most"
    found.blocked = search.blocked()
    if not found.moves and not found.message:
        found.message = "no move that is possible would improve it" if found.blocked else "it is balanced already"
    return found


def take_turn(work: UnitOfWork, compute: Compute, owner: Assignment) -> bool:
    """Make the requested move, or drop it where it is no longer good; return False when its turn comes later."""
    turn = compute.spec.rebalance
    assert turn is not None
    others = [each for each in work.members(compute) if each.uid != compute.uid]
    if sum(bool(each.facts.migrating_to) for each in others) >= turn.at_once:
        return False
    if any(each.spec.rebalance.order < turn.order for each in others if is_waiting(each) and each.spec.rebalance):
        return False
    target = compute.spec.migrate_to
    refused = _recheck(work, compute, others, owner.spec.node, target) or migration.start(work, compute, owner, target)
    work.edit(compute, observed={"migrations": compute.spec.migrations})
    work.turn_taken = True
    if refused is not None:
        work.record_event(compute, "RebalanceSkipped", f"to {target}: {refused.reason}")
    return True


def is_waiting(compute: Compute) -> bool:
    """Return whether a requested migration has not been tried yet."""
    return compute.spec.migrations > compute.facts.migrations


def _recheck(
    work: UnitOfWork, compute: Compute, others: Sequence[Compute], node: str, target: str | None
) -> Blocker | None:
    """Return why the move no longer improves the service, or None."""
    _ = work.snapshot  # all nodes are known from here on
    if target is None or target not in work.nodes:
        return Blocker(f"node {target} does not exist")
    spread = Spread(compute.spec.schedule_policy, Topology(work.nodes))
    places = [place for each in others if (place := _place(each))]
    if spread.score([*places, target]) < spread.score([*places, node]):
        return None
    return Blocker("it would no longer improve the balance of the service")


def _place(compute: Compute) -> str:
    """Return the node that it is on, or is moving to."""
    return compute.facts.migrating_to or compute.facts.node


class _Search:
    """The service as it will be after the moves that were made so far."""

    def __init__(self, work: UnitOfWork, members: Sequence[Compute]) -> None:
        self._work = work
        self._members = {each.uid: each for each in members}
        self._both = work.snapshot
        self._future = work.build_snapshot()
        self._topology = Topology(work.nodes)
        self._spread = Spread(members[0].spec.schedule_policy, self._topology)
        self._places = {each.uid: _place(each) for each in members}
        self._owners: dict[str, Assignment] = {}
        self._stuck: dict[str, str] = {}
        for each in members:
            owner = next((one for one in work.of(each) if one.spec.role is AssignmentRole.OWNER), None)
            if each.facts.migrating_to:
                self._future.count(each.service_path, each.facts.node, -1)
            elif owner is not None:
                self._owners[each.uid] = owner
                blocker = migration.unmovable(work, each, owner) or self._is_leaving(owner.spec.node)
                if blocker is not None:
                    self._stuck[each.uid] = blocker

    def best(self) -> tuple[str, str] | None:
        """Return (uid, node) of the move with the best score; None when no move improves the score."""
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

    def blocker_now(self, uid: str, target: str) -> Blocker | None:
        """Return why the move cannot be made while those before it are in progress; take its room when it can."""
        request = migration.request_for(self._work, self._members[uid], target)
        answer = try_move(self._both, request, self._places[uid], arrived=False)
        return blocker_of(answer) if isinstance(answer, Refused) else None

    def make(self, uid: str, target: str) -> Move:
        """Continue as if the move had been made."""
        compute, source = self._members[uid], self._places[uid]
        why = self._spread.why(list(self._places.values()), source, target)
        answer = try_move(self._future, migration.request_for(self._work, compute, target), source, arrived=True)
        assert not isinstance(answer, Refused)
        self._places[uid] = target
        self._owners.pop(uid)
        return Move(key_of(compute).path, source, target, why)

    def blocked(self) -> list[Blocked]:
        """Return the moves that would improve the score and cannot be made."""
        found = []
        now = self._score(self._places)
        for uid, reason in self._stuck.items():
            target = self._target(uid)
            if isinstance(target, str) and self._score({**self._places, uid: target}) < now:
                found.append(Blocked(key_of(self._members[uid]).path, self._places[uid], Blocker(reason)))
        if now[0]:
            for uids in self._kinds():
                target = self._target(uids[0])
                without = [place for uid, place in self._places.items() if uid != uids[0]]
                if isinstance(target, Blocker) and self._spread.violations(without) < now[0]:
                    found.append(Blocked(key_of(self._members[uids[0]]).path, self._places[uids[0]], target))
        return found

    def _kinds(self) -> list[list[str]]:
        """Return those that may move, grouped by equal places: the most crowded first."""
        alike: dict[tuple[Score, tuple[str | None, ...]], list[str]] = defaultdict(list)
        kind_of = self._spread.kinds(list(self._places.values()))
        for uid in self._owners:
            if uid not in self._stuck:
                alike[kind_of[self._places[uid]]].append(uid)
        return [alike[kind] for kind in sorted(alike, key=lambda kind: (tuple(-one for one in kind[0]), str(kind[1])))]

    def _target(self, uid: str) -> str | Blocker:
        """Return where placement would put it now, or why it fits nowhere."""
        request = migration.request_for(self._work, self._members[uid])
        answer = try_move(self._future, request, self._places[uid], arrived=True)
        if isinstance(answer, Refused):
            return blocker_of(answer)
        _take_back(self._future, answer.node, self._places[uid], request.service)
        self._future.give_back(answer.node, answer.share)
        return answer.node

    def _by_prefix(self, uids: Sequence[str], target: str) -> tuple[Score, int, str]:
        """Of several on equal places, return the one whose move balances the prefixes of the index order best."""
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
        node = self._work.nodes.get(name)
        return f"{name} is draining: that moves it" if node is not None and node.spec.drain else None


def _take_back(snapshot: Snapshot, target: str, source: str, service: str) -> None:
    snapshot.count(service, target, -1)
    snapshot.count(service, source, 1)
