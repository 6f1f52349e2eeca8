"""SchedulePolicy: where the Computes of one service may run.

Rules are ``{axis, mode, hard, value}``. An axis is one of the zones (datacenter, power, rack,
network, node) or any node label. Hard rules exclude nodes; soft rules only order them. The nine list fields of the
design are accepted too, also with its spellings, and are compiled to filters and rules.

Design: J3-J5, J8, J11
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import model_validator

from controller.model.envelope import Part
from controller.model.fields import field
from controller.model.names import LabelKey, Labels, Name

AXES = ("datacenter", "power", "rack", "network", "node")
"""Axes that every node has; any other axis is a node label."""


class RuleMode(StrEnum):
    """Gather in one domain of the axis, or spread over its domains."""

    AFFINITY = "Affinity"
    ANTI_AFFINITY = "AntiAffinity"


class ScheduleRule(Part):
    """One rule, over the Computes of one RegionService."""

    axis: LabelKey = field("Zone (datacenter, power, rack, network, node) or a node label.", example="rack")
    mode: RuleMode = field("Gather or spread.", example="AntiAffinity")
    hard: bool = field(
        "True: a node that breaks the rule is never taken. False: it is only taken last.", example=True, default=False
    )
    value: str | None = field(
        "With Affinity: the one domain to gather in.", example="floor-1-1-1-rack-1-1", default=None, max_length=256
    )

    @model_validator(mode="after")
    def _value_goes_with_affinity(self) -> ScheduleRule:
        if self.value is not None and self.mode is RuleMode.ANTI_AFFINITY:
            raise ValueError("value goes with mode Affinity only")
        return self


_ALIASES = {
    "Replicas": "replicas",
    "ClusterFilters": "cluster_filters",
    "ClusterLabelFilters": "cluster_label_filters",
    "NodeFilters": "node_filters",
    "NodeLabelFilters": "node_label_filters",
    "NodeLabelSoftAntiAffinities": "node_label_soft_anti_affinities",
    "NodeLabelSoftUntiAffinities": "node_label_soft_anti_affinities",
    "NodeLabelSoftAffinities": "node_label_soft_affinities",
    "NodeLabelHardAntiAffinities": "node_label_hard_anti_affinities",
    "NodeLabelHardUntiAffinities": "node_label_hard_anti_affinities",
    "NodeLabelHardAffinities": "node_label_hard_affinities",
}


class SchedulePolicy(Part):
    """Filters and rules for choosing a cluster and its nodes."""

    cluster_filters: tuple[Name, ...] = field(
        "Clusters that may be chosen.", unordered=True, example=["tokyo1"], default=()
    )
    cluster_label_filters: Labels = field("Labels that the cluster must have.", example={"tier": "gold"}, default={})
    node_filters: tuple[Name, ...] = field(
        "Nodes that may be chosen.", unordered=True, example=["floor-1-1-1-rack-1-1-server1"], default=()
    )
    node_label_filters: Labels = field("Labels that the node must have.", example={"disk": "ssd"}, default={})
    node_label_soft_anti_affinities: tuple[LabelKey, ...] = field(
        "Labels over whose values to spread as far as possible.",
        unordered=True,
        example=["room"],
        default=(),
        max_length=16,
    )
    node_label_soft_affinities: tuple[LabelKey, ...] = field(
        "Labels in one of whose values to gather as far as possible.",
        unordered=True,
        example=["room"],
        default=(),
        max_length=16,
    )
    node_label_hard_anti_affinities: tuple[LabelKey, ...] = field(
        "Labels over whose values to spread always.", unordered=True, example=["room"], default=(), max_length=16
    )
    node_label_hard_affinities: tuple[LabelKey, ...] = field(
        "Labels in one of whose values to gather always.", unordered=True, example=["room"], default=(), max_length=16
    )
    rules: tuple[ScheduleRule, ...] = field(
        "Rules over zones and labels. One over the power axis must be chosen.",
        example=[{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity", "hard": True}],
        default=(),
        max_length=32,
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_design_spellings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        found: dict[Any, Any] = {}
        spelled: dict[Any, str] = {}
        for key, value in data.items():
            name = _ALIASES.get(key, key)
            if name in found:
                raise ValueError(f"{spelled[name]} and {key} are two spellings of one field: give one")
            found[name], spelled[name] = value, key
        return found

    def all_rules(self) -> tuple[ScheduleRule, ...]:
        """Return the given rules, and those that follow from the four label lists."""
        lists = (
            (self.node_label_hard_anti_affinities, RuleMode.ANTI_AFFINITY, True),
            (self.node_label_hard_affinities, RuleMode.AFFINITY, True),
            (self.node_label_soft_anti_affinities, RuleMode.ANTI_AFFINITY, False),
            (self.node_label_soft_affinities, RuleMode.AFFINITY, False),
        )
        # Not validated again: the lists were, by the rules of the time when they were stored.
        compiled = tuple(
            ScheduleRule.model_construct(axis=label, mode=mode, hard=hard)
            for labels, mode, hard in lists
            for label in labels
        )
        return self.rules + compiled

    def modes_of(self, axis: str) -> set[RuleMode]:
        """Return the modes of its rules for the axis: to spread, to gather, both or neither."""
        return {rule.mode for rule in self.all_rules() if rule.axis == axis}
