"""The modules that are no kind: verbs on one resource, and many documents at once; and what modules return."""

from __future__ import annotations

from typing import Any

from controller.model import registry
from controller.model.registry import Kind
from scripts.collection_options import Options, identity_options, table

_NODE = {"cluster": "tokyo1", "name": "floor-1-1-1-rack-1-1-server1"}
_SERVICE = {"region": "kanto", "name": "web"}
_NODES: Options = {
    "nodes": {"description": ["Names of nodes of the cluster."], "type": "list", "elements": "str"},
    "rack": {
        "description": ["Rack of which all nodes are meant, too. O(nodes) or O(rack) is required."],
        "type": "str",
    },
}
_IN_RACK = {"name": "tokyo1", "rack": "floor-1-1-1-rack-1-1"}
_COMPUTE = {"region": "kanto", "name": "web-0"}
_VERBS: tuple[tuple[str, str, str, str, dict[str, Any], Options], ...] = (
    (
        "node_cordon",
        "Node",
        "Closes a Node for new Computes",
        "Nothing that runs there moves. The node stays cordoned when a drain is cancelled.",
        _NODE,
        {},
    ),
    ("node_uncordon", "Node", "Opens a Node for new Computes again", "Cancels a drain of the node.", _NODE, {}),
    (
        "node_drain",
        "Node",
        "Cordons a Node and moves its Computes to other nodes",
        "With O(wait) the task ends when the node is empty.",
        _NODE,
        {},
    ),
    (
        "node_cancel_drain",
        "Node",
        "Cancels the drain of a Node",
        "The node is as it was before the drain: one that was cordoned before stays cordoned.",
        _NODE,
        {},
    ),
    (
        "cluster_drain",
        "Cluster",
        "Cordons several Nodes of a Cluster and moves their Computes to other nodes",
        "All nodes are written in one transaction, and none moves its Computes to another of them."
        " With O(wait) the task ends when all of them are empty.",
        _IN_RACK,
        _NODES,
    ),
    (
        "cluster_cancel_drain",
        "Cluster",
        "Cancels the drains of several Nodes of a Cluster",
        "Each node is as it was before its drain.",
        _IN_RACK,
        _NODES,
    ),
    (
        "region_service_rebalance",
        "RegionService",
        "Spreads the Computes of a RegionService again as its rules require",
        "Only moves that improve the spread are requested. While moves that were requested before are not completed,"
        " the task fails. With O(wait) it ends when all moves have ended; those that failed are warnings.",
        {**_SERVICE, "max_moves": 5},
        {
            "max_moves": {"description": ["Most moves. Default is as many as are needed."], "type": "int"},
            "at_once": {"description": ["Most moves at the same time. Default is 1."], "type": "int"},
        },
    ),
    (
        "region_service_scale",
        "RegionService",
        "Sets the number of Computes of a RegionService",
        "A lower number deletes the Computes with the highest indices.",
        {**_SERVICE, "replicas": 3},
        {"replicas": {"description": ["Wanted number of Computes."], "type": "int", "required": True}},
    ),
    (
        "region_service_rollback",
        "RegionService",
        "Restores a revision of a RegionService",
        "The number of replicas does not change. Nothing changes when the revision equals the current spec.",
        {**_SERVICE, "revision": 1},
        {
            "revision": {
                "description": ["Number of a stored revision. Default is the one before the current."],
                "type": "int",
            }
        },
    ),
    (
        "compute_power",
        "Compute",
        "Starts, stops or reboots a Compute",
        "Stopping shuts the machine down by ACPI first.",
        {**_COMPUTE, "state": "stopped"},
        {
            "state": {
                "description": ["Wanted state. V(rebooted) reboots at each run."],
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
        "Nothing changes when the Compute is on the named node already.",
        {**_COMPUTE, "node": "floor-1-1-1-rack-1-2-server1"},
        {"node": {"description": ["Node to move to. By default the scheduler chooses."], "type": "str"}},
    ),
    (
        "compute_delete",
        "Compute",
        "Deletes a Compute by name",
        "Its service then has one replica less. Deleting the last one deletes the service.",
        _COMPUTE,
        {},
    ),
)


def modules() -> dict[str, dict[str, Any]]:
    """Name to entry, as ``scripts.collection`` writes them."""
    found = {verb[0]: _verb(*verb) for verb in _VERBS}
    return {**found, "apply": _apply()}


_RUN = {
    "cluster_cancel_drain": "move",
    "cluster_drain": "move",
    "compute_delete": "absent",
    "region_service_rebalance": "move",
}
"""What runs a verb, where it is not ``act``."""


def _returns_more(name: str) -> dict[str, Any]:
    """Return what a verb returns beside the resource: the plan of moves, and the nodes that it changes."""
    found: dict[str, Any] = {}
    if name in ("node_drain", "cluster_drain", "region_service_rebalance"):
        found["plan"] = {
            "description": "The moves, and what blocks others.",
            "returned": "success" if name == "region_service_rebalance" else "in check mode",
            "type": "dict",
            "sample": {"moves": [], "blocked": [], "message": ""},
        }
    if name.startswith("cluster_"):
        found["nodes"] = {
            "description": "The nodes that the task changes.",
            "returned": "success",
            "type": "list",
            "elements": "str",
            "sample": ["floor-1-1-1-rack-1-1-server1"],
        }
    return found


def _verb(name: str, kind_name: str, short: str, more: str, example: dict[str, Any], extra: Options) -> dict[str, Any]:
    kind = registry.get(kind_name)
    options = {**identity_options(kind), **extra}
    where = {"kind": kind.name, "path": kind.item_path, "parents": list(kind.parents), "per_project": kind.per_project}
    run = _RUN.get(name, "act")
    returns = {**returns_resource(kind), **_returns_more(name)}
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
            "description": [
                "Documents, as C(resourcectl apply) accepts them. Each is the whole desired state of its resource."
            ],
            "type": "list",
            "elements": "dict",
        },
        "src": {
            "description": ["Files of documents (YAML or JSON), or folders of such files."],
            "type": "list",
            "elements": "path",
        },
        "state": {
            "description": ["Whether the resources must exist."],
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
        },
        "purge": {
            "description": [
                "Also delete resources that match O(labels) and are not among the documents.",
                "At least one of the selectors must require a label. Selectors that only exclude labels are refused.",
                "It never deletes projects and tokens.",
            ],
            "type": "bool",
            "default": False,
        },
        "purge_limit": {
            "description": [
                "The largest share of the resources that match O(labels) that O(purge) may delete, in percent.",
                "A task that would delete more writes nothing and fails, so that an empty or cut list of documents does"
                " not delete a site.",
                "With V(100) it may delete all of them.",
            ],
            "type": "int",
            "default": 50,
        },
        "labels": {
            "description": ["Label selectors of the resources that O(purge) may delete. All of them must match."],
            "type": "list",
            "elements": "str",
        },
    }
    return {
        "short": "Writes or deletes many documents, all or none",
        "description": [
            "Sends all documents in one request, which is one transaction. When one is refused, nothing is written.",
            "Parents and children may come in any order.",
        ],
        "options": options,
        "check": "full",
        "diff": "full",
        "examples": [
            {"name": "Have a site", "resource.infra.apply": {"src": ["examples/tokyo"]}},
            {
                "name": "Create these racks, and delete all others with the label",
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
                "description": "The result of each document. The secret of a new token is shown only here.",
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
        "description": "Names that do not exist yet. A real run is refused unless the play creates them first.",
        "returned": "in check mode or with diff, when there are any",
        "type": "list",
        "elements": "dict",
        "sample": [{"path": "datacenter", "message": "Datacenter tokyo does not exist"}],
    },
    "forecast": {
        "description": "The nodes that new Computes would get; a forecast.",
        "returned": "in check mode or with diff, for services",
        "type": "dict",
        "sample": {"unknown": "no cluster answers"},
    },
    "problems": {
        "description": "Each field with an error, with its document where there are several.",
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
            "description": f"The {kind.name} after the task (in check mode, before it). Empty when it does not exist.",
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
