"""The topology that the inventory plugin reads: twice the site costs about twice the operations."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.python.operations import MOST, growth

ENVELOPE: dict[str, Any] = {"labels": {}, "status": "Active", "state": "", "observed": {}, "spec": {}}
PLACES: list[dict[str, Any]] = [
    {"kind": "Region", "name": "kanto"},
    {"kind": "Datacenter", "name": "tokyo"},
    {"kind": "Floor", "name": "floor-1", "datacenter": "tokyo"},
    {"kind": "Cluster", "name": "tokyo1", "spec": {"region": "kanto", "datacenter": "tokyo"}},
]


def rack(number: int) -> dict[str, Any]:
    return {"kind": "Rack", "name": f"rack-{number}", "datacenter": "tokyo", "spec": {"floor": "floor-1"}}


def node(number: int, **observed: Any) -> dict[str, Any]:
    return {"kind": "Node", "name": f"server{number}", "cluster": "tokyo1", "observed": observed}


def machine(number: int) -> dict[str, Any]:
    spec = {"role": "Server", "rack": "rack-1"}
    return {"kind": "PhysicalResource", "name": f"device{number}", "datacenter": "tokyo", "spec": spec}


SITES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "racks": lambda n: [rack(number) for number in range(n)],
    "nodes": lambda n: [rack(1), *(node(number, zones={"rack": "rack-1", "power": "a"}) for number in range(n))],
    "domains": lambda n: [node(number, zones={"power": f"p{number}"}) for number in range(n)],
    "devices": lambda n: [rack(1), *(machine(number) for number in range(n))],
    "labels": lambda n: [{**node(1), "labels": {f"k{number}": "v" for number in range(n)}}],
}


@pytest.fixture
def topology(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The collection's module."""
    monkeypatch.syspath_prepend(Path(__file__).parents[4] / "collections")
    return importlib.import_module("ansible_collections.resource.infra.plugins.module_utils.topology")


@pytest.mark.parametrize("site", SITES)
def test_a_topology_is_read_in_linear_time(topology: Any, site: str) -> None:
    def lines(size: int) -> list[bytes]:
        content = [{**ENVELOPE, **each} for each in (*PLACES, *SITES[site](size))]
        whole = [{"topology": topology.FORMAT, "tag": "1-x"}, *content, {"end": len(content)}]
        return [json.dumps(each).encode() for each in whole]

    assert growth(lines, topology.read, 60) < MOST
