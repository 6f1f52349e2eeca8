"""Schemas of what the API tells of scheduling: impacts, capacity, snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
_CAUSE = {"enum": ["itself", "power", "network"]}


def _object(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    return {**entry, "description": description} if description else entry


def _list(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "array", "items": _object(properties)}
    return {**entry, "description": description} if description else entry


_RULE = {
    "axis": _TEXT,
    "mode": _TEXT,
    "hard": _FLAG,
    "value": {"type": ["string", "null"]},
    "met": _FLAG,
    "reason": {**_TEXT, "description": "Why it is no longer met."},
}
_BEFORE_AND_AFTER = _object({"before": _COUNT, "after": _COUNT})
_AMOUNT = {"type": "number", "minimum": 0}
_LOSS = _object(
    {
        "domain": _TEXT,
        "fits": {**_COUNT, "description": "How many more fit once it is lost."},
        "nodes": {**_COUNT, "description": "Nodes that are lost with it."},
        "moved": {**_COUNT, "description": "Computes that found another node first."},
        "unplaced": {**_COUNT, "description": "Computes that found none."},
        "staying": {**_COUNT, "description": "Computes that are down until their nodes are back."},
    }
)

SCHEMAS: Mapping[str, Any] = {
    "Impact": _object(
        {
            "kind": _TEXT,
            "key": _TEXT,
            "role": {**_TEXT, "description": "Of a physical resource."},
            "as_of": _COUNT,
            "counts": _object(
                {
                    "devices": _COUNT,
                    "nodes": _COUNT,
                    "computes": _COUNT,
                    "loadbalancers": _COUNT,
                    "loadbalancers_down": _COUNT,
                    "services": _COUNT,
                    "services_below_rules": _COUNT,
                    "services_down": _COUNT,
                }
            ),
            "devices": _list({"name": _TEXT, "cause": _CAUSE}, "Physical resources that are down then."),
            "nodes": _list({"cluster": _TEXT, "name": _TEXT, "cause": _CAUSE, "computes": _COUNT}),
            "computes": _list(
                {"project": _TEXT, "region": _TEXT, "name": _TEXT, "service": _TEXT, "cluster": _TEXT, "node": _TEXT}
            ),
            "loadbalancers": _list(
                {
                    "project": _TEXT,
                    "region": _TEXT,
                    "name": _TEXT,
                    "service": _TEXT,
                    "cluster": _TEXT,
                    "vip": {"type": ["string", "null"]},
                    "replicas": {**_COUNT, "description": "Instances that were asked for."},
                    "lost": {"type": "array", "items": _TEXT, "description": "Nodes of the instances that are lost."},
                    "left": _COUNT,
                    "running": {**_COUNT, "description": "Of those left, on nodes that are up."},
                    "down": {**_FLAG, "description": "None of it answers any more."},
                    "effect": {**_TEXT, "description": "What that means for the service, in words."},
                },
                "Loadbalancers that lose instances, worst first.",
            ),
            "services": _list(
                {
                    "project": _TEXT,
                    "region": _TEXT,
                    "name": _TEXT,
                    "replicas": _COUNT,
                    "lost": _COUNT,
                    "left": _COUNT,
                    "running": {**_COUNT, "description": "Of those left, as last seen."},
                    "down": {**_FLAG, "description": "Nothing of it runs any more."},
                    "cut_off": {**_FLAG, "description": "Its Loadbalancer is down: it is not reached at its VIP."},
                    "on_node_down": _TEXT,
                    "rules": {"type": "array", "items": _object(_RULE)},
                    "domains": {
                        "type": "object",
                        "additionalProperties": _BEFORE_AND_AFTER,
                        "description": "Axis to the number of its domains that the service is in.",
                    },
                },
                "Services that lose Computes or instances of their Loadbalancer, worst first.",
            ),
        },
        "What would go down with one thing, as of a version.",
    ),
    "ClusterCapacity": _object(
        {
            "cluster": _TEXT,
            "nodes": _COUNT,
            "open_nodes": {**_COUNT, "description": "Nodes that take new resources; `dimensions` are theirs."},
            "computes": _COUNT,
            "moving": {"enum": ["rebuild", "all"]},
            "dimensions": {"type": "object", "additionalProperties": _object({"total": _AMOUNT, "free": _AMOUNT})},
            "flavors": _list(
                {
                    "name": _TEXT,
                    "fits": _COUNT,
                    "after_loss": {
                        "type": "object",
                        "additionalProperties": _LOSS,
                        "description": "Axis to its worst domain; an axis without domains is left out.",
                    },
                }
            ),
        },
        "How many more fit in a cluster, now and after the worst loss.",
    ),
    "ScheduleSnapshot": _object(
        {
            "cluster": _TEXT,
            "as_of": _COUNT,
            "taken_at": _TEXT,
            "flavors": {"type": "array", "items": {"type": "object"}},
            "scheduling": {"type": "object", "description": "Nodes, what is taken of them, and where Computes stand."},
        },
        "All that placement sees in a cluster.",
    ),
}
"""By name; every field is always there."""
