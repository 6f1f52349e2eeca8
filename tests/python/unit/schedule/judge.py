"""What a policy makes of nodes, worked out slowly and simply: for tests that look at placements afterwards.

Knows no groups, no packed costs and no memory. A cost is a tuple, one number for each preference of the
policy in order: the soft rules, then the spread over the axes that no rule names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.model.schedule_policy import AXES, RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule import NodeFacts
from controller.schedule.rules import SPREAD

LAST = 1 << 40
"""Cost of a node without the axis of a soft rule."""


def domain_of(node: NodeFacts, axis: str) -> str | None:
    """Where the node stands; None: nowhere."""
    if axis not in AXES:
        return node.labels.get(axis)
    return node.zones.get(axis) or (node.name if axis == "node" else None)


@dataclass(frozen=True)
class Preference:
    """A soft rule, or (``rule`` None) an axis that is spread over by default."""

    axis: str
    rule: ScheduleRule | None = None

    @property
    def gathers(self) -> bool:
        """It depends on what stands already where it gathers."""
        return self.rule is not None and self.rule.mode is RuleMode.AFFINITY and self.rule.value is None


class Judge:
    """One policy on some nodes."""

    def __init__(self, nodes: Mapping[str, NodeFacts], policy: SchedulePolicy) -> None:
        self.nodes, self.policy = nodes, policy
        rules = policy.all_rules()
        self.hard = [rule for rule in rules if rule.hard]
        self.preferences = [Preference(rule.axis, rule) for rule in rules if not rule.hard]
        named = {rule.axis for rule in rules}
        for axis in SPREAD:
            domains = {domain_of(node, axis) for node in nodes.values()} - {None}
            if axis not in named and len(domains) > 1:
                self.preferences.append(Preference(axis))
        self.gathers_hard = any(rule.mode is RuleMode.AFFINITY and rule.value is None for rule in self.hard)

    def domain(self, axis: str, name: str) -> str | None:
        """Where the node of that name stands."""
        return domain_of(self.nodes[name], axis)

    def counts(self, axis: str, here: Mapping[str, int]) -> Counter[str | None]:
        """Of what stands (node to count), how many in each domain."""
        found: Counter[str | None] = Counter()
        for name, count in here.items():
            found[self.domain(axis, name)] += count
        return found

    def cost(self, name: str, here: Mapping[str, int]) -> tuple[int, ...]:
        """What another one on that node costs; it ends before a rule that gathers while nothing stands."""
        found = []
        settled = any(here.values())
        for each in self.preferences:
            own = self.domain(each.axis, name)
            if each.gathers and not settled:
                break
            if each.rule is None:
                found.append(self.counts(each.axis, here)[own])
            elif each.rule.value is not None:
                found.append(int(own != each.rule.value))
            elif own is None:
                found.append(LAST)
            else:
                sign = -1 if each.gathers else 1
                found.append(sign * self.counts(each.axis, here)[own])
        return tuple(found)

    def admits(self, name: str) -> bool:
        """Filters, and hard rules as far as they are about the node alone."""
        node, policy = self.nodes[name], self.policy
        if policy.node_filters and name not in policy.node_filters:
            return False
        if any(node.labels.get(label) != value for label, value in policy.node_label_filters.items()):
            return False
        at = [(rule, domain_of(node, rule.axis)) for rule in self.hard]
        return all(own is not None and rule.value in (None, own) for rule, own in at)

    def allows(self, name: str, here: Mapping[str, int]) -> bool:
        """``admits``, and the hard rules with what stands."""
        if not self.admits(name):
            return False
        for rule in self.hard:
            own = self.domain(rule.axis, name)
            used = {domain for domain, count in self.counts(rule.axis, here).items() if count}
            if rule.mode is RuleMode.ANTI_AFFINITY and own in used:
                return False
            if rule.mode is RuleMode.AFFINITY and used - {own}:
                return False
        return True

    def broken(self, places: Sequence[Iterable[str]]) -> list[str]:
        """Hard rules that are broken; ``places`` are the nodes on which each resource is, or may end."""
        found = [f"{name} is not admitted" for each in places for name in each if not self.admits(name)]
        for rule in self.hard:
            apart = rule.mode is RuleMode.ANTI_AFFINITY
            sets = [{self.domain(rule.axis, name) for name in each} for each in places]
            for at, one in enumerate(sets):
                for other in sets[:at]:
                    if one & other if apart else one != other:
                        found.append(f"{rule.axis} {rule.mode.value}: {sorted(map(str, one | other))}")
        return found

    def out_of_order(self, places: Sequence[str], start: int = 0) -> str:
        """Which resource would have made its prefix evener on the node of a later one; empty: none.

        ``places`` are the nodes in index order; those before ``start`` are given.
        """
        here: Counter[str] = Counter(places[:start])
        for at in range(start, len(places)):
            own = self.cost(places[at], here)
            for later in dict.fromkeys(places[at + 1 :]):
                if self.cost(later, here) < own and self.allows(later, here):
                    return f"index {at} on {places[at]} costs {own}, on {later} {self.cost(later, here)}"
            here[places[at]] += 1
        return ""

    def uneven(self, places: Sequence[str], slots: Mapping[str, int]) -> str:
        """Which prefix is less even over the first axis than the room (``slots`` by node) allows; empty: none.

        Even: no other choice of domains with as many resources has a smaller sum of squares.
        """
        first = self.preferences[0] if self.preferences else None
        if first is None or (first.rule is not None and first.rule.mode is RuleMode.AFFINITY):
            return ""
        room = self.counts(first.axis, {name: count for name, count in slots.items() if self.admits(name)})
        outside = room.pop(None, 0) if first.rule is not None else 0
        best: Counter[str | None] = Counter()
        counts: Counter[str | None] = Counter()
        for length, name in enumerate(places, 1):
            counts[self.domain(first.axis, name)] += 1
            open_ = [domain for domain in room if best[domain] < room[domain]]
            if not open_:
                return "" if outside else f"prefix {length} has no room"
            best[min(open_, key=lambda domain: best[domain])] += 1
            if sorted(counts.values()) != sorted(count for count in best.values() if count):
                return f"prefix {length} over {first.axis}: {dict(counts)}, possible {sorted(best.values())}"
        return ""
