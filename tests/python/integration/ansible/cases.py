"""One case for each module: the task of its own documentation, what is changed then, and the steps it goes through.

The examples of the kinds make up one small site, so they are run as they stand in the documentation. Each task is a
named step, and a step says what its task must have done: ``check`` compares that with what a play really did.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    "security_group": {"ingress": []},
    "global_service": {"domain": "www.example.com"},
    "node": {"labels": {"changed": "yes"}},
    "join_token": {"labels": {"changed": "yes"}},
    "region_service": {"replicas": 4},
    "volume": {"size_gib": 11},
}
"""What is changed, by module, parents before children. The last two need a controller to go."""

SERVED = ("region_service", "volume")
NODE_VERBS = ("node_cordon", "node_drain", "node_cancel_drain", "node_uncordon")
CLUSTER_VERBS = ("cluster_drain", "cluster_cancel_drain")
SERVICE_VERBS = ("region_service_scale", "region_service_rollback")
COMPUTE_VERBS = ("compute_power", "compute_migrate", "compute_delete")
ACTIONS: dict[str, tuple[str, ...]] = {
    "node_cordon": ("CordonNode",),
    "node_uncordon": ("UncordonNode",),
    "node_drain": ("DrainNode",),
    "node_cancel_drain": ("CancelDrainNode",),
    "cluster_drain": ("DrainNodes",),
    "cluster_cancel_drain": ("CancelDrainNodes",),
    "region_service_scale": ("ScaleRegionService",),
    "region_service_rollback": ("RollbackRegionService",),
    "region_service_rebalance": ("RebalanceRegionService",),
    "compute_power": ("StartCompute", "StopCompute", "RebootCompute"),
    "compute_migrate": ("MigrateCompute",),
    "compute_delete": ("DeleteCompute",),
}
"""Which operations of the API each action is for."""
INSTEAD: dict[str, dict[str, Any]] = {"project": {"name": "team"}, "global_service": {"members": []}}
"""Where the example cannot be used as it stands: the project ``default`` is there already."""


@dataclass(frozen=True)
class Step:
    """What a task of the step must be: in check mode or not, changed or not, and written or not."""

    check: bool
    changed: bool

    @property
    def wrote(self) -> bool:
        """Only what says that it changed something may have written, and in check mode nothing may."""
        return self.changed and not self.check


_PLANNED, _DONE, _AGAIN = Step(True, True), Step(False, True), Step(False, False)
STEPS: dict[str, Step] = {
    "create in check mode": _PLANNED,
    "create": _DONE,
    "create again": _AGAIN,
    "create again in check mode": Step(True, False),
    "change in check mode": _PLANNED,
    "change": _DONE,
    "change again": _AGAIN,
    "delete in check mode": _PLANNED,
    "delete": _DONE,
    "delete again": _AGAIN,
    "act in check mode": _PLANNED,
    "act": _DONE,
    "act again": _AGAIN,
    "find nothing": _AGAIN,
    "find": _AGAIN,
}
LIFE = frozenset(step for step in STEPS if step.startswith(("create", "change", "delete")))
ACTION = frozenset(step for step in STEPS if step.startswith("act"))
DELETION = frozenset(step for step in STEPS if step.startswith("delete"))
INFO = frozenset(step for step in STEPS if step.startswith("find"))


def steps_of(module: str) -> frozenset[str]:
    """The steps that a case of the module must have."""
    if module == "compute_delete":
        return DELETION
    return {"state": LIFE, "apply": LIFE, "info": INFO, "act": ACTION, "move": ACTION}[
        collection.modules()[module]["table"]["run"]
    ]


def check(records: Iterable[Mapping[str, Any]], modules: Iterable[str]) -> None:
    """Compare what a play did with the steps: every task with its own, and every module with all that it must have."""
    seen: dict[str, set[str]] = {}
    for record in records:
        module, _colon, name = record["name"].partition(": ")
        step, told = STEPS[name.partition(" - ")[0]], (record["check"], record["changed"], record["wrote"])
        assert not record["failed"], record
        assert record["module"] == module, record
        assert told == (step.check, step.changed, step.wrote), record
        seen.setdefault(module, set()).add(name.partition(" - ")[0])
    for module in modules:
        assert seen.get(module, set()) >= steps_of(module), f"{module}: {steps_of(module) - seen.get(module, set())}"


def arguments(module: str) -> dict[str, Any]:
    """The options of the first example of a module."""
    example = collection.modules()[module]["examples"][0]
    return {**json.loads(json.dumps(example[f"resource.infra.{module}"])), **INSTEAD.get(module, {})}


def task(module: str, step: str, options: Mapping[str, Any], *conditions: str, about: str = "") -> Task:
    """A task that is a step; it fails when it is none, or when one of the conditions holds for its result ``r``."""
    must = STEPS[step]
    found = {
        "name": f"{module}: {step}{f' - {about}' if about else ''}",
        f"resource.infra.{module}": dict(options),
        "register": "r",
        "failed_when": " or ".join(
            ["r is failed", "r is not changed" if must.changed else "r is changed", *conditions]
        ),
    }
    return {**found, "check_mode": True, "diff": True} if must.check else found


def made(module: str) -> list[Task]:
    """Check, create, again, change in check, change, again, and what ``_info`` tells."""
    first = arguments(module)
    second = {**first, **CHANGES[module]}
    parents = {key: value for key, value in first.items() if key in names_of(module)}
    (option,) = CHANGES[module]
    value = json.dumps(CHANGES[module][option])
    field = f"r.resources[0].{'' if option == 'labels' else 'spec.'}{option}"
    info = f"{module}_info"
    return [
        task(info, "find nothing", parents, "r.resources != []"),
        task(module, "create in check mode", first, "not r.diff.after.present", "r.resource != {}"),
        task(info, "find nothing", parents, "r.resources != []", about="after check mode"),
        task(module, "create", first, f"r.resource.name != '{first['name']}'"),
        task(module, "create again", first, "r.diff is defined"),
        task(module, "create again in check mode", first),
        task(module, "change in check mode", second, "r.diff.after == r.diff.before"),
        task(info, "find", parents, f"({field} | default(none)) == {value}", about="as before, after check mode"),
        task(module, "change", second),
        task(module, "change again", second),
        task(
            module,
            "change again",
            {**parents, "labels": CHANGES[module].get("labels", {})},
            about="what a task does not name stays as it is",
        ),
        *infos(module, parents, f"{field} != {value}"),
    ]


def infos(module: str, named: Mapping[str, Any], *conditions: str) -> list[Task]:
    """What ``_info`` tells of a resource that is there: by its name, in lists, and not where a filter leaves it out."""
    info, name = f"{module}_info", named["name"]
    kept = {key: value for key, value in named.items() if key == "project"}
    found = f"r.resources | map(attribute='name') | select('eq', '{name}') | length != 1"
    return [
        task(info, "find", named, "r.resources | length != 1", *conditions),
        task(info, "find", kept, found, about="among all"),
        *([task(info, "find", {**kept, "name": name}, found, about="of every parent")] if len(named) > 1 else []),
        task(info, "find nothing", {**kept, "labels": ["no-such-label"]}, "r.resources != []", about="by label"),
    ]


def names_of(module: str) -> set[str]:
    """Return the options that say which resource a module is about."""
    return {"name", "project", *collection.modules()[module]["table"]["parents"]}


def removed(module: str) -> list[Task]:
    """Delete in check, delete, again."""
    named = {key: value for key, value in arguments(module).items() if key in names_of(module)}
    gone = {**named, "state": "absent"}
    return [
        task(module, "delete in check mode", gone, "r.diff.after != {}"),
        task(module, "delete", gone),
        task(module, "delete again", gone),
    ]


def acted(module: str, options: Mapping[str, Any], *conditions: str, again: Sequence[str] = ()) -> list[Task]:
    """A verb in check mode, for real and again; the conditions hold for what it did."""
    return [
        task(module, "act in check mode", options, "r.diff.after == r.diff.before"),
        task(module, "act", options, *conditions),
        task(module, "act again", options, *again),
    ]
