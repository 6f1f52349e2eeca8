"""Failure domains of a node, from the physical inventory (J1, J3-J5; decisions: domains).

A domain is a set of failures that takes a node down alone: a node fed by the power systems A and
B is in the domain ``A+B``, which fails only when both do; likewise two leaf routers. What is set
by hand on the node wins.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.model.cluster import Cluster
from controller.model.node import Node
from controller.model.physical_resource import PhysicalResource, Role

SEPARATOR = "+"


def zones(node: Node, cluster: Cluster, inventory: Mapping[str, PhysicalResource]) -> dict[str, str]:
    """Domain of the node per axis; an unknown domain is an empty string.

    ``inventory`` holds the physical resources of the cluster's datacenter by name: at least the
    node's own, and all that power it.
    """
    machine = inventory.get(node.spec.physical_resource or "")
    return {
        "datacenter": cluster.spec.datacenter,
        "power": node.spec.power_domain or _power(machine, inventory),
        "rack": (machine.spec.rack or "") if machine else "",
        "network": node.spec.network_domain or node.spec.network_availability_zone or _network(machine, inventory),
        "node": node.name,
    }


def _power(machine: PhysicalResource | None, inventory: Mapping[str, PhysicalResource]) -> str:
    """Names of the power systems at the top of all cords, sorted and joined."""
    tops: set[str] = set()
    seen: set[str] = set()
    below = [machine] if machine else []
    while below:
        device = below.pop()
        if device.name in seen:
            continue
        seen.add(device.name)
        for link in device.spec.power_links:
            source = inventory.get(link.source)
            if source is not None and source.spec.power_links:
                below.append(source)
            else:
                tops.add(link.source)
    return SEPARATOR.join(sorted(tops))


def _network(machine: PhysicalResource | None, inventory: Mapping[str, PhysicalResource]) -> str:
    """Names of the leaf routers that the machine is wired to, sorted and joined."""
    if machine is None:
        return ""
    leaves = {
        link.peer
        for link in machine.spec.network_links
        if link.peer not in inventory or inventory[link.peer].spec.role is Role.RACK_LEAF_ROUTER
    }
    return SEPARATOR.join(sorted(leaves))
