"""One batch as a joint problem: what is to be placed, and where each of it stands in the present solution.

A ``Solution`` takes resources of the batch off and puts them on again, and keeps the snapshot's counters in
step; what stood before the batch is not in it and never moves. A ``Kind`` is what decides alike for all
requests of a service that differ in their index only, and knows the nodes that they may ever stand on.

Services whose resources have different policies are not in it. Nothing here looks whether a place is
allowed or has room: that is the caller's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.model.node import Share
from controller.schedule.inputs import Ints, Mask, Request, columns
from controller.schedule.results import Placed, Refused
from controller.schedule.rules import Rules
from controller.schedule.shapes import Shape
from controller.schedule.snapshot import Snapshot

Standing = dict["Item", tuple[int, Share]]
"""Where each item stands, and what it takes there."""


@dataclass(eq=False)
class Kind:
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
class Item:
    """One request of the batch, and where it stands now (``number`` -1: nowhere)."""

    order: int
    request: Request
    kind: Kind
    number: int = -1
    share: Share = field(default_factory=Share)


class Solution:
    """Where the batch stands; begins with what placing one after another came to."""

    def __init__(self, snapshot: Snapshot, answers: Sequence[Placed | Refused]) -> None:
        self.snapshot = snapshot
        self.items: list[Item] = []
        self.kinds: dict[object, Kind] = {}
        self.on_node: dict[int, dict[int, Item]] = {}
        self.of_service: dict[str, dict[int, Item]] = {}
        self.out: dict[Kind, dict[int, Item]] = {}
        """What stands nowhere, unless it was given up."""
        mixed = _mixed(answers)
        for order, answer in enumerate(answers):
            if answer.request.service in mixed:
                continue
            item = Item(order, answer.request, self._kind(answer.request))
            self.items.append(item)
            if isinstance(answer, Placed):
                item.number, item.share = snapshot.index[answer.node], answer.share
                self._note(item)
            else:
                self.out.setdefault(item.kind, {})[order] = item
        self.potential = snapshot.free.copy()
        """What would be free on each node if nothing of the batch stood there."""
        for item in self.items:
            if item.number >= 0:
                self.potential[item.number] += columns(item.share.size)
        most = self.potential.clip(min=0).sum(axis=0).clip(min=1)
        for kind in self.kinds.values():
            kind.size = float((kind.shape.row / most).sum())

    def put(self, item: Item, number: int, share: Share) -> None:
        """Put an item that stands nowhere on a node."""
        node = self.snapshot.nodes[number].name
        self.snapshot.take(node, share)
        self.snapshot.count(item.request.service, node, 1)
        out = self.out.get(item.kind)
        if out is not None:
            out.pop(item.order, None)
            if not out:
                del self.out[item.kind]
        item.number, item.share = number, share
        self._note(item)

    def take_off(self, item: Item) -> None:
        """Take an item off its node."""
        node = self.snapshot.nodes[item.number].name
        self.snapshot.give_back(node, item.share)
        self.snapshot.count(item.request.service, node, -1)
        here, own = self.on_node[item.number], self.of_service[item.request.service]
        del here[item.order], own[item.order]
        if not here:
            del self.on_node[item.number]
        if not own:
            del self.of_service[item.request.service]
        item.number = -1
        self.out.setdefault(item.kind, {})[item.order] = item

    def placed(self) -> list[Item]:
        """The items that stand somewhere."""
        return [item for item in self.items if item.number >= 0]

    def standing(self) -> Standing:
        """What ``restore`` can go back to."""
        return {item: (item.number, item.share) for item in self.items}

    def restore(self, wanted: Standing) -> None:
        """Bring every item back to where it stood then."""
        moved = [item for item in self.items if wanted[item] != (item.number, item.share)]
        for item in moved:
            if item.number >= 0:
                self.take_off(item)
        for item in moved:
            number, share = wanted[item]
            if number >= 0:
                self.put(item, number, share)

    def _note(self, item: Item) -> None:
        self.on_node.setdefault(item.number, {})[item.order] = item
        self.of_service.setdefault(item.request.service, {})[item.order] = item

    def _kind(self, request: Request) -> Kind:
        snapshot = self.snapshot
        shape = snapshot.shape(request)
        key = (request.service, Rules.key(request.policy), shape.need, shape.share, request.provider, request.avoid)
        if key not in self.kinds:
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
            self.kinds[key] = Kind(request, shape, rules, np.flatnonzero(mask), apart, joined, in_cells)
        return self.kinds[key]


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
