"""One batch as a joint problem: its resources, and the node of each in the present solution.

A ``Solution`` removes resources of the batch from nodes and puts them on others, and keeps the snapshot's counters in
step. Resources from before the batch are not in it and never move. A ``Kind`` is all that is equal for the requests
of a service that differ in their index only, with the nodes that they may ever use.

Services whose resources have different policies are not in it. Nothing here checks whether a node is allowed or has
room: the caller does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.model.node import Share
from controller.schedule.inputs import Ints, Mask, Request, columns
from controller.schedule.node_groups import Domains
from controller.schedule.results import Placed, Refused
from controller.schedule.rules import Rules
from controller.schedule.shapes import Shape
from controller.schedule.snapshot import Snapshot

Positions = dict["Item", tuple[int, Share]]
"""The node of each item, and its share there."""


@dataclass(eq=False)
class Kind:
    """Requests of a service that differ in their index only."""

    request: Request
    shape: Shape
    rules: Rules
    nodes: Ints
    """Nodes that it may ever use, whatever is free and wherever its service runs."""
    apart: list[Domains]
    """Domains of the nodes, for each axis of hard anti-affinity."""
    joined: Ints | None
    """Combined domain of each node, where hard affinity names none."""
    size: float = 0.0


@dataclass(eq=False)
class Item:
    """One request of the batch, and its node now (``number`` -1: none)."""

    order: int
    request: Request
    kind: Kind
    number: int = -1
    share: Share = field(default_factory=Share)


class Solution:
    """The nodes of the batch; starts with the result of placing one request after another."""

    def __init__(self, snapshot: Snapshot, answers: Sequence[Placed | Refused]) -> None:
        self.snapshot = snapshot
        self.items: list[Item] = []
        self.kinds: dict[object, Kind] = {}
        self.on_node: dict[int, dict[int, Item]] = {}
        self.of_service: dict[str, dict[int, Item]] = {}
        self.unplaced: dict[Kind, dict[int, Item]] = {}
        """Items without a node, unless they can never be placed."""
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
                self.unplaced.setdefault(item.kind, {})[order] = item
        self.potential = snapshot.free.copy()
        """What would be free on each node without the batch."""
        for item in self.items:
            if item.number >= 0:
                self.potential[item.number] += columns(item.share.size)
        most = self.potential.clip(min=0).sum(axis=0).clip(min=1)
        for kind in self.kinds.values():
            kind.size = float((kind.shape.row / most).sum())

    def put(self, item: Item, number: int, share: Share) -> None:
        """Put an item that has no node on a node."""
        node = self.snapshot.nodes[number].name
        if share is item.kind.shape.plain:
            self.snapshot.take_plain(number, item.kind.shape)
        else:
            self.snapshot.take(node, share)
        self.snapshot.count(item.request.service, node, 1)
        out = self.unplaced.get(item.kind)
        if out is not None:
            out.pop(item.order, None)
            if not out:
                del self.unplaced[item.kind]
        item.number, item.share = number, share
        self._note(item)

    def remove(self, item: Item) -> None:
        """Remove an item from its node."""
        node = self.snapshot.nodes[item.number].name
        if item.share is item.kind.shape.plain:
            self.snapshot.give_back_plain(item.number, item.kind.shape)
        else:
            self.snapshot.give_back(node, item.share)
        self.snapshot.count(item.request.service, node, -1)
        here, own = self.on_node[item.number], self.of_service[item.request.service]
        del here[item.order], own[item.order]
        if not here:
            del self.on_node[item.number]
        if not own:
            del self.of_service[item.request.service]
        item.number = -1
        self.unplaced.setdefault(item.kind, {})[item.order] = item

    def placed(self) -> list[Item]:
        """Return the items that have a node."""
        return [item for item in self.items if item.number >= 0]

    def positions(self) -> Positions:
        """Return what ``restore`` can restore."""
        return {item: (item.number, item.share) for item in self.items}

    def restore(self, wanted: Positions) -> None:
        """Put every item back on the node that it had then."""
        moved = [item for item in self.items if wanted[item] != (item.number, item.share)]
        for item in moved:
            if item.number >= 0:
                self.remove(item)
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
            rules = snapshot.cached("rules", Rules.key(request.policy), lambda: Rules(snapshot, request.policy))
            mask: Mask = snapshot.open.copy()
            if rules.usable is not None:
                mask &= rules.usable
            if request.provider:
                mask &= snapshot.offers(request.provider)
            mask[[snapshot.index[name] for name in request.avoid if name in snapshot.index]] = False
            apart = [snapshot.domains(axis) for axis in rules.apart]
            for domains in apart:
                mask &= domains.codes >= 0
            for rule, value in zip(rules.together, rules.values, strict=True):
                codes = snapshot.domains(rule.axis).codes
                mask &= codes >= 0 if rule.value is None else codes == value
            joined = None if rules.joined is None else rules.joined[rules.node_groups.group_of]
            self.kinds[key] = Kind(request, shape, rules, np.flatnonzero(mask), apart, joined)
        return self.kinds[key]


def _mixed(answers: Iterable[Placed | Refused]) -> set[str]:
    """Return the services with different policies: which policy holds depends on the order, so they never move."""
    policies: dict[str, object] = {}
    mixed: set[str] = set()
    for answer in answers:
        request = answer.request
        known = policies.setdefault(request.service, request.policy)
        if known is not request.policy and known != request.policy:
            mixed.add(request.service)
    return mixed
