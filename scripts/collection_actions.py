"""The modules that are no kind: verbs on one resource, and many documents at once; and what modules return."""

from __future__ import annotations

from typing import Any

from controller.model import registry
from controller.model.registry import Kind
from scripts.collection_options import Options, identity_options, table

_NODE = {"cluster": "tokyo1", "name": "floor-1-1-1-rack-1-1-server1"}
_SERVICE = {"region": "kanto", "name": "web"}
_COMPUTE = {"region": "kanto", "name": "web-0"}
_VERBS: tuple[tuple[str, str, str, str, dict[str, Any], Options], ...] = (
    (
        "node_cordon",
        "Node",
        "Takes a Node out of placement",
        "Nothing new comes to it, nothing moves. It stays so when a drain is called off.",
        _NODE,
        {},
    ),
    ("node_uncordon", "Node", "Lets a Node take part in placement again", "A drain is called off.", _NODE, {}),
    (
        "node_drain",
        "Node",
        "Cordons a Node and moves everything away",
        "With O(wait) the task ends when the node is empty.",
        _NODE,
        {},
    ),
    (
        "region_service_scale",
        "RegionService",
        "Sets the number of Computes of a RegionService",
        "Fewer Computes go from the end.",
        {**_SERVICE, "replicas": 3},
        {"replicas": {"description": ["Computes that there are to be."], "type": "int", "required": True}},
    ),
    (
        "region_service_rollback",
        "RegionService",
        "Takes a RegionService back to a revision",
        "The number of replicas stays. Nothing changes when the revision asks for what is asked already.",
        {**_SERVICE, "revision": 1},
        {
            "revision": {
                "description": ["Number of a revision that is kept; the one before when not given."],
                "type": "int",
            }
        },
    ),
    (
        "compute_power",
        "Compute",
        "Starts, stops or reboots a Compute",
        "Stopping asks the machine first.",
        {**_COMPUTE, "state": "stopped"},
        {
            "state": {
                "description": ["What it is to be; V(rebooted) counts anew with each run."],
                "type": "str",
                "choices": ["started", "stopped", "rebooted"],
                "required": True,
            }
        },
    ),
    (
        "compute_migrate",
        "Compute",
        "Moves a Compute to another Node while it runs",
        "A Compute that is on the named node already stays.",
        {**_COMPUTE, "node": "floor-1-1-1-rack-1-2-server1"},
        {"node": {"description": ["Node to move to; the scheduler chooses when not given."], "type": "str"}},
    ),
    (
        "compute_delete",
        "Compute",
        "Removes a Compute by name",
        "Its service has one replica fewer then; with the last one the service goes as well.",
        _COMPUTE,
        {},
    ),
)


def modules() -> dict[str, dict[str, Any]]:
    """Name to entry, as ``scripts.collection`` writes them."""
    found = {verb[0]: _verb(*verb) for verb in _VERBS}
    return {**found, "apply": _apply()}


def _verb(name: str, kind_name: str, short: str, more: str, example: dict[str, Any], extra: Options) -> dict[str, Any]:
    kind = registry.get(kind_name)
    options = {**identity_options(kind), **extra}
    where = {"kind": kind.name, "path": kind.item_path, "parents": list(kind.parents), "per_project": kind.per_project}
    run = "absent" if name == "compute_delete" else "act"
    returns = returns_resource(kind)
    if name == "node_drain":
        returns["plan"] = {
            "description": "What would move where, and what stands in the way.",
            "returned": "in check mode",
            "type": "dict",
            "sample": {"moves": [], "blocked": [], "message": ""},
        }
    return {
        "short": short,
        "description": [f"{short}.", more],
        "options": options,
        "check": "full",
        "diff": "full",
        "examples": [{"name": short, f"resource.infra.{name}": example}],
        "returns": returns,
        "table": {**where, "run": run, "options": table(options)},
    }


def _apply() -> dict[str, Any]:
    options: Options = {
        "documents": {
            "description": ["Documents, as C(resourcectl apply) takes them; each says all that is asked of it."],
            "type": "list",
            "elements": "dict",
        },
        "src": {
            "description": ["Files of documents (YAML or JSON), or folders of them."],
            "type": "list",
            "elements": "path",
        },
        "state": {
            "description": ["Whether they are to be there."],
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
        },
        "purge": {
            "description": [
                "Also remove what matches O(labels) and is not among the documents.",
                "One of the selectors must say what a resource has; what it has not is not enough.",
                "Projects and tokens are never removed by it.",
            ],
            "type": "bool",
            "default": False,
        },
        "labels": {
            "description": ["Label selectors that say what O(purge) may remove, all of which must match."],
            "type": "list",
            "elements": "str",
        },
    }
    return {
        "short": "Makes many documents so, all or nothing",
        "description": [
            "Sends all documents in one request, which is one transaction. When one is refused nothing is written.",
            "Parents and children may come in any order.",
        ],
        "options": options,
        "check": "full",
        "diff": "full",
        "examples": [
            {"name": "Have a site", "resource.infra.apply": {"src": ["examples/tokyo"]}},
            {
                "name": "Have these racks of the label, and no others",
                "resource.infra.apply": {
                    "documents": [dict(registry.get("Rack").example)],
                    "purge": True,
                    "labels": ["made-by=ansible"],
                },
            },
        ],
        "returns": {
            "counts": {
                "description": "How many documents were, or in check mode would be, of each action.",
                "returned": "success",
                "type": "dict",
                "sample": {"create": 2, "unchanged": 40},
            },
            "results": {
                "description": "What became of each document. The secret of a new token is among it, this once.",
                "returned": "success",
                "type": "list",
                "elements": "dict",
                "sample": [{"kind": "Region", "key": "kanto", "action": "create"}],
            },
            **_PLANNED,
        },
        "table": {"run": "apply", "options": table(options)},
    }


_PLANNED: dict[str, Any] = {
    "unresolved": {
        "description": "Names of what is not there yet; a real run is refused unless the play makes it first.",
        "returned": "in check mode or with diff, when there are any",
        "type": "list",
        "elements": "dict",
        "sample": [{"path": "datacenter", "message": "there is no Datacenter tokyo"}],
    },
    "forecast": {
        "description": "Where new Computes would be placed, as far as can be told now.",
        "returned": "in check mode or with diff, for services",
        "type": "dict",
        "sample": {"unknown": "no cluster answers"},
    },
    "problems": {
        "description": "Each field at fault, with its document where there are several.",
        "returned": "failure",
        "type": "list",
        "elements": "dict",
        "sample": [{"path": "spec.units", "message": "Input should be greater than 0"}],
    },
}


def returns_resource(kind: Kind) -> dict[str, Any]:
    """What modules about one resource return."""
    return {
        "resource": {
            "description": f"The {kind.name} after the task; before it in check mode, empty when there is none.",
            "returned": "success",
            "type": "dict",
            "sample": {**kind.example, "status": "Active", "resource_version": 42},
        },
        **_PLANNED,
    }


def returns_resources(kind: Kind) -> dict[str, Any]:
    """What info modules return."""
    return {
        "resources": {
            "description": f"The {kind.plural_name} that match.",
            "returned": "success",
            "type": "list",
            "elements": "dict",
            "sample": [{**kind.example, "status": "Active", "resource_version": 42}],
        }
    }
