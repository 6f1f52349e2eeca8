"""Lines of the topology: each kind's resources, narrowed, page by page.

Nothing is validated: what is stored was validated when it was written, and models would take most of
the time. A Node has the facts of its machine with it (``physical``), since most callers need those
and no other physical resource; and ``observed.free``, what is left of its capacity.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controller.model.registry import Key
from controller.store import resources
from controller.store.database import Transaction
from controller.store.selectors import LabelFilter

PAGE = 500

_NONE: Mapping[str, str] = {}
_EVERY = ("labels", "status", "status_reason", "state", "state_reason", "resource_version")
_PARENTS: Mapping[str, str] = {
    "RegionAvailabilityZone": "region",
    "Floor": "datacenter",
    "Rack": "datacenter",
    "PhysicalResource": "datacenter",
    "NetworkAvailabilityZone": "cluster",
    "NodeAvailabilityZone": "cluster",
    "Node": "cluster",
    "Compute": "region",
}
_SPECS: Mapping[str, tuple[str, ...]] = {
    "Node": (
        "physical_resource",
        "region_availability_zone",
        "network_availability_zone",
        "node_availability_zone",
        "providers",
        "schedulable",
        "drain",
    ),
    "Compute": ("service", "index", "host_name", "cluster", "provider", "sizes", "interfaces", "power"),
    "Cluster": ("region", "datacenter", "weight", "description"),
}
"""What is told of a spec; kinds that are not here tell all of it."""
_OBSERVED: Mapping[str, tuple[str, ...]] = {
    "Node": ("zones", "capacity", "taken", "computes"),
    "Compute": ("node", "datacenter", "rack", "power", "network"),
    "Cluster": ("nodes", "free", "total"),
}
KINDS = (
    "Region",
    "RegionAvailabilityZone",
    "Datacenter",
    "Floor",
    "Rack",
    "Provider",
    "Cluster",
    "NetworkAvailabilityZone",
    "NodeAvailabilityZone",
    "PhysicalResource",
    "Node",
    "Compute",
)
"""In the order in which they are told."""


def of_kind(
    tx: Transaction,
    kind: str,
    *,
    projects: Sequence[str] | None = None,
    labels: Sequence[LabelFilter] = (),
    fields: Mapping[str, str] = _NONE,
) -> Iterator[bytes]:
    """The lines of one kind, ordered by path."""
    datacenters = dict(_datacenters(tx)) if kind == "Node" else {}
    for project in projects if projects is not None else (None,):
        for rows in resources.raw_pages(tx, kind, project=project, labels=labels, fields=fields, size=PAGE):
            documents = [json.loads(row) for row in rows]
            machines = _machines(tx, documents, datacenters) if kind == "Node" else {}
            for document in documents:
                line = _narrowed(kind, document)
                if kind == "Node":
                    _complete(line, machines.get(_machine_of(document, datacenters)))
                yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _narrowed(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"kind": kind, "name": document["name"]}
    if kind in _PARENTS:
        line[_PARENTS[kind]] = document[_PARENTS[kind]]
    if kind == "Compute":
        line["project"] = document["project"]
    for name in _EVERY:
        line[name] = document[name]
    spec, wanted = document["spec"], _SPECS.get(kind)
    line["spec"] = spec if wanted is None else {name: spec[name] for name in wanted if name in spec}
    observed = document["observed"]
    line["observed"] = {name: observed[name] for name in _OBSERVED.get(kind, ()) if name in observed}
    return line


def _complete(line: dict[str, Any], machine: Mapping[str, Any] | None) -> None:
    line["physical"] = None if machine is None else machine["spec"]
    observed = line["observed"]
    total, taken = observed.get("capacity"), observed.get("taken") or {}
    if total:
        observed["free"] = {name: round(amount - taken.get(name, 0), 2) for name, amount in total.items()}


def _datacenters(tx: Transaction) -> Iterator[tuple[str, str]]:
    for rows in resources.raw_pages(tx, "Cluster", size=PAGE):
        for row in rows:
            document = json.loads(row)
            yield document["name"], document["spec"]["datacenter"]


def _machine_of(node: Mapping[str, Any], datacenters: Mapping[str, str]) -> Key | None:
    name, datacenter = node["spec"].get("physical_resource"), datacenters.get(node["cluster"])
    return Key("PhysicalResource", "", (datacenter, name)) if name and datacenter else None


def _machines(
    tx: Transaction, nodes: Sequence[Mapping[str, Any]], datacenters: Mapping[str, str]
) -> dict[Key | None, Mapping[str, Any]]:
    wanted = {key for node in nodes if (key := _machine_of(node, datacenters)) is not None}
    return {key: json.loads(text) for key, text in resources.raw_many(tx, wanted).items()}
