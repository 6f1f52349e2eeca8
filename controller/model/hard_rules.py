"""Which hard rules of a service are broken where its Computes are, in words for its user.

Only hard rules and filters are reported: placement promises them, so that a broken one means that the policy, a zone
or a label was changed afterwards. How even soft rules are depends on the free room of all nodes; that is what the plan
of a rebalance answers.

A rule is not checked while one of the places is not reported completely enough for it. Pure: no I/O, no clock.

Design: J3, J5, J11
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.model.schedule_policy import AXES, RuleMode, SchedulePolicy, ScheduleRule

_SHOWN = 3
"""Domains that the text of one rule names."""


@dataclass(frozen=True)
class Place:
    """Where one Compute is; None: not reported."""

    node: str | None
    zones: Mapping[str, str] | None
    labels: Mapping[str, str] | None
    """Those of the node that ``label_axes`` names, at least."""

    def domains(self, axis: str) -> Mapping[str, str] | None:
        """Return the mapping that has the node's domain of the axis, if it has one."""
        if axis == "node":
            return {"node": self.node} if self.node else None
        return self.zones if axis in AXES else self.labels


def label_axes(policy: SchedulePolicy) -> list[str]:
    """Return the node labels that the hard rules and the filters are about."""
    named = [rule.axis for rule in policy.all_rules() if rule.hard and rule.axis not in AXES]
    return list(dict.fromkeys([*named, *policy.node_label_filters]))


def misplaced(rule: ScheduleRule, counts: Mapping[str | None, int]) -> int:
    """Return how many resources are where a hard rule does not allow them, for the counts of its axis's domains."""
    inside = {domain: count for domain, count in counts.items() if domain is not None}
    outside = counts.get(None, 0)
    if rule.mode is RuleMode.ANTI_AFFINITY:
        return outside + sum(count - 1 for count in inside.values())
    kept = inside.get(rule.value, 0) if rule.value is not None else max(inside.values(), default=0)
    return outside + sum(inside.values()) - kept


def broken(policy: SchedulePolicy, places: Sequence[Place]) -> tuple[str, ...]:
    """Return one text per broken rule or filter, as ``rack AntiAffinity (hard) is violated: 2 on rack r1``."""
    texts = [_rule_text(rule, places) for rule in policy.all_rules() if rule.hard]
    texts.append(_nodes_text(policy, places))
    texts += [_label_text(label, value, places) for label, value in policy.node_label_filters.items()]
    return tuple(dict.fromkeys(text for text in texts if text))


def _rule_text(rule: ScheduleRule, places: Sequence[Place]) -> str:
    counts = _counts(rule.axis, [place.domains(rule.axis) for place in places])
    if not misplaced(rule, counts):
        return ""
    gathers = rule.mode is RuleMode.AFFINITY
    found_at = {
        domain: count
        for domain, count in counts.items()
        if domain is None or (domain != rule.value if gathers else count > 1)
    }
    to = f" to {rule.value}" if rule.value is not None else ""
    return f"{rule.axis} {rule.mode.value}{to} (hard) is violated: {_listed(rule.axis, found_at)}"


def _nodes_text(policy: SchedulePolicy, places: Sequence[Place]) -> str:
    counts = _counts("node", [place.domains("node") for place in places])
    found_at = {node: count for node, count in counts.items() if node not in policy.node_filters}
    return f"node_filters is violated: {_listed('node', found_at)}" if found_at and policy.node_filters else ""


def _label_text(label: str, value: str, places: Sequence[Place]) -> str:
    counts = _counts(label, [place.labels for place in places])
    found_at = {found: count for found, count in counts.items() if found != value}
    return f"node_label_filters {label}={value} is violated: {_listed(label, found_at)}" if found_at else ""


def _counts(name: str, places: Sequence[Mapping[str, str] | None]) -> Counter[str | None]:
    """Return how many are in each domain; none at all when one of them is not reported."""
    known = [place for place in places if place is not None]
    return Counter(place.get(name) for place in known) if len(known) == len(places) else Counter()


def _listed(axis: str, counts: Mapping[str | None, int]) -> str:
    order = sorted(counts, key=lambda domain: (-counts[domain], domain or ""))
    words = [f"{counts[domain]} on {f'{axis} {domain}' if domain else f'nodes without {axis}'}" for domain in order]
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
