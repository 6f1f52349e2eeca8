"""The second pass over a batch of which something was refused: large neighbourhood search for more placements.

Placing one after another can be a trap: a small resource takes the one node that a large one needs, or a group settles
in a domain that is too small for all of it. ``improve`` removes some of what this batch has just placed (a few
nodes' worth, a whole service, or single resources), places them and some of the refused ones in another order,
and keeps a result that places no fewer. Equal results are kept too, since they lead to better ones. Resources from
before the batch never move, and hard rules hold at each step. Afterwards ``soft_rule_pass`` improves what was moved.

Bounded: the work does not grow with the number of refusals, and ends when no more can fit. The same input gives the
same result. It does nothing where placing one after another is known to be best, and never moves services whose
resources have different policies.

Not promised: the most that is possible; fairness, since a large resource may be refused in favour of two small ones.

Design: J8, J10
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice

import numpy as np

from controller.schedule import reasons, shares, soft_rule_pass
from controller.schedule.alike import search_for
from controller.schedule.inputs import Ints, Mask
from controller.schedule.known_room import KnownRoom
from controller.schedule.results import Placed, Refused
from controller.schedule.snapshot import Snapshot
from controller.schedule.solution import Item, Kind, Solution

WORK = 8_000
"""Most attempts to put a resource on a node, in a small cluster; fewer in a large one, where each takes longer."""
_NODES_PER_ATTEMPT = 300
_MOST_AT_ONCE = 40
"""Resources of the batch removed at once, and kinds of refused ones tried at once."""
_MOST_PER_KIND = 10
"""Refused resources of each kind tried at once."""
_SOFT_ROUNDS = 3
"""Most rounds over the services that have moved: what one leaves is room for those before it."""
_ROUNDS_WITHOUT_GAIN = 300
"""Rounds without a gain before the search ends."""


def improve(snapshot: Snapshot, answers: list[Placed | Refused], work: int = WORK) -> list[Placed | Refused]:
    """Return the results in the same order, with more placed where possible. Changes the snapshot accordingly."""
    placed = sum(isinstance(answer, Placed) for answer in answers)
    if placed in (0, len(answers)):
        return answers
    solution = Solution(snapshot, answers)
    search = _NeighbourhoodSearch(solution, len(answers))
    if not search.can_improve():
        return answers
    changed = search.run(work)
    if not changed:
        return answers
    moved: dict[str, list[Item]] = {}
    for number, item in enumerate(changed):
        of_service = moved.setdefault(item.request.service, [])
        if number < 5 * _MOST_AT_ONCE:
            of_service.append(item)
    items: dict[str, list[Item]] = {service: [] for service in moved}
    for item in solution.items:
        if item.request.service in items:
            items[item.request.service].append(item)
    asked = {service for service in moved if soft_rule_pass.has_soft_rules(items[service])}
    for service in moved:
        if service not in asked:
            soft_rule_pass.improve_single(solution, items[service], moved[service])
    for _ in range(_SOFT_ROUNDS):
        before = solution.positions()
        for service in moved:
            if service in asked:
                soft_rule_pass.improve_service(solution, items[service], moved[service])
        if solution.positions() == before:
            break
    return _answers(solution, answers)


def _answers(solution: Solution, old: Sequence[Placed | Refused]) -> list[Placed | Refused]:
    """Return all results again; those outside the solution are unchanged."""
    found = list(old)
    why: dict[Kind, dict[str, int]] = {}
    for item in solution.items:
        if item.number >= 0:
            found[item.order] = Placed(item.request, solution.snapshot.nodes[item.number].name, item.share)
        elif item.kind in solution.unplaced:
            if item.kind not in why:
                search = search_for(solution.snapshot, item.request, 1)
                why[item.kind] = reasons.explain(solution.snapshot, item.request, search)
            found[item.order] = Refused(item.request, why[item.kind])
    return found


class _NeighbourhoodSearch:
    """The search: each round removes a part of the solution and places it again in another order."""

    def __init__(self, solution: Solution, seed: int) -> None:
        self._solution = solution
        self._snapshot = solution.snapshot
        self._room = KnownRoom(solution.snapshot)
        self._part = 1 / np.maximum(solution.snapshot.total, 1)
        """One unit of each dimension as part of the node."""
        self._random = random.Random(seed)  # noqa: S311 (the same for the same batch)
        self._attempts = 0

    def can_improve(self) -> bool:
        """Discard what can never be placed. Return False when nothing is left that another order could place."""
        solution = self._solution
        for kind in list(solution.unplaced):
            if not len(kind.nodes) or not self._could_fit(kind):
                del solution.unplaced[kind]
        plain = all(len(kind.apart) < 2 and kind.joined is None for kind in solution.kinds.values())
        alike = len(solution.kinds) == 1 and plain
        return bool(solution.unplaced) and bool(solution.on_node) and not alike

    def run(self, work: int) -> list[Item]:
        """Search for more. Return the items that have moved; none when nothing was gained."""
        before = self._solution.positions()
        best, gained = before, False
        per_attempt = 1 + len(self._snapshot) // _NODES_PER_ATTEMPT
        most = self._most()
        count = reached = len(self._solution.placed())
        waited = 0
        while self._attempts * per_attempt < work and waited < _ROUNDS_WITHOUT_GAIN and reached < most:
            waited += 1
            count += self._round()
            if count > reached:
                best, gained, reached, waited = self._solution.positions(), True, count, 0
        self._solution.restore(best)
        if not gained:
            return []
        return [item for item in self._solution.items if before[item][0] != item.number]

    # One round: remove, place again, keep or undo.

    def _round(self) -> int:
        """Return how many more are placed after it; 0 when it was undone."""
        removed, refused = self._choose_removed(), self._choose_refused()
        was = [(item, item.number, item.share) for item in removed]
        for item in removed:
            self._solution.remove(item)
        tried = removed + refused
        self._snapshot.work.considered += len(tried)
        self._sort(tried)
        failed: set[Kind] = set()
        on: list[Item] = []
        for item in tried:
            if item.kind not in failed and self._put_on(item, tried):
                on.append(item)
            else:
                failed.add(item.kind)
        if len(on) >= len(removed):
            return len(on) - len(removed)
        for item in on:
            self._solution.remove(item)
        for item, node, share in was:
            self._solution.put(item, node, share)
        return 0

    def _choose_removed(self) -> list[Item]:
        chance = self._random.random()
        kind = self._random.choice(list(self._solution.unplaced))
        own = list(self._solution.of_service.get(kind.request.service, {}).values())
        if own and chance < (0.4 if kind.apart or kind.joined is not None else 0.1):
            found = own
            if chance < 0.15:
                found = found + self._on_nodes(kind, 1)
        elif chance < 0.85:
            found = self._on_nodes(kind, self._random.choice((1, 1, 2, 2, 3, 4)))
        else:
            service = self._random.choice(list(self._solution.of_service))
            found = list(self._solution.of_service[service].values()) + self._on_nodes(kind, 1)
        found = list(dict.fromkeys(found))
        return found if len(found) <= _MOST_AT_ONCE else self._random.sample(found, _MOST_AT_ONCE)

    def _on_nodes(self, kind: Kind, wanted: int) -> list[Item]:
        """Return the items of the batch on that many nodes, the first of them a node that the kind could use."""
        first = self._random.choice(kind.nodes.tolist()) if len(kind.nodes) < 64 else int(self._any(kind.nodes))
        busy = self._solution.on_node
        used = list(busy) if len(busy) < 256 else self._random.sample(list(busy), 64)
        chosen = [first, *self._random.sample(used, min(len(used), wanted - 1 if first in busy else wanted))]
        return [item for node in dict.fromkeys(chosen) for item in busy.get(node, {}).values()]

    def _any(self, nodes: Ints) -> int:
        return int(nodes[self._random.randrange(len(nodes))])

    def _choose_refused(self) -> list[Item]:
        kinds = list(self._solution.unplaced)
        if len(kinds) > _MOST_AT_ONCE:
            kinds = self._random.sample(kinds, _MOST_AT_ONCE)
        return [item for kind in kinds for item in islice(self._solution.unplaced[kind].values(), _MOST_PER_KIND)]

    def _sort(self, items: list[Item]) -> None:
        chance, noise = self._random.random(), self._random.choice((0.0, 0.2, 0.6))
        self._random.shuffle(items)
        if chance < 0.45:
            items.sort(key=lambda item: item.kind.size * (1 + noise * self._random.random()))
        elif chance < 0.65:
            items.sort(key=lambda item: -item.kind.size * (1 + noise * self._random.random()))
        elif chance < 0.85:
            items.sort(key=lambda item: len(item.kind.nodes) * (1 + noise * self._random.random()))

    # Rules and room.

    def _put_on(self, item: Item, tried: Sequence[Item]) -> bool:
        """Put the item where it fits, usually on the fullest node."""
        kind, snapshot = item.kind, self._snapshot
        self._attempts += 1
        snapshot.work.attempts += 1
        nodes = self._room.with_room(self._allowed(kind, tried), kind.shape)
        while len(nodes):
            at = self._fullest(nodes) if self._random.random() < 0.75 else self._random.randrange(len(nodes))
            number = int(nodes[at])
            share = shares.share_with_room(snapshot, number, kind.shape)
            if share is not None:
                self._solution.put(item, number, share)
                return True
            nodes = np.delete(nodes, at)
        return False

    def _fullest(self, nodes: Ints) -> int:
        if len(nodes) == 1:
            return 0
        return int((self._snapshot.free[nodes] * self._part[nodes]).sum(axis=1).argmin())

    def _allowed(self, kind: Kind, tried: Sequence[Item]) -> Ints:
        """Return the nodes that the hard rules allow, with the resources that the service has now."""
        nodes = kind.nodes
        counts = self._snapshot.counts_by_node(kind.request.service)
        if kind.apart and counts:
            numbers = list(counts)
            for domains in kind.apart:
                codes = domains.codes
                used: Mask = np.zeros(len(domains.names) + 1, dtype=np.bool_)
                used[codes[numbers]] = True
                used[-1] = False  # no domain is not one
                nodes = nodes[~used[codes[nodes]]]
        if kind.joined is None or not len(nodes):
            return nodes
        if counts:
            here = np.bincount(kind.joined[list(counts)], weights=list(counts.values()))
            settled: Ints = nodes[kind.joined[nodes] == int(here.argmax())]
            return settled
        return self._domain(kind, nodes, tried)

    def _domain(self, kind: Kind, nodes: Ints, tried: Sequence[Item]) -> Ints:
        """Return the nodes of the domain to use: one that takes many of the group, sometimes another."""
        assert kind.joined is not None
        codes = kind.joined[nodes]
        group = sum(item.number < 0 and item.kind is kind for item in tried)
        room = np.bincount(codes, weights=self._room.counts(nodes, kind.shape)).clip(max=group)
        for apart in kind.apart:
            pairs = np.unique(np.stack([codes, apart.codes[nodes]]), axis=1)
            room = np.minimum(room, np.bincount(pairs[0], minlength=len(room)))
        possible = np.flatnonzero(room)
        if not len(possible):
            return nodes[:0]
        code = self._any(possible) if self._random.random() < 0.5 else int(room.argmax())
        chosen: Ints = nodes[codes == code]
        return chosen

    # Bounds.

    def _could_fit(self, kind: Kind) -> bool:
        if not kind.shape.is_part:
            return True
        return bool((self._solution.potential[kind.nodes] >= kind.shape.row).all(axis=1).any())

    def _most(self) -> int:
        """Return an upper bound: if all nodes were one, the smallest items would fill one of the dimensions."""
        items, out = self._solution.items, self._solution.unplaced
        hopeless = sum(item.number < 0 and item.kind not in out for item in items)
        rows = [item.kind.shape.row for item in items if item.number >= 0 or item.kind in out]
        needs = np.sort(np.stack(rows), axis=0).cumsum(axis=0)
        fits = (needs <= self._solution.potential.clip(min=0).sum(axis=0)) | (needs == 0)
        return min(len(items) - hopeless, int(fits.sum(axis=0).min()))
