"""Scores how evenly the Computes of one service are spread, as numbers that can be compared.

A score is a tuple: first how many hard rules are broken, then one number per axis, in the order in
which placement applies them (the service's soft rules, then the axes that are spread over by
default). Less is better, and an earlier number outweighs all later ones.

The number of an axis that is spread over is the sum of the squares of the counts per domain: one
resource moved from a domain with ``a`` to one with ``b`` changes it by ``2 (b - a + 1)``, so that it
falls exactly when the two differ by two or more. Pure: no I/O, no clock.

Design: J3, J4, J5, J11
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.model.hard_rules import misplaced
from controller.model.node import Node
from controller.model.schedule_policy import AXES, RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule.rules import SPREAD

Score = tuple[int, ...]
_OUTSIDE = 1 << 40
"""Weight of a node that has no domain of the axis: chosen last, as in placement."""


class Topology:
    """The domain of every node, by axis; computed once per axis."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes
        self._axes: dict[str, dict[str, str | None]] = {}

    def domain(self, axis: str, node: str) -> str | None:
        """Return the domain of the node; None when it is not known."""
        return self._axis(axis).get(node)

    def has_several(self, axis: str) -> bool:
        """Return whether the axis has several domains to spread over."""
        return len({name for name in self._axis(axis).values() if name is not None}) > 1

    def _axis(self, axis: str) -> dict[str, str | None]:
        if axis not in self._axes:
            self._axes[axis] = {name: _domain(node, axis) for name, node in self.nodes.items()}
        return self._axes[axis]


@dataclass(frozen=True)
class _Level:
    """One soft rule, or an axis that is spread over by default."""

    axis: str
    gathers: bool = False
    value: str | None = None
    by_default: bool = False


class Spread:
    """The scores of one policy: ``places`` are the nodes of the resources, in index order."""

    def __init__(self, policy: SchedulePolicy, topology: Topology) -> None:
        self._policy = policy
        self._topology = topology
        rules = policy.all_rules()
        self._hard = [rule for rule in rules if rule.hard]
        named = {rule.axis for rule in rules}
        self._levels = [
            _Level(rule.axis, rule.mode is RuleMode.AFFINITY, rule.value) for rule in rules if not rule.hard
        ]
        self._levels += [
            _Level(axis, by_default=True) for axis in SPREAD if axis not in named and topology.has_several(axis)
        ]

    def score(self, places: Sequence[str]) -> Score:
        """Return the score of the places; less is better, see the module."""
        return (self.violations(places), *(self._cost(level, places) for level in self._levels))

    def violations(self, places: Sequence[str]) -> int:
        """Return how many resources are where the hard rules and filters do not allow them."""
        broken = sum(not self.admits(node) for node in places)
        return broken + sum(self._broken(rule, places) for rule in self._hard)

    def admits(self, node: str) -> bool:
        """Return whether the policy's filters admit the node."""
        policy, found = self._policy, self._topology.nodes.get(node)
        if policy.node_filters and node not in policy.node_filters:
            return False
        labels = found.labels if found is not None else {}
        return all(labels.get(label) == value for label, value in policy.node_label_filters.items())

    def kinds(self, places: Sequence[str]) -> dict[str, tuple[Score, tuple[str | None, ...]]]:
        """Return how crowded the domains of each node are, and which they are: a higher score promises more.

        Nodes of one kind are equal in everything that the policy uses.
        """
        counts = [self._counts(level.axis, places) for level in self._levels]
        signs = [-1 if level.gathers else 1 for level in self._levels]
        hard = [rule.axis for rule in self._hard]
        broken = self.violations(places)
        found = {}
        for node in set(places):
            relief = 0
            if broken:
                without = list(places)
                without.remove(node)
                relief = broken - self.violations(without)
            at = [self._at(level.axis, node) for level in self._levels]
            crowds = (sign * count[domain] for sign, count, domain in zip(signs, counts, at, strict=True))
            other = [self._at(axis, node) for axis in hard]
            named = zip([*(level.axis for level in self._levels), *hard], [*at, *other], strict=True)
            where = tuple(None if axis == "node" else domain for axis, domain in named)
            found[node] = (relief, *crowds), where
        return found

    def prefixes(self, places: Sequence[str]) -> Score:
        """Return the score of the axes that are spread over, summed over every prefix of the index order."""
        totals = []
        for level in self._levels:
            if level.gathers:
                continue
            counts: Counter[str | None] = Counter()
            cost = total = 0
            for node in places:
                domain = self._at(level.axis, node)
                cost += 2 * counts[domain] + 1
                counts[domain] += 1
                total += cost
            totals.append(total)
        return tuple(totals)

    def why(self, places: Sequence[str], source: str, target: str) -> str:
        """Return what a move from ``source`` to ``target`` improves: ``rack r1 has 3, r2 has 1``."""
        after = list(places)
        after.remove(source)
        after.append(target)
        if not self.admits(source):
            return f"the service's filters no longer admit {source}"
        for rule in self._hard:
            if self._broken(rule, after) < self._broken(rule, places):
                demand = "together in" if rule.mode is RuleMode.AFFINITY else "apart over"
                return f"must be {demand} {rule.axis}: {self._counts_text(rule.axis, places, source, target)}"
        for level in self._levels:
            if self._cost(level, after) < self._cost(level, places):
                return self._counts_text(level.axis, places, source, target)
        return ""

    def _counts_text(self, axis: str, places: Sequence[str], source: str, target: str) -> str:
        counts = self._counts(axis, places)
        one, other = self._at(axis, source), self._at(axis, target)
        return f"{axis} {one or '(none)'} has {counts[one]}, {other or '(none)'} has {counts[other]}"

    def _at(self, axis: str, node: str) -> str | None:
        return self._topology.domain(axis, node)

    def _counts(self, axis: str, places: Sequence[str]) -> Counter[str | None]:
        return Counter(self._at(axis, node) for node in places)

    def _broken(self, rule: ScheduleRule, places: Sequence[str]) -> int:
        return misplaced(rule, self._counts(rule.axis, places))

    def _cost(self, level: _Level, places: Sequence[str]) -> int:
        counts = self._counts(level.axis, places)
        if level.value is not None:
            return len(places) - counts[level.value]
        outside = 0 if level.by_default else counts.pop(None, 0)
        squares = sum(count * count for count in counts.values())
        return outside * _OUTSIDE + (-squares if level.gathers else squares)


def _domain(node: Node, axis: str) -> str | None:
    if axis not in AXES:
        return node.labels.get(axis)
    found = node.facts.zones.get(axis)
    return found if found else node.name if axis == "node" else None
