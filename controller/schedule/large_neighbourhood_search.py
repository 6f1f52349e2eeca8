"""A second look at a batch of which something was refused: large neighbourhood search for more of it (J8, J10).

Placing one after another can be a trap: a small resource takes the one node that a large one
needs, a group settles in a domain that is too small for all of it. ``improve`` takes some of what this
batch has just placed off again (a few nodes' worth, a whole service, or resources here and there),
puts them and some of the refused on in another order, and keeps what places no fewer; equal
outcomes are kept too, since they lead to better ones. What stood before the batch is never moved, and
hard rules hold at each step. Afterwards what was moved is polished (``polish``).

Bounded: the work does not grow with the number of refusals, and stops when no more can fit. The
same input gives the same answer. It does nothing where one placement after another is known to be
best, and leaves services alone whose resources have different policies.

Not promised: the most that is possible; fairness, for a large resource may have to stay out for two small ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice

import numpy as np

from controller.schedule import reasons, shares, soft_rule_pass
from controller.schedule.inputs import Ints, Mask
from controller.schedule.results import Placed, Refused
from controller.schedule.snapshot import Snapshot
from controller.schedule.soft_rule_pass import SearchFor
from controller.schedule.solution import Item, Kind, Solution

WORK = 8_000
"""Looks for a place at most, in a small cluster; fewer in a large one, where a look takes longer."""
_NODES_PER_LOOK = 300
_FEW = 40
"""Resources of the batch taken off at once, and refused ones tried at once."""
_EACH = 10
"""Refused ones of each kind tried at once."""
_PATIENCE = 300
"""Rounds without a gain before the search ends."""


def improve(
    snapshot: Snapshot, answers: list[Placed | Refused], search_for: SearchFor, work: int = WORK
) -> list[Placed | Refused]:
    """The answers, with more placed where that was found; in the same order. Changes the snapshot accordingly."""
    placed = sum(isinstance(answer, Placed) for answer in answers)
    if placed in (0, len(answers)):
        return answers
    solution = Solution(snapshot, answers)
    search = _Neighbourhood(solution, len(answers))
    if not search.hopeful():
        return answers
    changed = search.run(work)
    if not changed:
        return answers
    for item in changed[: 5 * _FEW]:
        if item.number >= 0:
            soft_rule_pass.settle(solution, item, search_for)
    for service in dict.fromkeys(item.request.service for item in changed):
        soft_rule_pass.hand_out(solution, [item for item in solution.items if item.request.service == service])
    return _answers(solution, answers, search_for)


def _answers(solution: Solution, old: Sequence[Placed | Refused], search_for: SearchFor) -> list[Placed | Refused]:
    """All answers anew; those of what is not in the solution as they were."""
    found = list(old)
    why: dict[Kind, dict[str, int]] = {}
    for item in solution.items:
        if item.number >= 0:
            found[item.order] = Placed(item.request, solution.snapshot.nodes[item.number].name, item.share)
        elif item.kind in solution.out:
            if item.kind not in why:
                search = search_for(solution.snapshot, item.request, 1)
                why[item.kind] = reasons.explain(solution.snapshot, item.request, search)
            found[item.order] = Refused(item.request, why[item.kind])
    return found


class _Neighbourhood:
    """The search: each round ruins a part of the solution and recreates it in another order."""

    def __init__(self, solution: Solution, seed: int) -> None:
        self._solution = solution
        self._snapshot = solution.snapshot
        self._part = 1 / np.maximum(solution.snapshot.total, 1)
        """One unit of each dimension as part of the node."""
        self._random = random.Random(seed)  # noqa: S311 (the same for the same batch)
        self._looks = 0

    def hopeful(self) -> bool:
        """Forget what can be placed in no way; False when nothing is left that another order could place."""
        solution = self._solution
        for kind in list(solution.out):
            if not len(kind.nodes) or not self._could_fit(kind):
                del solution.out[kind]
        plain = all(len(kind.apart) < 2 and kind.joined is None for kind in solution.kinds.values())
        alike = len(solution.kinds) == 1 and plain
        return bool(solution.out) and bool(solution.on_node) and not alike

    def run(self, work: int) -> list[Item]:
        """Look for more; the items that stand elsewhere than before, none when nothing was gained."""
        before = self._solution.standing()
        best, gained = before, False
        per_look = 1 + len(self._snapshot) // _NODES_PER_LOOK
        most = self._most()
        count = reached = len(self._solution.placed())
        waited = 0
        while self._looks * per_look < work and waited < _PATIENCE and reached < most:
            waited += 1
            count += self._round()
            if count > reached:
                best, gained, reached, waited = self._solution.standing(), True, count, 0
        self._solution.restore(best)
        if not gained:
            return []
        return [item for item in self._solution.items if before[item][0] != item.number]

    # One round: ruin, recreate, keep or undo.

    def _round(self) -> int:
        """How many more stand after it: none when it was undone."""
        removed, refused = self._choose_removed(), self._choose_refused()
        was = [(item, item.number, item.share) for item in removed]
        for item in removed:
            self._solution.take_off(item)
        tried = removed + refused
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
            self._solution.take_off(item)
        for item, node, share in was:
            self._solution.put(item, node, share)
        return 0

    def _choose_removed(self) -> list[Item]:
        chance = self._random.random()
        kind = self._random.choice(list(self._solution.out))
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
        return found if len(found) <= _FEW else self._random.sample(found, _FEW)

    def _on_nodes(self, kind: Kind, wanted: int) -> list[Item]:
        """What of the batch stands on so many nodes, the first of them one that the kind could use."""
        first = self._random.choice(kind.nodes.tolist()) if len(kind.nodes) < 64 else int(self._any(kind.nodes))
        busy = self._solution.on_node
        used = list(busy) if len(busy) < 256 else self._random.sample(list(busy), 64)
        chosen = [first, *self._random.sample(used, min(len(used), wanted - 1 if first in busy else wanted))]
        return [item for node in dict.fromkeys(chosen) for item in busy.get(node, {}).values()]

    def _any(self, nodes: Ints) -> int:
        return int(nodes[self._random.randrange(len(nodes))])

    def _choose_refused(self) -> list[Item]:
        kinds = list(self._solution.out)
        if len(kinds) > _FEW:
            kinds = self._random.sample(kinds, _FEW)
        return [item for kind in kinds for item in islice(self._solution.out[kind].values(), _EACH)]

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
        """Put the item where it fits, most often on the fullest node."""
        self._looks += 1
        kind, snapshot = item.kind, self._snapshot
        nodes = self._room(kind, self._allowed(kind, tried))
        while len(nodes):
            if self._random.random() < 0.75:
                at = int((snapshot.free[nodes] * self._part[nodes]).sum(axis=1).argmin())
            else:
                at = self._random.randrange(len(nodes))
            number = int(nodes[at])
            share = shares.share_on(snapshot, number, kind.shape)
            if share is not None:
                self._solution.put(item, number, share)
                return True
            nodes = np.delete(nodes, at)
        return False

    def _allowed(self, kind: Kind, tried: Sequence[Item]) -> Ints:
        """Nodes that the hard rules leave, with what of the service stands now."""
        nodes = kind.nodes
        standing = self._snapshot.standing(kind.request.service)
        if kind.apart and standing:
            numbers = list(standing)
            mask: Mask = np.ones(len(nodes), dtype=np.bool_)
            for codes in kind.apart:
                used = np.zeros(int(codes.max()) + 2, dtype=np.bool_)
                used[codes[numbers]] = True
                used[-1] = False
                mask &= ~used[codes[nodes]]
            nodes = nodes[mask]
        if kind.joined is None or not len(nodes):
            return nodes
        if standing:
            here = np.bincount(kind.joined[list(standing)], weights=list(standing.values()))
            settled: Ints = nodes[kind.joined[nodes] == int(here.argmax())]
            return settled
        return self._domain(kind, nodes, tried)

    def _domain(self, kind: Kind, nodes: Ints, tried: Sequence[Item]) -> Ints:
        """The nodes of the domain to settle in: one that takes many of the group, now and then another."""
        assert kind.joined is not None
        codes = kind.joined[nodes]
        group = sum(item.number < 0 and item.kind is kind for item in tried)
        room = np.bincount(codes, weights=shares.count(self._snapshot, nodes, kind.shape)).clip(max=group)
        for apart in kind.apart:
            pairs = np.unique(np.stack([codes, apart[nodes]]), axis=1)
            room = np.minimum(room, np.bincount(pairs[0], minlength=len(room)))
        possible = np.flatnonzero(room)
        if not len(possible):
            return nodes[:0]
        code = self._any(possible) if self._random.random() < 0.5 else int(room.argmax())
        chosen: Ints = nodes[codes == code]
        return chosen

    def _room(self, kind: Kind, nodes: Ints) -> Ints:
        if not len(nodes):
            return nodes
        if kind.in_cells or not kind.shape.is_part:
            fits: Mask = shares.count(self._snapshot, nodes, kind.shape) > 0
        else:
            fits = np.asarray((self._snapshot.free[nodes] >= kind.shape.row).all(axis=1))
        room: Ints = nodes[fits]
        return room

    # Bounds.

    def _could_fit(self, kind: Kind) -> bool:
        if not kind.shape.is_part:
            return True
        return bool((self._solution.potential[kind.nodes] >= kind.shape.row).all(axis=1).any())

    def _most(self) -> int:
        """No placement has more: even without borders between nodes, the smallest fill one of the dimensions."""
        items, out = self._solution.items, self._solution.out
        hopeless = sum(item.number < 0 and item.kind not in out for item in items)
        rows = [item.kind.shape.row for item in items if item.number >= 0 or item.kind in out]
        needs = np.sort(np.stack(rows), axis=0).cumsum(axis=0)
        fits = (needs <= self._solution.potential.clip(min=0).sum(axis=0)) | (needs == 0)
        return min(len(items) - hopeless, int(fits.sum(axis=0).min()))
