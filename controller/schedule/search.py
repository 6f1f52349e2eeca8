"""The search for the nodes of one service's resources that differ in their index only.

The order of choice: hard rules strike groups off; then the fields of ``rules``, the first that
differs decides; then best fit. A group is the candidate with the lowest cost; then its best node is
looked at, and if that has more of the service than the group's cost says, the cost is raised and
the groups are asked again. So a decision looks at the nodes of one or two groups, and is what a
look at all nodes would have found; only among groups that tie in every field does the best fit
go by the best node as it was when the search began.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np

from controller.model.node import Share
from controller.schedule import shares
from controller.schedule.inputs import Ints
from controller.schedule.node_slots import CLOSED, Openings
from controller.schedule.rules import FORBIDDEN, LIMIT, Rules
from controller.schedule.snapshot import Snapshot

_HERE = 40
"""Bits below the count of the service's resources in a node's score."""
COST = (1 << _HERE) - 1
"""What of a node's score is its cost (``fit``)."""


class Search:
    """What the rules mean for the service's next resource. ``openings`` is the search's until its end."""

    def __init__(
        self, snapshot: Snapshot, rules: Rules, openings: Openings, service: str, avoid: Iterable[str], wanted: int
    ) -> None:
        """``wanted`` resources are to be placed, on no node of ``avoid``."""
        self.snapshot, self.rules, self.openings = snapshot, rules, openings
        self.shape = openings.shape
        self.standing = snapshot.standing(service)
        self.chosen: int | None = None
        """The combined domain that hard affinity keeps to."""
        openings.refresh()
        self._scores = openings.score
        self._slices = rules.layout.slices
        self._raised: dict[int, int] = {}
        """Group to what of the service each of its nodes has at least."""
        present = {number: count for number, count in self.standing.items() if count > 0}
        self.packing = rules.packing(wanted + sum(present.values()))
        self.words = [word.copy() for word in self.packing.base]
        self._first = self.words[0]
        self._by_node = rules.node_field is not None
        self._raise = self.packing.places[rules.node_field] if rules.node_field is not None else None
        self._avoid(avoid)
        if present:
            self._count_standing(present)
        self._settle(wanted, present)
        self.words[-1] += openings.best >> self.packing.best
        self._first[openings.best >= CLOSED] = FORBIDDEN

    def choose(self) -> tuple[int, int] | None:
        """Group and place (in the order of the layout) of the node to take; None when there is none."""
        first, scores = self._first, self._scores
        while True:
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
        """Take the node, which ``choose`` has named."""
        snapshot, openings, shape = self.snapshot, self.openings, self.shape
        number = self.rules.layout.nodes[place]
        name = snapshot.nodes[number].name
        if shape.is_part and not snapshot.cells.counts[number]:
            share = shape.plain
            snapshot.take_plain(number, shape)
            left = openings.slots[place] - 1
        else:
            found = shares.share_with_room(snapshot, number, shape)
            assert found is not None
            share = found
            snapshot.take(name, share)
            left = shares.count_on(snapshot, number, shape)
        openings.slots[place] = left
        if left <= 0 or self.rules.apart_nodes:
            self._scores[place] = CLOSED
        else:
            here = ((int(self._scores[place]) >> _HERE) + 1) << _HERE if self._by_node else 0
            free = snapshot.free[number].tolist()
            self._scores[place] = here + openings.fit.cost(number, free, shape.need)
        standing = self.standing
        standing[number] = standing.get(number, 0) + 1
        for word, more in zip(self.words, self.packing.addition(group), strict=True):
            word += more
        return name, share

    def _lowest(self) -> int:
        """The group that is lowest in the first word; among equals in the next."""
        groups = np.flatnonzero(self._first == self._first.min())
        for word in self.words[1:]:
            if len(groups) == 1:
                break
            costs = word[groups]
            groups = groups[costs == costs.min()]
        return int(groups[0])

    def _avoid(self, names: Iterable[str]) -> None:
        for name in names:
            number = self.snapshot.index.get(name)
            if number is not None:
                place = int(self.rules.layout.place_of[number])
                self._scores[place] = CLOSED
                self.openings.slots[place] = 0
                self.openings.borrowed.append(number)

    def _count_standing(self, present: Mapping[int, int]) -> None:
        """What of the service stands already counts for its rules."""
        rules, layout = self.rules, self.rules.layout
        numbers = np.fromiter(present, dtype=np.int64, count=len(present))
        counts = np.fromiter(present.values(), dtype=np.int64, count=len(present))
        groups = layout.group_of[numbers]
        for field, at in zip(rules.fields, self.packing.places, strict=True):
            if field.codes is not None and field.step:
                here = counts_by(field.codes, groups, counts)
                if field.named:
                    here[0] = 0
                self.words[at.word] += (here[field.codes + 1] * field.step) << at.shift
        for axis in rules.apart_groups:
            codes = layout.codes[axis]
            used = counts_by(codes, groups, counts) > 0
            used[0] = False
            self._first[used[codes + 1]] = FORBIDDEN
        if rules.apart_nodes or self._by_node:
            places = layout.place_of[numbers]
            self._scores[places] = CLOSED if rules.apart_nodes else self._scores[places] + (counts << _HERE)
            self.openings.borrowed.extend(present)

    def _settle(self, wanted: int, present: Mapping[int, int]) -> None:
        """Where affinity names no domain: keep to the one in use, else choose one that takes the whole group."""
        rules, layout = self.rules, self.rules.layout
        if rules.joined is not None:
            if present:
                here = np.zeros(int(rules.joined.max()) + 1, dtype=np.int64)
                for number, count in present.items():
                    here[rules.joined[layout.group_of[number]]] += count
                self.chosen = int(here.argmax())
            else:
                self.chosen = self._tightest("together", rules.joined, wanted)
            if self.chosen is not None:
                self._first[rules.joined != self.chosen] = FORBIDDEN
        for at in rules.gathers if not present else ():
            field, place = rules.fields[at], self.packing.places[at]
            assert field.codes is not None
            best = self._tightest(at, field.codes, wanted)
            if best is not None:
                self.words[place.word] -= (field.codes == best).astype(np.int64) << place.shift

    def _tightest(self, key: Hashable, codes: Ints, wanted: int) -> int | None:
        """The domain with the least room that takes all; when none does, the roomiest; None: no room at all."""
        slots, nodes = self.openings.by_group()
        closed = (self._first >= LIMIT) | (codes < 0)
        slots[closed] = nodes[closed] = 0
        size = int(codes.max(initial=0)) + 1
        inside = codes.clip(min=0)
        room = np.bincount(inside, weights=slots, minlength=size)
        if not room.any():
            return None
        for axis in self.rules.apart_groups:
            pairs, domain = self.rules.crossing(key, codes, axis)
            open_pairs = np.bincount(pairs, weights=slots) > 0
            room = np.minimum(room, np.bincount(domain[open_pairs], minlength=size))
        if self.rules.apart_nodes:
            room = np.minimum(room, np.bincount(inside, weights=nodes, minlength=size))
        enough = np.flatnonzero(room >= wanted)
        return int(enough[room[enough].argmin()]) if len(enough) else int(room.argmax())


def counts_by(codes: Ints, groups: Ints, counts: Ints) -> Ints:
    """Count of resources in each domain; element 0 is for groups without the axis."""
    size = int(codes.max(initial=-1)) + 2
    return np.bincount(codes[groups] + 1, weights=counts, minlength=size).astype(np.int64)
