"""A better order over the domains, where taking the best node each time leads into a dead end.

Each choice of ``search`` is the best for the rules in their order; among equals it takes the best fit. Over two axes
that cross, that can be a trap: 2 powers and 3 networks, and only power A reaches network 3. Where the first resources
use up power A on network 1, a later one finds no node that is even over both. ``better_order`` sees the whole batch.

What is compared is, for each rule in order, how much less even every prefix is than the room of that axis alone
allows, summed. Where some order has every prefix even over every axis, the result has; else the least for the
first rule, then for the next.

Bounded: at most ``_STATES`` states and ``HORIZON`` resources, and no policy with more than ``COMBINATIONS`` of domains
(``rules``); where that does not suffice, the given order stays. Not considered: the axes that no rule names, and best
fit, which choose inside the combinations of domains.

Design: J3, J4, J5, J8
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

import numpy as np

from controller.schedule.inputs import Ints
from controller.schedule.node_slots import CLOSED
from controller.schedule.rules import Field, Rules
from controller.schedule.search import Search

HORIZON = 64
"""The number of resources that are ordered together."""
_STATES = 600
_WORK = 40_000
"""Most costs of combinations."""
_BRANCHES = 32
"""Combinations that are tried after one state: the best of them."""
_MISSING = 1 << 20
"""Cost of a domain without the axis of a rule."""

Costs = tuple[int, ...]
"""One number for each preference, the first the most significant."""
_State = tuple[Costs, int, int, tuple[int, ...], Costs, tuple[int, ...]]
"""What it costs, minus its number of resources, serial, the number in each combination, their sums, their order."""


@dataclass(frozen=True, slots=True)
class _Preference:
    """A soft rule over the combinations of domains."""

    codes: list[int]
    """Domain of each combination; ``fixed``: the cost of it."""
    fixed: bool
    given: dict[int, int]
    """How many resources of the service each domain has at the start."""
    floor: list[int]
    """The least possible sum of costs of the first resources, for each number of them."""

    def costs(self, taken: Sequence[int]) -> list[int]:
        """Return the cost of one more in each combination, where ``taken`` are in each."""
        if self.fixed:
            return self.codes
        counts = self.given.copy()
        for code, more in zip(self.codes, taken, strict=True):
            if more:
                counts[code] = counts.get(code, 0) + more
        return [counts.get(code, 0) if code >= 0 else _MISSING for code in self.codes]


def looks_even(search: Search, groups: Sequence[int]) -> bool:
    """Return whether groups that were just taken are even over every axis; False also where room forces it."""
    of_node = search.rules.node_groups.group_of
    before: dict[int, int] = {}
    for number, here in search.counts_by_node.items():
        group = int(of_node[number])
        before[group] = before.get(group, 0) + here
    for group in groups:
        before[group] -= 1
    for codes, domains in search.rules.spread:
        counts = dict.fromkeys(domains, 0)
        for group, here in before.items():
            if codes[group] >= 0:
                counts[codes[group]] += here
        for group in groups:
            own = codes[group]
            if own < 0 or counts[own] > min(counts.values()):
                return False
            counts[own] += 1
    return True


def better_order(search: Search, groups: Sequence[int]) -> list[Ints] | None:
    """Return the groups to choose from for each resource; None where ``groups``, one for each, is not improved.

    The search is one that has not taken anything yet.
    """
    rules = search.rules
    slots = np.where(search.node_slots.score < CLOSED, search.node_slots.slots, 0).clip(min=0, max=len(groups))
    if rules.apart_nodes:
        slots = slots.clip(max=1)
    room = np.add.reduceat(slots, rules.node_groups.starts)
    room[search.closed()] = 0
    combined, of_group = _combinations(rules, room)
    room_of = np.bincount(of_group[room > 0], weights=room[room > 0], minlength=len(combined)).astype(int).tolist()
    preferences = list(_preferences(search, combined, room_of, len(groups)))
    apart = [rules.node_groups.codes[axis][combined].tolist() for axis in rules.apart_groups]
    problem = _Problem(preferences, room_of, apart)
    given = [int(of_group[group]) for group in groups]
    key = (tuple(given), tuple(room_of), tuple(tuple(sorted(each.given.items())) for each in preferences))
    found = rules.orders.get(key, given)
    if found is given:
        found = problem.solve(given)
        search.snapshot.work.orders += problem.states
        if len(rules.orders) < 1024:
            rules.orders[key] = found
    if found is None:
        return None
    return [np.flatnonzero((of_group == at) & (room > 0)) for at in found]


def _combinations(rules: Rules, room: Ints) -> tuple[Ints, Ints]:
    """Return a group of each combination of the rules' domains, and the combination of each group."""
    axes = [field.codes for field in rules.fields if field.named and field.codes is not None]
    axes += [rules.node_groups.codes[axis] for axis in rules.apart_groups]
    rows = np.stack([*axes, room > 0], axis=1)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.reshape(-1).astype(np.int64)


def _preferences(search: Search, combined: Ints, room: Sequence[int], wanted: int) -> Iterator[_Preference]:
    rules = search.rules
    groups = [int(rules.node_groups.group_of[number]) for number in search.counts_by_node]
    for at, field in enumerate(rules.fields):
        if not field.named or field.codes is None:
            continue
        if field.step > 0:
            codes = field.codes[combined].tolist()
            given: dict[int, int] = {}
            for group, here in zip(groups, search.counts_by_node.values(), strict=True):
                own = int(field.codes[group])
                given[own] = given.get(own, 0) + here
            yield _Preference(codes, False, given, _floor(codes, room, given, wanted))
        else:
            codes = _fixed(field, search.targets.get(at)).take(combined).tolist()
            costs = sorted(cost for cost, here in zip(codes, room, strict=True) for _ in range(min(here, wanted)))
            yield _Preference(codes, True, {}, list(accumulate(costs[:wanted])))


def _fixed(field: Field, target: int | None) -> Ints:
    assert field.codes is not None
    if field.first is not None:
        return field.first
    if target is None:
        return np.zeros(len(field.codes), dtype=np.int64)
    elsewhere: Ints = (field.codes != target).astype(np.int64)
    return elsewhere


def _floor(codes: Sequence[int], room: Sequence[int], given: dict[int, int], wanted: int) -> list[int]:
    """Return the sums of costs of the first resources, as even over this axis as its room allows."""
    left: dict[int, int] = {}
    for code, here in zip(codes, room, strict=True):
        left[code] = left.get(code, 0) + here
    costs = [
        given.get(code, 0) + more if code >= 0 else _MISSING
        for code, here in left.items()
        for more in range(min(here, wanted))
    ]
    return list(accumulate(sorted(costs)[:wanted]))


class _Problem:
    """Combinations, their room, and the rules over them."""

    def __init__(self, preferences: list[_Preference], room: list[int], apart: list[list[int]]) -> None:
        self._preferences, self._room, self._apart = preferences, room, apart
        self.states = 0
        """How many states were looked at."""

    def solve(self, given: list[int]) -> list[int] | None:
        """Return a better order of combinations than the given one; None: none was found."""
        limit = self._costs_of(given)
        nothing = (0,) * len(self._preferences)
        if limit <= nothing:
            return None
        serial = count()
        start: tuple[int, ...] = (0,) * len(self._room)
        heap: list[_State] = [(nothing, 0, next(serial), start, nothing, ())]
        seen: set[tuple[int, ...]] = set()
        most = min(_STATES, max(len(given), _WORK // len(self._room)))
        while heap and self.states < most:
            total, depth, _, taken, sums, order = heapq.heappop(heap)
            if -depth == len(given):
                return list(order)
            if taken in seen:
                continue
            seen.add(taken)
            self.states += 1
            nexts = []
            costs = [each.costs(taken) for each in self._preferences]
            for at in self._open(taken):
                more = _added(sums, costs, at)
                summed = self._summed(total, more, -depth)
                if summed < limit:
                    nexts.append((summed, at, more))
            for summed, at, more in sorted(nexts, key=lambda each: each[0])[:_BRANCHES]:
                after = (*taken[:at], taken[at] + 1, *taken[at + 1 :])
                heapq.heappush(heap, (summed, depth - 1, next(serial), after, more, (*order, at)))
        return None

    def _costs_of(self, given: list[int]) -> Costs:
        taken = [0] * len(self._room)
        total = sums = (0,) * len(self._preferences)
        for depth, at in enumerate(given):
            sums = _added(sums, [each.costs(taken) for each in self._preferences], at)
            total = self._summed(total, sums, depth)
            taken[at] += 1
        return total

    def _summed(self, total: Costs, sums: Costs, depth: int) -> Costs:
        return tuple(
            before + own - each.floor[depth] for before, own, each in zip(total, sums, self._preferences, strict=True)
        )

    def _open(self, taken: tuple[int, ...]) -> list[int]:
        open_ = [at for at, room in enumerate(self._room) if taken[at] < room]
        for codes in self._apart:
            used = {code for code, here in zip(codes, taken, strict=True) if here}
            open_ = [at for at in open_ if codes[at] not in used]
        return open_


def _added(sums: Costs, costs: Sequence[Sequence[int]], at: int) -> Costs:
    return tuple(own + each[at] for own, each in zip(sums, costs, strict=True))
