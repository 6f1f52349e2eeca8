"""Failure domains from power and network links, drawn."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.cluster import CLUSTER, Cluster
from controller.model.node import Node, NodeSpec
from controller.model.physical_resource import PhysicalResource, PhysicalResourceSpec
from controller.root.inventory import failure_domains

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
    return failure_domains.zones(node, cluster, {item.name: item for item in devices})


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


@pytest.mark.design("J3", "G5")
def test_7_panels_and_ups_are_gone_through_to_the_top() -> None:
    """
    feed-a -- ups-a -- panel-a1 -- pdu-a -- psu0 [server1]           power = feed-a+feed-b
                                            psu1 -- feed-b (straight)
    """
    zones = zones_of(
        device("ups-a", "Other", power_links=power("feed-a")),
        device("panel-a1", "Other", power_links=power("ups-a")),
        device("pdu-a", "Pdu", power_links=power("panel-a1")),
        device("feed-b", "PowerFeed"),
        device("server1", "Server", power_links=power("pdu-a", "feed-b")),
    )
    assert zones["power"] == "feed-a+feed-b"


@pytest.mark.design("J3", "J5")
def test_8_missing_links_leave_the_node_without_the_axis() -> None:
    """
    [server1] in a rack, no cords, a cable to the management switch only   power = "", network = ""
    """
    zones = zones_of(
        device("mgmt-switch", "Other"),
        device("server1", "Server", rack=RACK, network_links=network("mgmt-switch")),
    )
    assert (zones["power"], zones["network"], zones["rack"]) == ("", "", RACK)


def inventory_of(*devices: PhysicalResource) -> dict[str, PhysicalResource]:
    return {item.name: item for item in devices}


TREE = inventory_of(
    device("feed-a", "PowerFeed"),
    device("feed-b", "PowerFeed"),
    device("ups-a", "Other", power_links=power("feed-a")),
    device("pdu-a", "Pdu", power_links=power("ups-a")),
    device("pdu-b", "Pdu", power_links=power("feed-b")),
    device("gateway", "GatewayRouter"),
    device("spine1", "RackSpineRouter", network_links=network("gateway"), power_links=power("feed-b")),
    device("spine2", "RackSpineRouter", network_links=network("gateway"), power_links=power("feed-b")),
    device("leaf01", "RackLeafRouter", network_links=network("spine1", "spine2"), power_links=power("pdu-a")),
    device("leaf02", "RackLeafRouter", network_links=network("spine2"), power_links=power("pdu-b")),
    device("both", "Server", power_links=power("pdu-a", "pdu-b"), network_links=network("leaf01", "leaf02")),
    device("only-a", "Server", power_links=power("pdu-a"), network_links=network("leaf02")),
    device("one-leaf", "Server", power_links=power("pdu-b"), network_links=network("leaf01")),
    device("bare", "Server"),
)
SERVERS = ("both", "only-a", "one-leaf", "bare")


@pytest.mark.design("J1", "J3", "J5")
@pytest.mark.parametrize(
    ("failed", "down"),
    [
        (["feed-a"], {"ups-a": "power", "pdu-a": "power", "leaf01": "power", "only-a": "power", "one-leaf": "network"}),
        (["ups-a"], {"pdu-a": "power", "leaf01": "power", "only-a": "power", "one-leaf": "network"}),
        (["pdu-a"], {"leaf01": "power", "only-a": "power", "one-leaf": "network"}),
        (
            ["feed-b"],
            {"pdu-b": "power", "leaf02": "power", "spine1": "power", "spine2": "power"}
            | {"leaf01": "network", "both": "network", "only-a": "network", "one-leaf": "power"},
        ),
        (
            ["pdu-a", "pdu-b"],
            {"leaf01": "power", "leaf02": "power"} | dict.fromkeys(("both", "only-a", "one-leaf"), "power"),
        ),
        (["leaf01"], {"one-leaf": "network"}),
        (["leaf01", "leaf02"], dict.fromkeys(("both", "only-a", "one-leaf"), "network")),
        (["spine1"], {}),
        (["spine2"], {"leaf02": "network", "only-a": "network"}),
        (
            ["gateway"],
            {"spine1": "network", "spine2": "network", "leaf01": "network", "leaf02": "network"}
            | dict.fromkeys(("both", "only-a", "one-leaf"), "network"),
        ),
        (["bare"], {}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_9_what_falls_with_a_device(failed: list[str], down: dict[str, str]) -> None:
    """
    feed-a -- ups-a -- pdu-a -+- [both]  -+- leaf01 -+- spine1 -+- gateway
                              +- [only-a] |          +- spine2 -+
                              +- leaf01   +- leaf02 --- spine2      [only-a] hangs on leaf02,
    feed-b -+- pdu-b -+- [both]           |                         [one-leaf] on leaf01,
            |         +- [one-leaf]       |                         [bare] on nothing that is written down
            |         +- leaf02
            +- spine1, spine2
    """
    found = failure_domains.find_down(TREE, failed)
    assert found == dict.fromkeys(failed, "itself") | down


@pytest.mark.design("J1", "J3")
@pytest.mark.parametrize("machine", SERVERS)
def test_10_a_node_falls_by_power_exactly_when_its_whole_domain_does(machine: str) -> None:
    """Every set of feeds: the domain's name and the walk of ``find_down`` say the same (one definition)."""
    node = Node(name="node1", cluster="tokyo1", spec=NodeSpec(physical_resource=machine))
    zone = failure_domains.zones(node, Cluster.model_validate(dict(CLUSTER.example)), TREE)["power"]
    for failed in ([], ["feed-a"], ["feed-b"], ["feed-a", "feed-b"]):
        down = failure_domains.find_down(TREE, failed)
        expected = bool(zone) and set(zone.split("+")) <= set(failed)
        assert (down.get(machine) == "power") == expected, (zone, failed)


@pytest.mark.design("J3", "J5")
def test_11_a_domain_set_by_hand_counts_where_it_names_things() -> None:
    """
    [only-a] hangs on pdu-a; by hand: ``feed-a+feed-b`` stays up while feed-b does; ``zone-1`` names no thing
    """

    def cause(failed: list[str], **spec: Any) -> str | None:
        node = Node(name="node1", cluster="tokyo1", spec=NodeSpec(physical_resource="only-a", **spec))
        return failure_domains.cause(node, TREE, failure_domains.find_down(TREE, failed))

    assert cause(["pdu-a"]) == "power"
    assert cause(["pdu-a"], power_domain="zone-1") == "power"
    assert cause(["feed-a"], power_domain="feed-a+feed-b") is None
    assert cause(["feed-a", "feed-b"], power_domain="feed-a+feed-b") == "power"
    assert cause(["leaf02"], network_domain="leaf01+leaf02") is None
    assert cause(["leaf02"], network_availability_zone="leaf02") == "network"
    assert cause(["only-a"], power_domain="feed-a+feed-b") == "itself"
