"""A second look at a batch of which something was refused: a joint placement of more of it (J8, J10).

Placing one after another can be a trap: a small resource takes the one node that a large one
needs, a group settles in a domain that is too small for all of it. ``improve`` takes some of what this
batch has just placed off again (a few nodes' worth, a whole service, or resources here and there),
puts them and some of the refused on in another order, and keeps what places no fewer; equal
outcomes are kept too, since they lead to better ones. What stood before the batch is never moved, and
hard rules hold at each step. Afterwards the resources that were moved are settled once more by
the soft rules, and the nodes of a service are handed out anew to its interchangeable resources, so that
every prefix of their index order is as balanced as those nodes allow (K3).

Bounded: the work does not grow with the number of refusals, and stops when no more can fit. The
same input gives the same answer. It does nothing where one placement after another is known to be
best, and leaves services alone whose resources have different policies.

Not promised: the most that is possible; fairness, for a large resource may have to stay out for two small ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from controller.model.node import Share
from controller.schedule import reasons, shares
from controller.schedule.answers import Placed, Refused
from controller.schedule.facts import Ints, Mask, Request, columns
from controller.schedule.rules import Rules
from controller.schedule.search import Search
from controller.schedule.shares import Shape
from controller.schedule.snapshot import Snapshot

SearchFor = Callable[[Snapshot, Request, int], Search]
WORK = 8_000
"""Looks for a place at most, in a small cluster; fewer in a large one, where a look takes longer."""
_NODES_PER_LOOK = 300
_FEW = 40
"""Resources of the batch taken off at once, and refused ones tried at once."""
_EACH = 10
"""Refused ones of each kind tried at once."""
_PATIENCE = 300
"""Rounds without a gain before the search ends."""


@dataclass(eq=False)
class _Kind:
    """Requests of a service that differ in their index only."""

    request: Request
    shape: Shape
    rules: Rules
    nodes: Ints
    """Nodes that it may ever stand on, whatever is free and wherever its service stands."""
    apart: list[Ints]
    """Domain of each node, for each axis of hard anti-affinity."""
    joined: Ints | None
    """Combined domain of each node, where hard affinity names none."""
    in_cells: bool
    size: float = 0.0


@dataclass(eq=False)
class _Item:
    """One request of the batch, and where it stands now (``number`` -1: nowhere)."""

    order: int
    request: Request
    kind: _Kind
    number: int = -1
    share: Share = field(default_factory=Share)


def improve(
    snapshot: Snapshot, answers: list[Placed | Refused], search_for: SearchFor, work: int = WORK
) -> list[Placed | Refused]:
    """The answers, with more placed where that was found; in the same order. Changes the snapshot accordingly."""
    placed = sum(isinstance(answer, Placed) for answer in answers)
    if placed in (0, len(answers)):
        return answers
    batch = _Batch(snapshot, answers, search_for)
    if not batch.hopeful():
        return answers
    changed = batch.search(work)
    return batch.answers(answers, changed) if changed else answers


class _Batch:
    def __init__(self, snapshot: Snapshot, answers: Sequence[Placed | Refused], search_for: SearchFor) -> None:
        self._snapshot = snapshot
        self._part = 1 / np.maximum(snapshot.total, 1)
        """One unit of each dimension as part of the node."""
        self._search_for = search_for
        self._random = random.Random(len(answers))  # noqa: S311 (the same for the same batch)
        self._kinds: dict[object, _Kind] = {}
        self._items: list[_Item] = []
        self._on_node: dict[int, dict[int, _Item]] = {}
        self._of_service: dict[str, dict[int, _Item]] = {}
        self._out: dict[_Kind, dict[int, _Item]] = {}
        self._looks = 0
        mixed = _mixed(answers)
        for order, answer in enumerate(answers):
            if answer.request.service in mixed:
                continue
            item = _Item(order, answer.request, self._kind(answer.request))
            self._items.append(item)
            if isinstance(answer, Placed):
                item.number, item.share = snapshot.index[answer.node], answer.share
                self._note(item)
            else:
                self._out.setdefault(item.kind, {})[order] = item
        self._potential = snapshot.free.copy()
        for item in self._items:
            if item.number >= 0:
                self._potential[item.number] += columns(item.share.size)
        most = self._potential.clip(min=0).sum(axis=0).clip(min=1)
        for kind in self._kinds.values():
            kind.size = float((kind.shape.row / most).sum())

    def hopeful(self) -> bool:
        """Forget what can be placed in no way; False when nothing is left that another order could place."""
        for kind in list(self._out):
            if not len(kind.nodes) or not self._could_fit(kind):
                del self._out[kind]
        plain = all(len(kind.apart) < 2 and kind.joined is None for kind in self._kinds.values())
        alike = len(self._kinds) == 1 and plain
        return bool(self._out) and bool(self._on_node) and not alike

    def search(self, work: int) -> list[_Item]:
        """Look for more; the items that stand elsewhere than before, none when nothing was gained."""
        before = {item: (item.number, item.share) for item in self._items}
        best, gained = before, False
        per_look = 1 + len(self._snapshot) // _NODES_PER_LOOK
        most = self._most()
        count = reached = len(self._placed())
        waited = 0
        while self._looks * per_look < work and waited < _PATIENCE and reached < most:
            waited += 1
            count += self._round(waited)
            if count > reached:
                best, gained, reached, waited = self._standing(), True, count, 0
        self._restore(best)
        if not gained:
            return []
        return [item for item in self._items if before[item][0] != item.number]

    def answers(self, old: Sequence[Placed | Refused], changed: list[_Item]) -> list[Placed | Refused]:
        """All answers anew, after the soft rules have had their say."""
        for item in changed[: 5 * _FEW]:
            if item.number >= 0:
                self._settle(item)
        for service in dict.fromkeys(item.request.service for item in changed):
            self._hand_out([item for item in self._items if item.request.service == service])
        found = list(old)
        why: dict[_Kind, dict[str, int]] = {}
        for item in self._items:
            if item.number >= 0:
                found[item.order] = Placed(item.request, self._snapshot.nodes[item.number].name, item.share)
            elif item.kind in self._out:
                if item.kind not in why:
                    search = self._search_for(self._snapshot, item.request, 1)
                    why[item.kind] = reasons.explain(self._snapshot, item.request, search)
                found[item.order] = Refused(item.request, why[item.kind])
        return found

    # One round: take off, put on again, keep or undo.

    def _round(self, number: int) -> int:
        removed, refused = self._choose_removed(), self._choose_refused()
        was = [(item, item.number, item.share) for item in removed]
        for item in removed:
            self._take_off(item)
        tried = removed + refused
        self._sort(tried, number)
        failed: set[_Kind] = set()
        on: list[_Item] = []
        for item in tried:
            if item.kind not in failed and self._put_on(item, tried):
                on.append(item)
            else:
                failed.add(item.kind)
        if len(on) >= len(removed):
            return len(on) - len(removed)
        for item in on:
            self._take_off(item)
        for item, node, share in was:
            self._put(item, node, share)
        return 0

    def _choose_removed(self) -> list[_Item]:
        chance = self._random.random()
        kind = self._random.choice(list(self._out))
        own = list(self._of_service.get(kind.request.service, {}).values())
        if own and chance < (0.4 if kind.apart or kind.joined is not None else 0.1):
            found = own
            if chance < 0.15:
                found = found + self._on_nodes(kind, 1)
        elif chance < 0.85:
            found = self._on_nodes(kind, self._random.choice((1, 1, 2, 2, 3, 4)))
        else:
            service = self._random.choice(list(self._of_service))
            found = list(self._of_service[service].values()) + self._on_nodes(kind, 1)
        found = list(dict.fromkeys(found))
        return found if len(found) <= _FEW else self._random.sample(found, _FEW)

    def _on_nodes(self, kind: _Kind, wanted: int) -> list[_Item]:
        """What of the batch stands on so many nodes, the first of them one that the kind could use."""
        first = self._random.choice(kind.nodes.tolist()) if len(kind.nodes) < 64 else int(self._any(kind.nodes))
        used = list(self._on_node) if len(self._on_node) < 256 else self._random.sample(list(self._on_node), 64)
        chosen = [first, *self._random.sample(used, min(len(used), wanted - 1 if first in self._on_node else wanted))]
        return [item for node in dict.fromkeys(chosen) for item in self._on_node.get(node, {}).values()]

    def _any(self, nodes: Ints) -> int:
        return int(nodes[self._random.randrange(len(nodes))])

    def _choose_refused(self) -> list[_Item]:
        kinds = list(self._out)
        if len(kinds) > _FEW:
            kinds = self._random.sample(kinds, _FEW)
        return [item for kind in kinds for item in islice(self._out[kind].values(), _EACH)]

    def _sort(self, items: list[_Item], number: int) -> None:
        chance, noise = self._random.random(), self._random.choice((0.0, 0.2, 0.6))
        self._random.shuffle(items)
        if chance < 0.45:
            items.sort(key=lambda item: item.kind.size * (1 + noise * self._random.random()))
        elif chance < 0.65:
            items.sort(key=lambda item: -item.kind.size * (1 + noise * self._random.random()))
        elif chance < 0.85:
            items.sort(key=lambda item: len(item.kind.nodes) * (1 + noise * self._random.random()))

    # Rules and room.

    def _put_on(self, item: _Item, tried: Sequence[_Item]) -> bool:
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
                self._put(item, number, share)
                return True
            nodes = np.delete(nodes, at)
        return False

    def _allowed(self, kind: _Kind, tried: Sequence[_Item]) -> Ints:
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

    def _domain(self, kind: _Kind, nodes: Ints, tried: Sequence[_Item]) -> Ints:
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

    def _room(self, kind: _Kind, nodes: Ints) -> Ints:
        if not len(nodes):
            return nodes
        if kind.in_cells or not kind.shape.is_part:
            fits: Mask = shares.count(self._snapshot, nodes, kind.shape) > 0
        else:
            fits = np.asarray((self._snapshot.free[nodes] >= kind.shape.row).all(axis=1))
        room: Ints = nodes[fits]
        return room

    def _could_fit(self, kind: _Kind) -> bool:
        if not kind.shape.is_part:
            return True
        return bool((self._potential[kind.nodes] >= kind.shape.row).all(axis=1).any())

    def _most(self) -> int:
        """No placement has more: even without borders between nodes, the smallest fill one of the dimensions."""
        hopeless = sum(item.number < 0 and item.kind not in self._out for item in self._items)
        rows = [item.kind.shape.row for item in self._items if item.number >= 0 or item.kind in self._out]
        needs = np.sort(np.stack(rows), axis=0).cumsum(axis=0)
        fits = (needs <= self._potential.clip(min=0).sum(axis=0)) | (needs == 0)
        return min(len(self._items) - hopeless, int(fits.sum(axis=0).min()))

    # Books.

    def _put(self, item: _Item, number: int, share: Share) -> None:
        node = self._snapshot.nodes[number].name
        self._snapshot.take(node, share)
        self._snapshot.count(item.request.service, node, 1)
        out = self._out.get(item.kind)
        if out is not None:
            out.pop(item.order, None)
            if not out:
                del self._out[item.kind]
        item.number, item.share = number, share
        self._note(item)

    def _take_off(self, item: _Item) -> None:
        node = self._snapshot.nodes[item.number].name
        self._snapshot.give_back(node, item.share)
        self._snapshot.count(item.request.service, node, -1)
        here, own = self._on_node[item.number], self._of_service[item.request.service]
        del here[item.order], own[item.order]
        if not here:
            del self._on_node[item.number]
        if not own:
            del self._of_service[item.request.service]
        item.number = -1
        self._out.setdefault(item.kind, {})[item.order] = item

    def _note(self, item: _Item) -> None:
        self._on_node.setdefault(item.number, {})[item.order] = item
        self._of_service.setdefault(item.request.service, {})[item.order] = item

    def _placed(self) -> list[_Item]:
        return [item for item in self._items if item.number >= 0]

    def _standing(self) -> dict[_Item, tuple[int, Share]]:
        return {item: (item.number, item.share) for item in self._items}

    def _restore(self, wanted: dict[_Item, tuple[int, Share]]) -> None:
        moved = [item for item in self._items if wanted[item] != (item.number, item.share)]
        for item in moved:
            if item.number >= 0:
                self._take_off(item)
        for item in moved:
            number, share = wanted[item]
            if number >= 0:
                self._put(item, number, share)

    # Afterwards.

    def _settle(self, item: _Item) -> None:
        """Once more, by the soft rules and the spread, with everything else where it is."""
        number, share = item.number, item.share
        self._take_off(item)
        search = self._search_for(self._snapshot, item.request, 1)
        found = search.choose()
        if found is None:  # hard affinity may prefer another domain; the place it had is allowed
            self._put(item, number, share)
            return
        at = search.rules.layout.nodes[found[1]]
        fresh = shares.share_on(self._snapshot, at, item.kind.shape)
        self._put(item, *((at, fresh) if fresh is not None else (number, share)))

    def _hand_out(self, items: list[_Item]) -> None:
        """Give the service's nodes to its indices anew: among interchangeable ones, the most balanced first."""
        service = items[0].request.service
        places: dict[_Kind, list[tuple[int, Share]]] = {}
        for item in items:
            if item.number >= 0:
                places.setdefault(item.kind, []).append((item.number, item.share))
                self._take_off(item)
        taken: list[tuple[_Item, int, Share]] = []
        for item in items:
            left = places.get(item.kind)
            if not left:
                continue
            at = self._most_balanced(item, [number for number, _ in left])
            number, share = left.pop(at)
            self._snapshot.count(service, self._snapshot.nodes[number].name, 1)
            taken.append((item, number, share))
        for item, number, share in taken:
            self._snapshot.count(service, self._snapshot.nodes[number].name, -1)
            self._put(item, number, share)

    def _most_balanced(self, item: _Item, numbers: list[int]) -> int:
        """Which of the nodes the soft rules and the spread like best, with what has been handed out so far."""
        standing = self._snapshot.standing(item.request.service)
        rules, group_of = item.kind.rules, item.kind.rules.layout.group_of
        costs = []
        for number in numbers:
            cost: list[int] = []
            for each in rules.fields:
                if each.codes is None:
                    cost.append(standing.get(number, 0))
                elif each.first is not None:
                    cost.append(int(each.first[group_of[number]]))
                else:
                    code = each.codes[group_of[number]]
                    here = sum(count for at, count in standing.items() if each.codes[group_of[at]] == code)
                    cost += [int(each.named and code < 0), each.step * here]
            costs.append((cost, number))
        return min(range(len(numbers)), key=lambda at: costs[at])

    def _kind(self, request: Request) -> _Kind:
        snapshot = self._snapshot
        shape = snapshot.shape(request)
        key = (request.service, Rules.key(request.policy), shape.need, shape.share, request.provider, request.avoid)
        if key not in self._kinds:
            rules = snapshot.remembered("rules", Rules.key(request.policy), lambda: Rules(snapshot, request.policy))
            mask: Mask = snapshot.open.copy()
            if rules.usable is not None:
                mask &= rules.usable
            if request.provider:
                mask &= snapshot.offers(request.provider)
            mask[[snapshot.index[name] for name in request.avoid if name in snapshot.index]] = False
            apart = [snapshot.domains(axis).codes for axis in rules.apart]
            for codes in apart:
                mask &= codes >= 0
            for rule, value in zip(rules.together, rules.values, strict=True):
                codes = snapshot.domains(rule.axis).codes
                mask &= codes >= 0 if rule.value is None else codes == value
            joined = None if rules.joined is None else rules.joined[rules.layout.group_of]
            in_cells = snapshot.cells.any and shape.has_cells
            self._kinds[key] = _Kind(request, shape, rules, np.flatnonzero(mask), apart, joined, in_cells)
        return self._kinds[key]


def _mixed(answers: Iterable[Placed | Refused]) -> set[str]:
    """Services with different policies: which of them holds depends on the order, so they are left alone."""
    policies: dict[str, object] = {}
    mixed: set[str] = set()
    for answer in answers:
        request = answer.request
        known = policies.setdefault(request.service, request.policy)
        if known is not request.policy and known != request.policy:
            mixed.add(request.service)
    return mixed
