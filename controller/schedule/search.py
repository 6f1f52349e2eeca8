"""The search for the nodes of one service's resources that differ in their index only.

The order of choice: hard rules exclude groups of nodes; then the fields of ``rules``, where the first that differs
decides; then best fit. The candidate is the group with the lowest cost, and its best node is read. Where that node has
more of the service than the group's cost says, the cost is increased and the groups are compared again. So a
decision reads the nodes of one or two groups, and finds what reading all nodes would have found. Only among groups
that tie in every field does best fit use the best node as of the start of the search.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from controller.model.node import Share
from controller.schedule import shares
from controller.schedule.domain_choice import Gathering, choose_domain
from controller.schedule.inputs import Ints, Mask
from controller.schedule.node_slots import CLOSED, NodeSlots
from controller.schedule.rules import FORBIDDEN, LIMIT, Rules
from controller.schedule.snapshot import Snapshot

_HERE = 40
"""Bits below the count of the service's resources in a node's score."""
COST = (1 << _HERE) - 1
"""The bits of a node's score that are its cost (``best_fit``)."""


class Search:
    """What the rules mean for the service's next resource. The search owns ``node_slots`` until its end."""

    def __init__(
        self, snapshot: Snapshot, rules: Rules, node_slots: NodeSlots, service: str, avoid: Iterable[str], wanted: int
    ) -> None:
        """``wanted`` resources are to be placed, on no node of ``avoid``."""
        self.snapshot, self.rules, self.node_slots = snapshot, rules, node_slots
        self.shape = node_slots.shape
        self.counts_by_node = snapshot.counts_by_node(service)
        self.chosen: int | None = None
        """The combined domain that hard affinity requires."""
        self.targets: dict[int, int] = {}
        """Field of a soft rule that gathers to the domain that was chosen for it."""
        node_slots.refresh()
        self._scores = node_slots.score
        self._slices = rules.node_groups.slices
        self._raised: dict[int, int] = {}
        """Group to the least count of the service's resources on each of its nodes."""
        present = {number: count for number, count in self.counts_by_node.items() if count > 0}
        self.packing = rules.packing(wanted + sum(present.values()))
        self.words = [word.copy() for word in self.packing.base]
        self._first = self.words[0]
        self._by_node = rules.node_field is not None
        self._raise = self.packing.positions[rules.node_field] if rules.node_field is not None else None
        self._avoid(avoid)
        if present:
            self._count_standing(present)
        self._settle(wanted, present)
        self.words[-1] += node_slots.best >> self.packing.best
        self._first[node_slots.best >= CLOSED] = FORBIDDEN

    def closed(self) -> Mask:
        """Return which groups hard rules forbid, or have no room."""
        closed: Mask = self._first >= LIMIT
        return closed

    def choose(self, among: Ints | None = None) -> tuple[int, int] | None:
        """Return group and position (in the order of the node groups) of the node to take; None: no node.

        ``among`` are the only groups to choose from, as far as they can be taken.
        """
        first, scores = self._first, self._scores
        while True:
            self.snapshot.work.group_scans += 1
            if among is not None and (first[among] < LIMIT).any():
                group = self._lowest(among)
            else:
                group = int(first.argmin()) if len(self.words) == 1 else self._lowest()
            if first[group] >= LIMIT:
                return None
            inside = self._slices[group]
            at = int(scores[inside].argmin())
            score = int(scores[inside.start + at])
            if score >= CLOSED:
                first[group] = FORBIDDEN
            elif self._raise is None or (score >> _HERE) <= self._raised.get(group, 0):
                return group, inside.start + at
            else:
                more = (score >> _HERE) - self._raised.get(group, 0)
                self.words[self._raise.word][group] += more << self._raise.shift
                self._raised[group] = score >> _HERE

    def take(self, group: int, place: int) -> tuple[str, Share]:
        """Take the node that ``choose`` has returned."""
        snapshot, node_slots, shape = self.snapshot, self.node_slots, self.shape
        number = self.rules.node_groups.nodes[place]
        name = snapshot.nodes[number].name
        if shape.is_part and not snapshot.cells.counts[number]:
            share = shape.plain
            snapshot.take_plain(number, shape)
            left = node_slots.slots[place] - 1
        else:
            found = shares.share_with_room(snapshot, number, shape)
            assert found is not None
            share = found
            snapshot.take(name, share)
            left = shares.count_on(snapshot, number, shape)
        node_slots.slots[place] = left
        if left <= 0 or self.rules.apart_nodes:
            self._scores[place] = CLOSED
        else:
            here = ((int(self._scores[place]) >> _HERE) + 1) << _HERE if self._by_node else 0
            free = snapshot.free[number].tolist()
            self._scores[place] = here + node_slots.best_fit.cost(number, free, shape.need)
        counts = self.counts_by_node
        counts[number] = counts.get(number, 0) + 1
        for word, more in zip(self.words, self.packing.addition(group), strict=True):
            word += more
        return name, share

    def _lowest(self, among: Ints | None = None) -> int:
        """Return the group that is lowest in the first word; among equals in the next."""
        groups, words = among, self.words
        if groups is None:
            groups, words = np.flatnonzero(self._first == self._first.min()), self.words[1:]
        for word in words:
            if len(groups) == 1:
                break
            costs = word[groups]
            groups = groups[costs == costs.min()]
        return int(groups[0])

    def _avoid(self, names: Iterable[str]) -> None:
        for name in names:
            number = self.snapshot.index.get(name)
            if number is not None:
                place = int(self.rules.node_groups.position_of[number])
                self._scores[place] = CLOSED
                self.node_slots.slots[place] = 0
                self.node_slots.borrowed.append(number)

    def _count_standing(self, present: Mapping[int, int]) -> None:
        """Count the existing resources of the service for its rules."""
        rules, node_groups = self.rules, self.rules.node_groups
        numbers = np.fromiter(present, dtype=np.int64, count=len(present))
        counts = np.fromiter(present.values(), dtype=np.int64, count=len(present))
        groups = node_groups.group_of[numbers]
        for field, at in zip(rules.fields, self.packing.positions, strict=True):
            if field.codes is not None and field.step:
                here = counts_by(field.codes, groups, counts)
                if field.named:
                    here[0] = 0
                self.words[at.word] += (here[field.codes + 1] * field.step) << at.shift
        for axis in rules.apart_groups:
            codes = node_groups.codes[axis]
            used = counts_by(codes, groups, counts) > 0
            used[0] = False
            self._first[used[codes + 1]] = FORBIDDEN
        if rules.apart_nodes or self._by_node:
            places = node_groups.position_of[numbers]
            self._scores[places] = CLOSED if rules.apart_nodes else self._scores[places] + (counts << _HERE)
            self.node_slots.borrowed.extend(present)

    def _settle(self, wanted: int, present: Mapping[int, int]) -> None:
        """Where affinity names no domain, keep the one in use, else choose one for the whole service."""
        rules, node_groups = self.rules, self.rules.node_groups
        if rules.joined is not None and present:
            here = np.zeros(int(rules.joined.max()) + 1, dtype=np.int64)
            for number, count in present.items():
                here[rules.joined[node_groups.group_of[number]]] += count
            self.chosen = int(here.argmax())
        elif rules.joined is not None:
            self.chosen = choose_domain(self._gathering(wanted), "together", rules.joined, None)
        if self.chosen is not None:
            self._first[rules.joined != self.chosen] = FORBIDDEN
        for at in rules.gathers if not present else ():
            field, place = rules.fields[at], self.packing.positions[at]
            assert field.codes is not None
            best = choose_domain(self._gathering(wanted), at, field.codes, at)
            if best is not None:
                self.targets[at] = best
                self.words[place.word] -= (field.codes == best).astype(np.int64) << place.shift

    def _gathering(self, wanted: int) -> Gathering:
        return Gathering(self.rules, self.node_slots, self.closed(), wanted, self.targets)


def counts_by(codes: Ints, groups: Ints, counts: Ints) -> Ints:
    """Return the count of resources in each domain; element 0 is for groups without the axis."""
    size = int(codes.max(initial=-1)) + 2
    return np.bincount(codes[groups] + 1, weights=counts, minlength=size).astype(np.int64)
