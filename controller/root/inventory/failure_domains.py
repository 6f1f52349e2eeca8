"""Computes the failure domains of a node, and what goes down with failed devices, from the inventory. Pure.

A domain is a set of failures that takes a node down: a node fed by the power systems A and B is in the domain ``A+B``,
which fails only if both fail; likewise with two leaf routers. A domain that is set on the node itself has precedence.

``find_down`` and ``cause`` use the same walk over the cords and cables: a device is in the domain of the tops that it
reaches, and it is down if it reaches none of them without passing a failed device. A device without recorded cords has
no domain, and fails only by itself.

Design: J1, J3-J5
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum

from controller.model.cluster import Cluster
from controller.model.node import Node
from controller.model.physical_resource import PhysicalResource, Role

SEPARATOR = "+"
Inventory = Mapping[str, PhysicalResource]
ROUTERS = frozenset(
    {
        Role.GATEWAY_ROUTER,
        Role.FLOOR_SPINE_ROUTER,
        Role.FLOOR_LEAF_ROUTER,
        Role.RACK_SPINE_ROUTER,
        Role.RACK_LEAF_ROUTER,
    }
)


class Cause(StrEnum):
    """Why something goes down."""

    ITSELF = "itself"
    POWER = "power"
    NETWORK = "network"


def zones(node: Node, cluster: Cluster, inventory: Inventory) -> dict[str, str]:
    """Return the domain of the node per axis; an unknown domain is an empty string.

    ``inventory`` holds physical resources of the cluster's datacenter by name: at least that of the node, and all
    that power it.
    """
    machine = inventory.get(node.spec.physical_resource or "")
    return {
        "datacenter": cluster.spec.datacenter,
        "power": node.spec.power_domain or _joined(_power(machine, inventory)),
        "rack": (machine.spec.rack or "") if machine else "",
        "network": _network_by_hand(node) or _joined(_leaves(machine, inventory)),
        "node": node.name,
    }


def find_down(inventory: Inventory, failed: Collection[str]) -> dict[str, Cause]:
    """Return the devices that are down if the ``failed`` ones are, by name, with the cause of each.

    Power comes first: a router without power carries nothing. A router or a server is down by the network if no
    cable leads it to the top any more.
    """
    down = dict.fromkeys(failed, Cause.ITSELF)
    for device in inventory.values():
        if device.name not in down and _is_dark(device, inventory, failed):
            down[device.name] = Cause.POWER
    dead = frozenset(down)
    for device in inventory.values():
        if device.name in dead:
            continue
        if device.spec.role in ROUTERS:
            cut = _is_cut([device.name], inventory, dead)
        else:
            cut = device.spec.role is Role.SERVER and _is_cut(_leaves(device, inventory), inventory, dead)
        if cut:
            down[device.name] = Cause.NETWORK
    return down


def cause(node: Node, inventory: Inventory, down: Mapping[str, Cause]) -> Cause | None:
    """Return why the node goes down with the devices that ``find_down`` returned; None if it stays up.

    A domain that is set on the node replaces the cords or cables if it names devices of the inventory. If it names
    none (``zone-1``), the cords and cables decide.
    """
    fate = down.get(node.spec.physical_resource or "")
    if fate is Cause.ITSELF:
        return fate
    for axis, by_hand in ((Cause.POWER, node.spec.power_domain), (Cause.NETWORK, _network_by_hand(node))):
        parts = (by_hand or "").split(SEPARATOR)
        if any(part in inventory for part in parts):
            if all(part in down for part in parts):
                return axis
        elif fate is axis:
            return fate
    return None


def _power(machine: PhysicalResource | None, inventory: Inventory) -> set[str]:
    """Return the names of the power systems at the top of all cords."""
    return _tops([machine.name], _cords(inventory)) if machine is not None else set()


def _leaves(machine: PhysicalResource | None, inventory: Inventory) -> set[str]:
    """Return the names of the leaf routers that the machine is wired to."""
    if machine is None:
        return set()
    return {
        link.peer
        for link in machine.spec.network_links
        if link.peer not in inventory or inventory[link.peer].spec.role is Role.RACK_LEAF_ROUTER
    }


def _is_dark(device: PhysicalResource, inventory: Inventory, failed: Collection[str]) -> bool:
    """Return whether the device had a source of power and has none any more."""
    if not device.spec.power_links:
        return False
    cords = _cords(inventory)
    return not _tops([device.name], cords, failed) and bool(_tops([device.name], cords))


def _is_cut(routers: Collection[str], inventory: Inventory, dead: Collection[str]) -> bool:
    """Return whether no live router leads to the top any more, although one did."""
    cables = _cables(inventory)

    def leads(name: str, without: Collection[str]) -> bool:
        return name not in without and (not cables(name) or bool(_tops([name], cables, without)))

    return not any(leads(name, dead) for name in routers) and any(leads(name, ()) for name in routers)


Sources = Callable[[str], Collection[str]]


def _tops(start: Iterable[str], sources: Sources, without: Collection[str] = ()) -> set[str]:
    """Return where the ways up from ``start`` end, except those through ``without``; a circle has no end."""
    tops: set[str] = set()
    seen: set[str] = set()
    below = list(start)
    while below:
        name = below.pop()
        if name in seen:
            continue
        seen.add(name)
        for source in sources(name):
            if source in without:
                continue
            if sources(source):
                below.append(source)
            else:
                tops.add(source)
    return tops


def _cords(inventory: Inventory) -> Sources:
    def sources(name: str) -> Collection[str]:
        device = inventory.get(name)
        return [link.source for link in device.spec.power_links] if device is not None else ()

    return sources


def _cables(inventory: Inventory) -> Sources:
    """Return the way from a router to those nearer to the internet; switches of other networks do not count."""

    def sources(name: str) -> Collection[str]:
        device = inventory.get(name)
        if device is None:
            return ()
        peers = [link.peer for link in device.spec.network_links]
        return [peer for peer in peers if peer not in inventory or inventory[peer].spec.role in ROUTERS]

    return sources


def _network_by_hand(node: Node) -> str | None:
    return node.spec.network_domain or node.spec.network_availability_zone


def _joined(names: Iterable[str]) -> str:
    return SEPARATOR.join(sorted(names))
