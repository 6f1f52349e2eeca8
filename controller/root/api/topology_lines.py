"""Lines of the topology: each kind's resources, narrowed, page by page.

Nothing is validated: what is stored was validated when it was written, and models would take most of the time. The
line of a Node contains the spec and the labels of its machine (``physical``, ``physical_labels``), because most clients
need them and no other physical resource; and ``observed.free``, what is left of its capacity.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controller.model import registry
from controller.model.kind_rules import TopologyLine
from controller.model.registry import Key
from controller.store import resources
from controller.store.database import Transaction
from controller.store.selectors import Clause

PAGE = 500

_EVERY = ("labels", "status", "status_reason", "state", "state_reason", "resource_version")
KINDS = tuple(
    kind.name
    for kind in sorted(registry.kinds(), key=lambda kind: kind.topology.position if kind.topology else 0)
    if kind.topology
)
"""In the order in which they are sent."""


def of_kind(
    tx: Transaction,
    kind: str,
    *,
    projects: Sequence[str] | None = None,
    clauses: Sequence[Clause] = (),
) -> Iterator[bytes]:
    """Yield the lines of one kind that match all clauses, ordered by path."""
    complete = _rules(kind).with_physical_resource
    datacenters = dict(_datacenters(tx)) if complete else {}
    for project in projects if projects is not None else (None,):
        for rows in resources.raw_pages(tx, kind, project=project, clauses=clauses, size=PAGE):
            documents = [json.loads(row) for row in rows]
            machines = _machines(tx, documents, datacenters) if complete else {}
            for document in documents:
                line = _narrowed(kind, document)
                if complete:
                    _complete(line, machines.get(_machine_of(document, datacenters)))
                yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _rules(kind: str) -> TopologyLine:
    rules = registry.get(kind).topology
    assert rules is not None, f"{kind} is not in the topology"
    return rules


def _narrowed(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    kind, rules = registry.get(name), _rules(name)
    line: dict[str, Any] = {"kind": name, "name": document["name"]}
    for parent in kind.parents:
        line[parent] = document[parent]
    if kind.per_project:
        line["project"] = document["project"]
    for field in _EVERY:
        line[field] = document[field]
    spec, observed = document["spec"], document["observed"]
    line["spec"] = spec if rules.spec is None else {field: spec[field] for field in rules.spec if field in spec}
    line["observed"] = {field: observed[field] for field in rules.observed if field in observed}
    return line


def _complete(line: dict[str, Any], machine: Mapping[str, Any] | None) -> None:
    line["physical"] = None if machine is None else machine["spec"]
    line["physical_labels"] = {} if machine is None else machine["labels"]
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
