"""A cluster's scheduling at one moment as a JSON document: for bug reports, replayed offline (J10; pure).

It holds nodes, what is taken of them, and where the Computes of each service stand: names and
numbers only, no user data, addresses or keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.cluster.forecast import Forecaster, Present
from controller.errors import InvalidInput, Problem
from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.schedule import CellFacts, NodeFacts, Snapshot

VERSION = 1


def dump(snapshot: Snapshot, present: Mapping[str, Sequence[Present]]) -> dict[str, Any]:
    """The document of a snapshot that nothing was placed on yet."""
    return {
        "version": VERSION,
        "nodes": [_node(node) for node in snapshot.nodes],
        "services": {
            service: [_present(each) for each in sorted(those, key=lambda each: each.index)]
            for service, those in sorted(present.items())
        },
    }


def load(raw: Mapping[str, Any]) -> Forecaster:
    """What the cluster would have answered then; raises InvalidInput for what is no such document."""
    if raw.get("version") != VERSION:
        raise InvalidInput([Problem("version", f"must be {VERSION}, it is {raw.get('version')!r}")])
    try:
        present = {service: [_parse_present(each) for each in those] for service, those in raw["services"].items()}
        nodes = [_parse_node(each) for each in raw["nodes"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput([Problem("", f"is no snapshot of a cluster's scheduling: {error!r:.200}")]) from error
    standing = [(service, each.node) for service, those in present.items() for each in those]
    return Forecaster(Snapshot(nodes, standing), present)


def _node(node: NodeFacts) -> dict[str, Any]:
    return {
        "name": node.name,
        "total": _capacity(node.total),
        "taken": _capacity(node.taken),
        "state": node.state,
        "schedulable": node.schedulable,
        "draining": node.draining,
        "labels": dict(node.labels),
        "zones": dict(node.zones),
        "providers": sorted(node.providers),
        "cells": [
            {
                "number": cell.number,
                "total": _capacity(cell.total),
                "taken": _capacity(cell.taken),
                "free_cpus": list(cell.free_cpus),
                "pinned_cpus": list(cell.pinned_cpus),
            }
            for cell in node.cells
        ],
    }


def _parse_node(raw: Mapping[str, Any]) -> NodeFacts:
    cells = tuple(
        CellFacts(
            int(cell["number"]),
            Capacity.model_validate(cell["total"]),
            Capacity.model_validate(cell["taken"]),
            tuple(map(int, cell["free_cpus"])),
            tuple(map(int, cell["pinned_cpus"])),
        )
        for cell in raw["cells"]
    )
    return NodeFacts(
        name=str(raw["name"]),
        total=Capacity.model_validate(raw["total"]),
        taken=Capacity.model_validate(raw["taken"]),
        state=str(raw["state"]),
        schedulable=bool(raw["schedulable"]),
        draining=bool(raw["draining"]),
        labels=dict(raw["labels"]),
        zones=dict(raw["zones"]),
        providers=frozenset(raw["providers"]),
        cells=cells,
    )


def _present(each: Present) -> dict[str, Any]:
    return {
        "index": each.index,
        "node": each.node,
        "need": _capacity(each.need),
        "machine_share": each.machine_share.value,
        "share": {
            "size": _capacity(each.share.size),
            "cells": {str(cell): _capacity(size) for cell, size in each.share.cells.items()},
            "cpus": list(each.share.cpus),
        },
    }


def _parse_present(raw: Mapping[str, Any]) -> Present:
    share = Share(
        size=Capacity.model_validate(raw["share"]["size"]),
        cells={int(cell): Capacity.model_validate(size) for cell, size in raw["share"]["cells"].items()},
        cpus=tuple(map(int, raw["share"]["cpus"])),
    )
    return Present(
        int(raw["index"]),
        str(raw["node"]),
        Capacity.model_validate(raw["need"]),
        MachineShare(raw["machine_share"]),
        share,
    )


def _capacity(capacity: Capacity) -> dict[str, float]:
    """Without what is nothing."""
    return {name: value for name, value in capacity.model_dump().items() if value}
