"""Failure domains from power and network links, drawn."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.cluster import CLUSTER, Cluster
from controller.model.node import Node, NodeSpec
from controller.model.physical_resource import PhysicalResource, PhysicalResourceSpec
from controller.root.controller import domains

RACK = "floor-1-1-1-rack-1-1"


def device(name: str, role: str, **spec: Any) -> PhysicalResource:
    return PhysicalResource(
        name=name, datacenter="tokyo", spec=PhysicalResourceSpec.model_validate({"role": role, **spec})
    )


def power(*sources: str) -> list[dict[str, str]]:
    return [{"inlet": f"psu{number}", "source": source} for number, source in enumerate(sources)]


def network(*peers: str) -> list[dict[str, str]]:
    return [{"port": f"eth{number}", "peer": peer} for number, peer in enumerate(peers)]


def zones_of(*devices: PhysicalResource, **spec: Any) -> dict[str, str]:
    node = Node(name="node1", cluster="tokyo1", spec=NodeSpec(physical_resource="server1", **spec))
    cluster = Cluster.model_validate(dict(CLUSTER.example))
    return domains.zones(node, cluster, {item.name: item for item in devices})


@pytest.mark.design("J1", "J3", "G5")
def test_1_two_feeds_make_one_domain_that_fails_only_when_both_do() -> None:
    """
    feed-a -- pdu-a -- psu0 [server1] psu1 -- pdu-b -- feed-b        power = feed-a+feed-b
    """
    zones = zones_of(
        device("feed-a", "PowerFeed"),
        device("feed-b", "PowerFeed"),
        device("pdu-a", "Pdu", power_links=power("feed-a")),
        device("pdu-b", "Pdu", power_links=power("feed-b")),
        device("server1", "Server", rack=RACK, power_links=power("pdu-b", "pdu-a")),
    )
    assert zones["power"] == "feed-a+feed-b"
    assert zones["rack"] == RACK
    assert zones["datacenter"] == "tokyo"
    assert zones["node"] == "node1"


@pytest.mark.design("J3")
def test_2_two_pdus_of_one_feed_are_one_domain() -> None:
    """
    feed-a -+- pdu-a -- psu0 [server1]
            +- pdu-b -- psu1                                          power = feed-a
    """
    zones = zones_of(
        device("pdu-a", "Pdu", power_links=power("feed-a")),
        device("pdu-b", "Pdu", power_links=power("feed-a")),
        device("server1", "Server", power_links=power("pdu-a", "pdu-b")),
    )
    assert zones["power"] == "feed-a"


@pytest.mark.design("J3")
def test_3_cords_in_a_circle_end() -> None:
    """
    pdu-a <-> pdu-b (a mistake in the inventory)                      power = ""
    """
    zones = zones_of(
        device("pdu-a", "Pdu", power_links=power("pdu-b")),
        device("pdu-b", "Pdu", power_links=power("pdu-a")),
        device("server1", "Server", power_links=power("pdu-a")),
    )
    assert zones["power"] == ""


@pytest.mark.design("J5", "G5")
def test_4_leaf_routers_make_the_network_domain() -> None:
    """
    leaf01 -- eth0 [server1] eth1 -- leaf02      mgmt-switch -- eth2  network = leaf01+leaf02
    """
    zones = zones_of(
        device("leaf01", "RackLeafRouter"),
        device("leaf02", "RackLeafRouter"),
        device("mgmt-switch", "Other"),
        device("server1", "Server", network_links=network("leaf02", "leaf01", "mgmt-switch")),
    )
    assert zones["network"] == "leaf01+leaf02"


@pytest.mark.design("J3", "J5")
def test_5_what_is_set_by_hand_wins() -> None:
    server = device("server1", "Server", power_links=power("pdu-a"), network_links=network("leaf01"))
    by_hand = zones_of(server, power_domain="room-1", network_domain="core-1", network_availability_zone="zone-1")
    assert (by_hand["power"], by_hand["network"]) == ("room-1", "core-1")
    assert zones_of(server, network_availability_zone="zone-1")["network"] == "zone-1"


@pytest.mark.design("J1")
def test_6_a_node_without_inventory_has_empty_domains() -> None:
    zones = zones_of()
    assert (zones["power"], zones["rack"], zones["network"]) == ("", "", "")
