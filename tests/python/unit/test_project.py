"""The examples and the pages of the project: they hold what the models and the design say."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from controller.model import document, registry
from controller.model.registry import AnyResource

ROOT = Path(__file__).parents[3]
TOKYO = ROOT / "examples" / "tokyo"


def _example() -> list[AnyResource]:
    text = "\n---\n".join(path.read_text() for path in sorted(TOKYO.glob("*.yaml")))
    return document.parse_all(document.read(text))


def _by_kind(kind: str) -> dict[str, AnyResource]:
    return {resource.name: resource for resource in _example() if resource.kind == kind}


def _peers(resource: AnyResource) -> set[str]:
    return {link.peer for link in resource.spec.network_links}


def _sources(resource: AnyResource) -> set[str]:
    return {link.source for link in resource.spec.power_links}


@pytest.mark.design("G2", "G3", "G4", "G5")
def test_example_is_valid_and_names_each_resource_once() -> None:
    keys = [registry.key_of(resource) for resource in _example()]
    assert len(keys) == len(set(keys))
    kinds = {key.kind for key in keys}
    assert {"Datacenter", "Floor", "Rack", "PhysicalResource", "Cluster", "Node", "NetworkAvailabilityZone"} <= kinds
    assert {"NodeAvailabilityZone", "Region", "RegionService"} <= kinds


def test_example_refers_only_to_what_it_holds_and_to_the_image_of_the_machine() -> None:
    known = {str(registry.key_of(resource)) for resource in _example()}
    missing = {name for resource in _example() for name in _references(resource) if name not in known}
    assert missing == {"Image kanto/guest"}


def _references(resource: AnyResource) -> list[str]:
    spec = resource.spec
    names: list[str] = []
    datacenter = getattr(resource, "datacenter", "")
    match resource.kind:
        case "Floor":
            names = [f"Datacenter {datacenter}"]
        case "Rack":
            names = [f"Floor {datacenter}/{spec.floor}"] + ([f"Rack {datacenter}/{spec.pair}"] if spec.pair else [])
        case "PhysicalResource":
            names = [f"PhysicalResource {datacenter}/{name}" for name in _peers(resource) | _sources(resource)]
            names += [f"Rack {datacenter}/{spec.rack}"] if spec.rack else []
            names += [f"Floor {datacenter}/{spec.floor}"] if spec.floor else []
            names += [f"PhysicalModel {spec.model}"] if spec.model else []
        case "Cluster":
            names = [f"Region {spec.region}", f"Datacenter {spec.datacenter}"]
        case "Node":
            names = [f"PhysicalResource tokyo/{spec.physical_resource}"]
            names += [f"NetworkAvailabilityZone {resource.parent_names[0]}/{spec.network_availability_zone}"]
            names += [f"NodeAvailabilityZone {resource.parent_names[0]}/{spec.node_availability_zone}"]
            names += [f"Provider {name}" for name in spec.providers]
        case "ResourceFlavor":
            names = [f"Provider {spec.provider}"]
        case "RegionService":
            names = [f"ResourceFlavor {spec.compute.flavor}", f"Image kanto/{spec.compute.image}"]
    return names


@pytest.mark.design("G6")
def test_each_server_of_the_example_is_one_node() -> None:
    servers = [name for name, pr in _by_kind("PhysicalResource").items() if pr.spec.role == "Server"]
    nodes = [node.spec.physical_resource for node in _by_kind("Node").values()]
    assert sorted(servers) == sorted(nodes)
    assert len(servers) == 4


@pytest.mark.design("M1")
def test_example_names_routers_as_the_design_does() -> None:
    """
    ::

        root-1-gateway-router01 --- root-1-floor-spine-router01 --- floor-1-1-1-floor-leaf-router01
            --- floor-1-1-1-rack-spine-router01 --- floor-1-1-1-rack-1-1-rack-leaf-router01
            --- floor-1-1-1-rack-1-1-server1
    """
    physical = _by_kind("PhysicalResource")
    path = [
        "floor-1-1-1-rack-1-1-server1",
        "floor-1-1-1-rack-1-1-rack-leaf-router01",
        "floor-1-1-1-rack-spine-router01",
        "floor-1-1-1-floor-leaf-router01",
        "root-1-floor-spine-router01",
        "root-1-gateway-router01",
    ]
    for below, above in itertools.pairwise(path):
        assert above in _peers(physical[below])


@pytest.mark.design("M1")
def test_every_providers_spines_reach_the_leaves_of_every_floor() -> None:
    physical = _by_kind("PhysicalResource")
    spines = {name for name, pr in physical.items() if pr.spec.role == "FloorSpineRouter"}
    leaves = {name: pr for name, pr in physical.items() if pr.spec.role == "FloorLeafRouter"}
    assert {name.split("-")[1] for name in spines} == {"1", "2"}
    assert {pr.spec.floor for pr in leaves.values()} == set(_by_kind("Floor"))
    for leaf in leaves.values():
        assert _peers(leaf) == spines
    for spine in spines:
        assert _peers(physical[spine]) == {f"root-{spine.split('-')[1]}-gateway-router01"}


@pytest.mark.design("M1")
def test_each_server_is_wired_to_its_own_rack_and_the_paired_one() -> None:
    racks = _by_kind("Rack")
    physical = _by_kind("PhysicalResource")
    for rack in ("floor-1-1-1-rack-1-1", "floor-1-1-1-rack-1-2"):
        leaves = {name for name, pr in physical.items() if pr.spec.role == "RackLeafRouter" and pr.spec.rack == rack}
        assert leaves == {f"{rack}-rack-leaf-router01", f"{rack}-rack-leaf-router02"}
    for server in (pr for pr in physical.values() if pr.spec.role == "Server"):
        peers = {physical[name].spec.rack for name in _peers(server)}
        assert peers == {server.spec.rack, racks[server.spec.rack].spec.pair}


@pytest.mark.design("G3")
def test_each_server_hangs_on_both_pdus_of_its_rack_and_racks_on_different_power() -> None:
    physical = _by_kind("PhysicalResource")
    systems: dict[str, set[str]] = {}
    for server in (pr for pr in physical.values() if pr.spec.role == "Server"):
        pdus = _sources(server)
        assert pdus == {f"{server.spec.rack}-pdu-a", f"{server.spec.rack}-pdu-b"}
        systems[server.spec.rack] = {feed for pdu in pdus for feed in _sources(physical[pdu])}
    first, second = systems.values()
    assert len(first) == len(second) == 2
    assert not first & second
