"""One case for each module: the task of its own documentation, and what is changed then.

The examples of the kinds make up one small site, so they are run as they stand in the documentation.
"""

from __future__ import annotations

import json
from typing import Any

from scripts import collection

Task = dict[str, Any]

CHANGES: dict[str, dict[str, Any]] = {
    "project": {"description": "one more"},
    "token": {"labels": {"changed": "yes"}},
    "region": {"description": "changed"},
    "region_availability_zone": {"description": "changed"},
    "datacenter": {"location": "changed"},
    "floor": {"storey": 2},
    "rack": {"height_units": 48},
    "physical_model": {"height_units": 2},
    "physical_resource": {"position": 11},
    "cluster": {"weight": 50},
    "network_availability_zone": {"labels": {"changed": "yes"}},
    "node_availability_zone": {"labels": {"changed": "yes"}},
    "provider": {"labels": {"changed": "yes"}},
    "resource_flavor": {"labels": {"changed": "yes"}},
    "image": {"labels": {"changed": "yes"}},
    "network_v4": {"end_address": "172.16.10.251"},
    "global_service": {"domain": "www.example.com"},
    "node": {"labels": {"changed": "yes"}},
    "join_token": {"labels": {"changed": "yes"}},
    "region_service": {"replicas": 4},
    "volume": {"size_gib": 11},
}
"""What is changed, by module, parents before children. The last two need a controller to go."""

SERVED = ("region_service", "volume")
VERBS = (
    "node_cordon",
    "node_uncordon",
    "node_drain",
    "region_service_scale",
    "region_service_rollback",
    "compute_power",
    "compute_migrate",
    "compute_delete",
)
INSTEAD: dict[str, dict[str, Any]] = {"project": {"name": "team"}, "global_service": {"members": []}}
"""Where the example cannot be used as it stands: the project ``default`` is there already."""


def arguments(module: str) -> dict[str, Any]:
    """The options of the first example of a module."""
    example = collection.modules()[module]["examples"][0]
    return {**json.loads(json.dumps(example[f"resource.infra.{module}"])), **INSTEAD.get(module, {})}


def task(module: str, options: dict[str, Any], *conditions: str, **more: Any) -> Task:
    """A task that fails when one of the conditions holds for its result ``r``."""
    return {
        "name": f"{module} {options} {more}",
        f"resource.infra.{module}": options,
        "register": "r",
        "failed_when": " or ".join(["r is failed", *conditions]),
        **more,
    }


CHANGED, SAME = "r is not changed", "r is changed"
CHECK = {"check_mode": True, "diff": True}


def made(module: str) -> list[Task]:
    """Check, create, again, change in check, change, again, and what ``_info`` tells."""
    first = arguments(module)
    second = {**first, **CHANGES[module]}
    parents = {key: value for key, value in first.items() if key in collection.names_of(module)}
    (option,) = CHANGES[module]
    value = json.dumps(CHANGES[module][option])
    field = f"r.resources[0].{'' if option == 'labels' else 'spec.'}{option}"
    return [
        task(module, first, CHANGED, "not r.diff.after.present", "r.resource != {}", **CHECK),
        task(module, first, CHANGED, f"r.resource.name != '{first['name']}'"),
        task(module, first, SAME, "r.diff is defined"),
        task(module, first, SAME, **CHECK),
        task(module, second, CHANGED, "r.diff.after == r.diff.before", **CHECK),
        task(module, second, CHANGED),
        task(module, second, SAME),
        # What a task does not name stays as it is.
        task(module, {**parents, "labels": CHANGES[module].get("labels", {})}, SAME),
        task(f"{module}_info", parents, SAME, "r.resources | length != 1", f"{field} != {value}"),
    ]


def removed(module: str) -> list[Task]:
    """Delete in check, delete, again."""
    named = {key: value for key, value in arguments(module).items() if key in collection.names_of(module)}
    gone = {**named, "state": "absent"}
    return [
        task(module, gone, CHANGED, "r.diff.after != {}", **CHECK),
        task(module, gone, CHANGED),
        task(module, gone, SAME),
    ]
