"""A snapshot as a JSON document: saved from a running cluster, loaded anywhere, with the same decisions.

``load(dump(snapshot))`` answers every request as ``snapshot`` does. Optional fields may be added without a new format.
Names are written as they are; specs and secrets are not included.

This module alone knows the format. What ``schedule-snapshot`` wrote before the format existed (``version: 1``, which
has ``services`` but no ``standing``) is read as well, and never written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from controller.errors import InvalidInput, Problem
from controller.model.document import problems
from controller.model.envelope import Part
from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule.inputs import CellFacts, Ints, NodeFacts, Present, Request, capacity_of
from controller.schedule.snapshot import Snapshot

FORMAT = 1
_LARGEST = 1 << 50
"""No node has that much of anything, and sums over many nodes stay exact."""
_OLD_VERSION = 1
Cpu = Annotated[int, Field(ge=0)]


class _Cell(Part):
    number: int = Field(ge=0)
    total: Capacity
    taken: Capacity = Capacity()
    free_cpus: tuple[Cpu, ...] = ()
    pinned_cpus: tuple[Cpu, ...] = ()


class _Node(Part):
    name: str
    total: Capacity
    taken: Capacity = Capacity()
    state: str = "Up"
    schedulable: bool = True
    draining: bool = False
    closed: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    zones: dict[str, str] = Field(default_factory=dict)
    providers: tuple[str, ...] = ()
    cells: tuple[_Cell, ...] = ()


class _Request(Part):
    key: str
    service: str
    index: int
    need: Capacity
    provider: str = ""
    policy: SchedulePolicy = SchedulePolicy()
    avoid: tuple[str, ...] = ()
    machine_share: MachineShare = MachineShare.PART


class _Share(Part):
    size: Capacity
    cells: dict[int, Capacity] = Field(default_factory=dict)
    cpus: tuple[Cpu, ...] = ()


class _Present(Part):
    index: int = Field(ge=0)
    node: str
    need: Capacity
    machine_share: MachineShare = MachineShare.PART
    share: _Share
    to: str = ""
    to_share: _Share | None = None


class _Document(Part):
    kind: Literal["ScheduleSnapshot"]
    format: Literal[1]
    nodes: tuple[_Node, ...]
    standing: dict[str, dict[str, Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    services: dict[str, tuple[_Present, ...]] = Field(default_factory=dict)
    """The resources of each service; may name nodes that the cluster no longer has."""
    requests: tuple[_Request, ...] = ()


def dump(
    snapshot: Snapshot, requests: Iterable[Request] = (), present: Mapping[str, Sequence[Present]] | None = None
) -> dict[str, Any]:
    """Return the snapshot as it is now, with the requests to place on it, and the resources of each service.

    Its next decisions are those of the loaded snapshot.
    """
    snapshot.reset_derived()
    standing = {
        service: {snapshot.nodes[number].name: count for number, count in sorted(counts.items()) if count > 0}
        for service, counts in snapshot.services()
    }
    return {
        "kind": "ScheduleSnapshot",
        "format": FORMAT,
        "nodes": [_of_node(snapshot, number, node) for number, node in enumerate(snapshot.nodes)],
        "standing": {service: counts for service, counts in standing.items() if counts},
        "services": {
            service: [_of_present(each) for each in sorted(those, key=lambda each: each.index)]
            for service, those in sorted((present or {}).items())
        },
        "requests": [_of_request(request) for request in requests],
    }


def load(document: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of a document. Raises InvalidInput with the path of each bad field."""
    return _snapshot(_read(document))


def load_with_present(document: Mapping[str, Any]) -> tuple[Snapshot, dict[str, list[Present]]]:
    """Return the snapshot and the resources of each service, parsed once: a cluster's document takes seconds.

    Raises InvalidInput with the path of each bad field.
    """
    read = _read(document)
    return _snapshot(read), _present(read)


def _snapshot(read: _Document) -> Snapshot:
    snapshot = Snapshot(
        (_facts(node) for node in read.nodes),
        ((service, node) for service, at in read.standing.items() for node, count in at.items() for _ in range(count)),
    )
    for node in read.nodes:
        if node.closed is not None:
            snapshot.close([node.name], node.closed)
    return snapshot


def load_requests(document: Mapping[str, Any]) -> list[Request]:
    """Return the requests of a document. Raises InvalidInput with the path of each bad field."""
    return [
        Request(
            key=each.key,
            service=each.service,
            index=each.index,
            need=each.need,
            provider=each.provider,
            policy=each.policy,
            avoid=frozenset(each.avoid),
            machine_share=each.machine_share,
        )
        for each in _read(document).requests
    ]


def load_present(document: Mapping[str, Any]) -> dict[str, list[Present]]:
    """Return the resources of each service. Raises InvalidInput with the path of each bad field."""
    return _present(_read(document))


def _present(read: _Document) -> dict[str, list[Present]]:
    return {
        service: [
            Present(
                each.index,
                each.node,
                each.need,
                each.machine_share,
                _share(each.share),
                each.to,
                Share() if each.to_share is None else _share(each.to_share),
            )
            for each in those
        ]
        for service, those in read.services.items()
    }


def _read(document: Mapping[str, Any]) -> _Document:
    read = _valid(document) if "kind" in document else _read_old(document)
    bad = _doubtful(read)
    if bad:
        raise InvalidInput(bad)
    return read


def _read_old(document: Mapping[str, Any]) -> _Document:
    """Return a document from before the format existed: ``standing`` is computed from the services."""
    version = document.get("version")
    if version != _OLD_VERSION:
        raise InvalidInput([Problem("version", f"must be {_OLD_VERSION}, it is {version!r}")])
    others = {name: value for name, value in document.items() if name != "version"}
    read = _valid({"kind": "ScheduleSnapshot", "format": FORMAT, **others})
    there = {node.name for node in read.nodes}
    standing = {
        service: dict(Counter(each.node for each in those if each.node in there))
        for service, those in read.services.items()
    }
    return read.model_copy(update={"standing": standing})


def _valid(document: Mapping[str, Any]) -> _Document:
    try:
        return _Document.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(problems(error)) from None


def _doubtful(read: _Document) -> list[Problem]:
    """Return the problems that concern several fields together."""
    names: set[str] = set()
    bad = []
    for at, node in enumerate(read.nodes):
        if node.name in names:
            bad.append(Problem(f"nodes[{at}].name", f"{node.name} is given twice"))
        names.add(node.name)
        amounts = {"total": node.total, "taken": node.taken}
        for number, cell in enumerate(node.cells):
            amounts |= {f"cells[{number}].total": cell.total, f"cells[{number}].taken": cell.taken}
        bad += [
            Problem(f"nodes[{at}].{where}.{name}", f"{value:g} is more than any node has")
            for where, amount in amounts.items()
            for name, value in amount
            if value > _LARGEST
        ]
        if len({cell.number for cell in node.cells}) < len(node.cells):
            bad.append(Problem(f"nodes[{at}].cells", "two have the same number"))
    for service, counts in read.standing.items():
        bad += [
            Problem(f"standing.{service}.{node}", "the node does not exist") for node in counts if node not in names
        ]
    return bad


def _facts(node: _Node) -> NodeFacts:
    return NodeFacts(
        name=node.name,
        total=node.total,
        taken=node.taken,
        state=node.state,
        schedulable=node.schedulable,
        draining=node.draining,
        labels=node.labels,
        zones=node.zones,
        providers=frozenset(node.providers),
        cells=tuple(
            CellFacts(cell.number, cell.total, cell.taken, cell.free_cpus, cell.pinned_cpus) for cell in node.cells
        ),
    )


def _share(share: _Share) -> Share:
    return Share(size=share.size, cells=share.cells, cpus=share.cpus)


def _of_node(snapshot: Snapshot, number: int, node: NodeFacts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": node.name,
        "total": _amounts(snapshot.total[number]),
        "taken": _amounts(snapshot.total[number] - snapshot.free[number]),
        "state": node.state,
        "schedulable": node.schedulable,
        "draining": node.draining,
        "labels": dict(node.labels),
        "zones": dict(node.zones),
        "providers": sorted(node.providers),
        "cells": _of_cells(snapshot, number, node),
    }
    if snapshot.differs_from_facts(number):
        found["closed"] = snapshot.closed[number]
    return found


def _of_cells(snapshot: Snapshot, number: int, node: NodeFacts) -> list[dict[str, Any]]:
    cells = snapshot.cells
    ordered = sorted(node.cells, key=lambda cell: cell.number)
    return [
        {
            "number": cell.number,
            "total": cell.total.model_dump(mode="json", exclude_defaults=True),
            "taken": _amounts(cells.total[row] - cells.free[row]),
            "free_cpus": list(cells.cpus[row]),
            "pinned_cpus": sorted(cells.pinned[row]),
        }
        for cell, row in zip(ordered, cells.rows(number), strict=True)
    ]


def _of_request(request: Request) -> dict[str, Any]:
    return {
        "key": request.key,
        "service": request.service,
        "index": request.index,
        "need": request.need.model_dump(mode="json"),
        "provider": request.provider,
        "policy": request.policy.model_dump(mode="json"),
        "avoid": sorted(request.avoid),
        "machine_share": request.machine_share.value,
    }


def _of_present(each: Present) -> dict[str, Any]:
    found = {
        "index": each.index,
        "node": each.node,
        "need": each.need.model_dump(mode="json", exclude_defaults=True),
        "machine_share": each.machine_share.value,
        "share": _of_share(each.share),
    }
    if each.to:
        found |= {"to": each.to, "to_share": _of_share(each.to_share)}
    return found


def _of_share(share: Share) -> dict[str, Any]:
    return {
        "size": share.size.model_dump(mode="json", exclude_defaults=True),
        "cells": {str(cell): size.model_dump(mode="json", exclude_defaults=True) for cell, size in share.cells.items()},
        "cpus": list(share.cpus),
    }


def _amounts(row: Ints) -> dict[str, Any]:
    return capacity_of(row.clip(min=0)).model_dump(mode="json", exclude_defaults=True)
