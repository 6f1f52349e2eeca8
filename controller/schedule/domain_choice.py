"""The domain in which a service gathers, where affinity names none and nothing of the service exists yet.

The domain is chosen for the whole service. In this order: it takes the most of the service, as far as the rules
before this one let it; then what the rules after it want, each in its turn; then the least room, so that large domains
stay free for large services; the most, where none takes the whole service. How even a spread inside a domain can be
is computed for each axis alone.

Not promised: the best domain where several soft rules come before the one that gathers, or where no domain takes the
whole service: there, a bound is compared.

Design: J3, J4, J5, J8
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from controller.schedule.inputs import Ints, Mask
from controller.schedule.node_slots import NodeSlots
from controller.schedule.rules import Field, Rules

_MISSING = 1 << 30
"""Cost of one resource on a node without the axis of a rule."""
_CACHED = 1024


@dataclass(frozen=True, slots=True)
class Gathering:
    """One service that gathers: so many resources, on groups that are not closed by hard rules."""

    rules: Rules
    node_slots: NodeSlots
    closed: Mask
    wanted: int
    targets: dict[int, int]
    """Field of a soft rule that gathers to the domain that was chosen for it."""


def choose_domain(service: Gathering, key: Hashable, codes: Ints, at: int | None) -> int | None:
    """Return the domain of ``codes``, which ``key`` stands for; None: no room.

    ``at`` is the field of a soft rule; None: hard affinity, which comes before all soft rules.
    """
    rules, wanted = service.rules, service.wanted
    slots, nodes = service.node_slots.by_group()
    closed = service.closed | (codes < 0)
    slots[closed] = nodes[closed] = 0
    inside = codes.clip(min=0)
    room = np.bincount(inside, weights=slots, minlength=int(inside.max()) + 1).astype(np.int64)
    if not room.any():
        return None
    slots = (nodes if rules.apart_nodes else slots).clip(max=wanted)
    by_node = any(field.named and field.codes is None for field in rules.fields)
    choice = _Choice(service, key, codes, slots)
    known = (key, wanted, choice.signature(at), tuple(service.targets.items()))
    best = None if by_node else rules.choices.get(known)
    if best is None:
        best = choice.best(at)
        if not by_node and len(rules.choices) < _CACHED:
            rules.choices[known] = best
    domains, takes_all = best
    return int(domains[room[domains].argmin() if takes_all else room[domains].argmax()])


class _Choice:
    """The rooms of groups, and what the rules make of them."""

    def __init__(self, service: Gathering, key: Hashable, codes: Ints, slots: Ints) -> None:
        self._rules, self._targets, self._wanted = service.rules, service.targets, service.wanted
        self._key, self._codes, self._slots = key, codes, slots
        self._domain = codes.clip(min=0)
        self._length = int(self._domain.max()) + 1
        self._node_slots = service.node_slots.slots
        self._spread: list[Field] = []
        """The rules that were considered and spread."""

    def signature(self, at: int | None) -> tuple[bytes, ...]:
        """Return what decides the choice: equal ones mean the same domains."""
        rules = self._rules
        preferred = at is not None and any(
            field.first is not None or number in self._targets for number, field in enumerate(rules.fields[:at])
        )
        if rules.apart_groups and preferred:
            return (self._slots.tobytes(),)  # which domains are apart depends on the groups that are left
        combined, length = rules.combined(self._key, self._codes)
        rooms = np.bincount(combined, weights=self._slots, minlength=length).clip(max=self._wanted)
        return rooms.tobytes(), self._room().clip(max=self._wanted).tobytes() if rules.apart_groups else b""

    def best(self, at: int | None) -> tuple[Ints, bool]:
        """Return the domains that are best for the rules, and whether they take the whole service."""
        fields = [(number, field) for number, field in enumerate(self._rules.fields) if field.named]
        before = [(number, field) for number, field in fields if at is not None and number < at]
        after = [field for number, field in fields if at is None or number > at]
        for number, field in before:
            self._prefer(field, self._targets.get(number))
        size = self._room()
        for _, field in before:
            if field.step >= 0:
                size = np.minimum(size, self._within_quota(field))
        size = size.clip(max=self._wanted)
        best: Ints = np.flatnonzero(size == size.max())
        for field in after:
            if len(best) > 1:
                cost = self._cost(field, size)[best]
                best = best[cost == cost.min()]
                self._narrow(field, size)
                if field.step > 0:
                    self._spread.append(field)
        return best, int(size.max()) >= self._wanted

    def _room(self) -> Ints:
        """Return how many of the service each domain takes, hard rules included."""
        room = self._sum(self._slots)
        for axis in self._rules.apart_groups:
            pairs, domain, _ = self._rules.crossing(self._key, self._codes, axis)
            open_pairs = np.bincount(pairs, weights=self._slots) > 0
            room = np.minimum(room, np.bincount(domain[open_pairs], minlength=self._length))
        return room

    def _prefer(self, field: Field, target: int | None) -> None:
        """Leave the groups that a rule before prefers, where they have room for all."""
        if field.first is not None:
            wanted = field.first == 0
        elif field.step < 0 and target is not None:
            wanted = field.codes == target
        else:
            return
        inside = np.where(wanted, self._slots, 0)
        if inside.sum() >= self._wanted:
            self._slots = inside

    def _within_quota(self, field: Field) -> Ints:
        """Return how many each domain takes where a rule before spreads over its own domains, or prefers one."""
        if field.first is not None:
            inside = np.where(field.first == 0, self._slots, 0)
            preferred = min(self._wanted, int(inside.sum()))
            elsewhere = self._sum(self._slots - inside).clip(max=self._wanted - preferred)
            return np.asarray(self._sum(inside).clip(max=preferred) + elsewhere, dtype=np.int64)
        domains, own, rooms = self._crossed(field, self._slots)
        total = np.bincount(own, weights=rooms).astype(np.int64)
        level = max(1, -(-self._wanted // max(1, int((total > 0).sum()))))
        while level < self._wanted and total.clip(max=level).sum() < self._wanted:
            level += 1
        counts = np.bincount(domains, weights=rooms.clip(max=level), minlength=self._length).astype(np.int64)
        lacking = max(0, self._wanted - int(total.sum()))  # go to nodes without the axis
        if lacking and field.codes is not None:
            counts += self._sum(np.where(field.codes < 0, self._slots, 0)).clip(max=lacking)
        return np.asarray(counts, dtype=np.int64)

    def _cost(self, field: Field, size: Ints) -> Ints:
        """Return what the rule costs in each domain that takes ``size`` of the service."""
        if field.first is not None:
            inside = np.where(field.first == 0, self._slots, 0)
            possible = np.minimum(size, self._sum(inside))
            for spread in self._spread:
                possible = np.minimum(possible, self._within_levels(spread, inside, size))
            return size - possible
        domains, _, rooms = self._crossed(field, self._slots)
        inside = np.bincount(domains, weights=rooms, minlength=self._length).astype(np.int64).clip(max=size)
        lacking = size - inside
        if field.step > 0:
            if not lacking.any() and _all_even(domains, rooms, size):
                return lacking
            return lacking * _MISSING + _unevenness(domains, rooms, inside)
        most = np.zeros(self._length, dtype=np.int64)
        np.maximum.at(most, domains, rooms)
        return lacking * _MISSING + inside - np.minimum(inside, most)

    def _within_levels(self, spread: Field, inside: Ints, size: Ints) -> Ints:
        """Return how many of ``inside`` each domain takes where a rule considered before spreads in it."""
        domains, _, rooms = self._crossed(spread, self._slots)
        level = _levels(domains, rooms, size)
        filled = np.bincount(domains, weights=np.minimum(rooms, level[domains]), minlength=self._length)
        level = level + (filled < size)
        domains, _, rooms = self._crossed(spread, inside)
        counts = np.minimum(rooms, level[domains])
        return np.bincount(domains, weights=counts, minlength=self._length).astype(np.int64)

    def _narrow(self, field: Field, size: Ints) -> None:
        """Leave to the rules after this one the groups that it prefers, in domains where they take all."""
        if field.first is not None:
            inside = np.where(field.first == 0, self._slots, 0)
            self._slots = np.where((self._sum(inside) >= size)[self._domain], inside, self._slots)

    def _sum(self, slots: Ints) -> Ints:
        total: Ints = np.bincount(self._domain, weights=slots, minlength=self._length).astype(np.int64)
        return total

    def _crossed(self, field: Field, slots: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the domain, the domain of the field's axis and the room, for each pair of these."""
        if field.codes is not None:
            pairs, domains, own = self._rules.crossing(self._key, self._codes, field.axis)
            rooms = np.bincount(pairs, weights=slots, minlength=len(own)).astype(np.int64)
            inside = own >= 0
            return domains[inside], own[inside], rooms[inside]
        groups = self._rules.node_groups
        of = groups.group_of[groups.order]
        rooms = np.minimum(self._node_slots, slots[of])
        if self._rules.apart_nodes:
            rooms = rooms.clip(max=1)
        return self._domain[of], np.arange(len(of)), rooms


def _all_even(domains: Ints, rooms: Ints, size: Ints) -> bool:
    """Return whether all domains take the same number, each wholly even over equally many rooms: the usual case."""
    counts = np.bincount(domains[rooms > 0], minlength=len(size))
    if (counts != counts[0]).any() or (size != size[0]).any() or not counts[0]:
        return False
    return not ((rooms > 0) & (rooms * counts[0] < size[0])).any()


def _levels(domains: Ints, rooms: Ints, size: Ints) -> Ints:
    """Return how many each room of a domain gets at least, or what it has, where ``size`` are spread over its rooms."""
    low, high = np.zeros(len(size), dtype=np.int64), np.maximum(size, 1)
    while (low < high).any():
        middle = (low + high + 1) // 2
        filled = np.bincount(domains, weights=np.minimum(rooms, middle[domains]), minlength=len(size))
        low, high = np.where(filled <= size, middle, low), np.where(filled <= size, high, middle - 1)
    return low


def _unevenness(domains: Ints, rooms: Ints, size: Ints) -> Ints:
    """Return the least sum of the counts that ``size`` resources find, spread over the rooms of each domain."""
    low = _levels(domains, rooms, size)
    full = np.minimum(rooms, low[domains])
    filled = np.bincount(domains, weights=full, minlength=len(size)).astype(np.int64)
    below: Ints = np.bincount(domains, weights=full * (full - 1) // 2, minlength=len(size)).astype(np.int64)
    return below + (size - filled) * low
