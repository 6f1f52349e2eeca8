"""Every sort of group, how they are nested, and who is in them.

region kanto -- zone kanto-a            datacenter tokyo -- floor-1-1-1 -- rack-1-1: server1, pdu-a
             -- cluster tokyo1 -- network zone network-1         `- power and network domains
                               `- node zone row-1
project default -- service web: web-0
"""

from __future__ import annotations

from typing import Any

import pytest

from controller.store import resources
from controller.store.database import Database, Transaction
from tests.python.integration.ansible_inventory.conftest import Inventories

pytestmark = pytest.mark.design("N2")
RACK = "floor-1-1-1-rack-1-1"
NODE, COMPUTE, PDU = f"{RACK}-server1.tokyo1", "web-0.default.kanto", f"{RACK}-pdu-a.tokyo"


@pytest.fixture
def told(inventories: Inventories, db: Database) -> dict[str, Any]:
    """The whole inventory; the Compute was seen in the rack, and the node is cordoned."""

    def seen(tx: Transaction) -> None:
        (compute,) = resources.list_all(tx, "Compute")
        zones = {"node": f"{RACK}-server1", "datacenter": "tokyo", "rack": RACK, "power": "p", "network": "leaf"}
        interface = {"network": "service", "address": "172.16.10.10", "prefix_length": 24, "gateway": "172.16.10.1"}
        spec = type(compute.spec).model_validate(
            {**compute.spec.model_dump(mode="json"), "interfaces": [{**interface, "mac": "52:54:ac:10:0a:0a"}]}
        )
        (node,) = [one for one in resources.list_all(tx, "Node") if one.name == f"{RACK}-server1"]
        closed = node.model_copy(update={"spec": node.spec.model_copy(update={"schedulable": False})})
        resources.update(tx, [compute.model_copy(update={"observed": zones, "state": "Running", "spec": spec}), closed])

    db.write(seen)
    return inventories.listed(inventories.source(hosts=["nodes", "computes", "physical_resources"]))


def groups_of(told: dict[str, Any], host: str) -> set[str]:
    return {name for name, group in told.items() if host in group.get("hosts", ())}


def test_each_host_is_in_the_deepest_group_of_every_sort(told: dict[str, Any]) -> None:
    rack = "rack_tokyo_floor_1_1_1_rack_1_1"
    assert groups_of(told, NODE) == {
        *("nodes", "cordoned", rack, "network_zone_tokyo1_network_1", "node_zone_tokyo1_row_1"),
        *("availability_zone_kanto_kanto_a", "power_tokyo_floor_1_1_1_rack_1_1_pdu_a", "network_tokyo_leaf"),
        *("provider_libvirt", "role_Server", "status_Active", "state_Up"),
    }
    assert groups_of(told, COMPUTE) == {
        *("computes", rack, "cluster_tokyo1", "service_default_kanto_web", "power_tokyo_p", "network_tokyo_leaf"),
        *("provider_libvirt", "status_Active", "state_Running"),
    }
    assert groups_of(told, PDU) == {"physical_resources", rack, "role_Pdu", "status_Active"}


def test_groups_are_nested_as_the_places_are(told: dict[str, Any]) -> None:
    children = {name: set(group.get("children", ())) for name, group in told.items() if name != "_meta"}
    racks = {f"rack_tokyo_floor_1_1_1_rack_1_{number}" for number in (1, 2, 3)}
    assert children["floor_tokyo_floor_1_1_1"] == racks
    domains = {name for name in told if name.startswith(("power_tokyo_", "network_tokyo_"))}
    assert children["datacenter_tokyo"] == {"floor_tokyo_floor_1_1_1", "floor_tokyo_floor_1_2_1", *domains}
    assert children["cluster_tokyo1"] == {"network_zone_tokyo1_network_1", "node_zone_tokyo1_row_1"}
    assert children["region_kanto"] == {"availability_zone_kanto_kanto_a", "cluster_tokyo1"}
    assert children["project_default"] == {"service_default_kanto_web"}
    below = set().union(*(found for name, found in children.items() if name != "all"))
    assert not children["all"] & below, "a group that is in another is not at the top as well"


def test_each_host_has_its_variables(told: dict[str, Any]) -> None:
    hosts = told["_meta"]["hostvars"]
    place = {"resource_datacenter": "tokyo", "resource_floor": "floor-1-1-1", "resource_rack": RACK}
    assert place.items() <= hosts[NODE].items()
    assert {
        "resource_cluster": "tokyo1",
        "resource_rack_position": 11,
        "resource_power_domain": f"{RACK}-pdu-a",
        "resource_power_links": {"psu1": f"{RACK}-pdu-a", "psu2": f"{RACK}-pdu-b"},
        "resource_network_domain": "leaf",
        "resource_network_zone": "network-1",
        "resource_node_zone": "row-1",
        "resource_availability_zone": "kanto-a",
        "resource_capacity_vcpus": 16,
        "resource_free_vcpus": 16,
        "resource_cordoned": True,
    }.items() <= hosts[NODE].items()
    assert {
        **place,
        "ansible_host": "172.16.10.10",
        "resource_addresses": ["172.16.10.10"],
        "resource_node": f"{RACK}-server1",
        "resource_service": "web",
        "resource_project": "default",
        "resource_labels": {"text": "x"},
        "resource_capacity_memory_mib": 256,
    }.items() <= hosts[COMPUTE].items()
    assert {**place, "resource_role": "Pdu", "resource_power_links": {"in": "power-1-feed-a"}}.items() <= hosts[
        PDU
    ].items()
