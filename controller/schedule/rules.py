"""A service's rules over the nodes: what they forbid and what they prefer (J3-J5, J8, J11).

``Rules`` holds, for one service and one policy, the count of the service's resources in every
domain of every axis that matters. ``added`` keeps them up to date after each placement in time
that does not depend on the number of nodes (but for hard rules, which strike nodes off).

Hard anti-affinity: no second resource of the service in the domain. Hard affinity: all in one
domain; which one is settled by what stands already, else chosen so that the whole group fits.
Nodes without the axis are not taken by hard rules, and taken last by soft ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.model.node import Capacity
from controller.model.schedule_policy import RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule.snapshot import Domains, Ints, Mask, Snapshot, columns

SPREAD = ("datacenter", "power", "network", "rack", "node")
"""Axes spread over where the policy says nothing of them, in this order."""


@dataclass
class _Preference:
    """An order over nodes: ``cost[code + 1]`` of the node's domain, the lowest first."""

    domains: Domains
    cost: Ints
    step: int
    """What one more resource adds to its domain's cost: 1 spreads, -1 gathers, 0 is settled."""

    def of(self, candidates: Ints) -> Ints:
        costs: Ints = self.cost[self.domains.codes[candidates] + 1]
        return costs


class Rules:
    """What the policy means for the service's next resource."""

    def __init__(
        self, snapshot: Snapshot, service: str, policy: SchedulePolicy, need: Capacity, able: Mask, group: int
    ) -> None:
        """``able`` are nodes with room that the filters let through; ``group`` how many are to be placed."""
        self._snapshot = snapshot
        self._standing = snapshot.on_nodes(service)
        rules = policy.all_rules()
        self._apart = [rule.axis for rule in rules if rule.hard and rule.mode is RuleMode.ANTI_AFFINITY]
        self._together = [rule for rule in rules if rule.hard and rule.mode is RuleMode.AFFINITY]
        self.allowed = self._within_hard_apart()
        self._strike_values()
        self._settle_together(able, need, group)
        self.preferences = self._preferences(rules, able, need, group)

    def added(self, number: int) -> None:
        """One more resource of the service stands on the node of that number."""
        self._standing[number] += 1
        for axis in self._apart:
            codes = self._snapshot.domains(axis).codes
            self.allowed &= codes != codes[number]
        for preference in self.preferences:
            preference.cost[preference.domains.codes[number] + 1] += preference.step

    def choose(self, candidates: Ints) -> Ints:
        """The candidates that the soft rules and the spread like best; in order of the rules."""
        for preference in self.preferences:
            if len(candidates) == 1:
                break
            costs = preference.of(candidates)
            candidates = candidates[costs == costs.min()]
        return candidates

    def reason(self, number: int) -> str | None:
        """Which hard rule forbids the node; None when none does."""
        for axis in self._apart:
            codes = self._snapshot.domains(axis).codes
            if codes[number] < 0:
                return f"without {axis}"
            if self._in_domains(axis)[codes[number] + 1]:
                return f"{axis} already used"
        for rule in self._together:
            domains = self._snapshot.domains(rule.axis)
            if domains.codes[number] < 0:
                return f"without {rule.axis}"
            if rule.value is not None and domains.codes[number] != domains.code_of(rule.value):
                return f"not in {rule.axis} {rule.value}"
        if not self.allowed[number]:
            return f"in another {' and '.join(rule.axis for rule in self._together)} than the service"
        return None

    def _in_domains(self, axis: str) -> Ints:
        """Count of the service's resources in each domain; element 0 is for nodes without the axis."""
        domains = self._snapshot.domains(axis)
        counts = np.bincount(domains.codes + 1, weights=self._standing, minlength=len(domains.names) + 1)
        return counts.astype(np.int64)

    def _within_hard_apart(self) -> Mask:
        allowed: Mask = np.ones(len(self._snapshot), dtype=np.bool_)
        for axis in self._apart:
            codes = self._snapshot.domains(axis).codes
            allowed &= (codes >= 0) & (self._in_domains(axis)[codes + 1] == 0)
        return allowed

    def _strike_values(self) -> None:
        for rule in self._together:
            domains = self._snapshot.domains(rule.axis)
            self.allowed &= domains.codes >= 0 if rule.value is None else domains.codes == domains.code_of(rule.value)

    def _settle_together(self, able: Mask, need: Capacity, group: int) -> None:
        """Where hard affinity names no domain: keep to the one taken already, else choose one."""
        axes = [rule.axis for rule in self._together if rule.value is None]
        if not axes or not len(self._snapshot):
            return
        joined = np.stack([self._snapshot.domains(axis).codes for axis in axes])
        _, codes = np.unique(joined, axis=1, return_inverse=True)
        codes = codes.reshape(-1)
        if self._standing.any():
            taken = np.bincount(codes, weights=self._standing)
            self.allowed &= codes == int(taken.argmax())
            return
        room = self._room(codes, able & self.allowed, need)
        if room.any():
            self.allowed &= codes == _tightest(room, group)

    def _room(self, codes: Ints, able: Mask, need: Capacity) -> Ints:
        """How many resources of that need each domain could take, hard anti-affinity considered."""
        size = int(codes.max(initial=-1)) + 1
        wants = np.array(columns(need), dtype=np.int64)
        slots = (self._snapshot.free // np.maximum(wants, 1)).min(axis=1, where=wants > 0, initial=1 << 30)
        slots = np.where(able, np.maximum(slots, 0), 0)
        room = np.bincount(codes, weights=slots, minlength=size)
        for axis in self._apart if room.any() else ():
            own = self._snapshot.domains(axis).codes
            pairs = np.unique(np.stack([codes[slots > 0], own[slots > 0]]), axis=1)
            room = np.minimum(room, np.bincount(pairs[0], minlength=size))
        return room.astype(np.int64)

    def _preferences(
        self, rules: tuple[ScheduleRule, ...], able: Mask, need: Capacity, group: int
    ) -> list[_Preference]:
        preferences = []
        named = {rule.axis for rule in rules}
        for rule in rules:
            if rule.hard:
                continue
            domains = self._snapshot.domains(rule.axis)
            counts = self._in_domains(rule.axis)
            if rule.mode is RuleMode.ANTI_AFFINITY:
                counts[0] = 1 << 40
                preferences.append(_Preference(domains, counts, 1))
            elif rule.value is not None:
                cost = np.ones(len(domains.names) + 1, dtype=np.int64)
                if rule.value in domains.names:
                    cost[domains.code_of(rule.value) + 1] = 0
                preferences.append(_Preference(domains, cost, 0))
            else:
                preferences.append(_Preference(domains, self._gather(domains, counts, able, need, group), -1))
        preferences.extend(
            _Preference(self._snapshot.domains(axis), self._in_domains(axis), 1)
            for axis in SPREAD
            if axis not in named and len(self._snapshot.domains(axis).names) > 1
        )
        return preferences

    def _gather(self, domains: Domains, counts: Ints, able: Mask, need: Capacity, group: int) -> Ints:
        """Costs that gather: the fullest domain first; where none is used yet, the tightest that fits all."""
        cost = -counts
        cost[0] = 1 << 40
        if not counts.any():
            room = self._room(domains.codes + 1, able & self.allowed & (domains.codes >= 0), need)
            if room.any():
                cost[_tightest(room, group)] = -1
        return cost


def _tightest(room: Ints, group: int) -> int:
    """The domain with the least room that takes the whole group; when none does, the roomiest."""
    enough = np.flatnonzero(room >= group)
    return int(enough[room[enough].argmin()]) if len(enough) else int(room.argmax())
