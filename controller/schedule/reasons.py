"""Why nodes are not taken, in words that a user can act on, counted (J8).

Each node is counted once, under the first reason that holds, in the order of the checks: what is
wrong with the node itself, then the filters, then the sizes, then the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from controller.model.schedule_policy import SchedulePolicy
from controller.schedule.snapshot import DIMENSIONS, NodeFacts, Request, columns

if TYPE_CHECKING:
    from controller.schedule.rules import Rules
    from controller.schedule.snapshot import Snapshot

_TOO_LITTLE = {
    "vcpus": "too few vcpus",
    "pinned_cpus": "too few pinned cpus",
    "memory_mib": "too little memory",
    "hugepages_mib": "too few huge pages",
    "disk_gib": "too little disk",
    "disk_iops": "too little disk io",
    "disk_mibps": "too little disk throughput",
    "network_mbps": "too little network throughput",
}


def explain(snapshot: Snapshot, request: Request, rules: Rules) -> dict[str, int]:
    """Reason to number of nodes, over all nodes of the snapshot."""
    counts = Counter(
        of_node(node, request) or _of_size(snapshot, number, request) or rules.reason(number) or "not taken"
        for number, node in enumerate(snapshot.nodes)
    )
    return dict(counts)


def message(reasons: Mapping[str, int]) -> str:
    """``4 nodes: 2 too little memory, 1 rack already used, 1 cordoned``"""
    nodes = sum(reasons.values())
    if not nodes:
        return "the cluster has no nodes"
    parts = [f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    return f"{nodes} {'node' if nodes == 1 else 'nodes'}: {', '.join(parts)}"


def of_node(node: NodeFacts, request: Request) -> str | None:
    """Why this node cannot take the request whatever is free on it; None when it can."""
    if node.state != "Up":
        return "down" if node.state == "Down" else "not seen up"
    if node.draining:
        return "draining"
    if not node.schedulable:
        return "cordoned"
    if request.provider and request.provider not in node.providers:
        return f"without provider {request.provider}"
    if node.name in request.avoid:
        return "excluded"
    return _of_filters(node, request.policy)


def passes_filters(nodes: Iterable[NodeFacts], policy: SchedulePolicy) -> list[bool]:
    """Which nodes the policy's name and label filters let through."""
    return [_of_filters(node, policy) is None for node in nodes]


def _of_filters(node: NodeFacts, policy: SchedulePolicy) -> str | None:
    if policy.node_filters and node.name not in policy.node_filters:
        return "not in node_filters"
    for label, value in policy.node_label_filters.items():
        if node.labels.get(label) != value:
            return f"without label {label}={value}"
    return None


def _of_size(snapshot: Snapshot, number: int, request: Request) -> str | None:
    for dimension, free, need in zip(DIMENSIONS, snapshot.free[number], columns(request.need), strict=True):
        if free < need:
            return _TOO_LITTLE[dimension]
    return None
