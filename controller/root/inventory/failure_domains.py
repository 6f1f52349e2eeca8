"""Failure domains of a node, and what a failure takes along, from the inventory (J1, J3-J5; decisions: domains).

A domain is a set of failures that takes a node down alone: a node fed by the power systems A and
B is in the domain ``A+B``, which fails only when both do; likewise two leaf routers. What is set
by hand on the node wins.

``fallen`` and ``cause`` tell what goes down with given devices by the very same walk over the
cords and cables: a thing is in the domain of the tops that it reaches, and is down when it reaches
none of them past what has failed. A thing whose cords nobody wrote down has no domain, and is not
said to fail with anything but itself.
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
    """Domain of the node per axis; an unknown domain is an empty string.

    ``inventory`` holds the physical resources of the cluster's datacenter by name: at least the
    node's own, and all that power it.
    """
    machine = inventory.get(node.spec.physical_resource or "")
    return {
        "datacenter": cluster.spec.datacenter,
        "power": node.spec.power_domain or _joined(_power(machine, inventory)),
        "rack": (machine.spec.rack or "") if machine else "",
        "network": _network_by_hand(node) or _joined(_leaves(machine, inventory)),
        "node": node.name,
    }


def fallen(inventory: Inventory, failed: Collection[str]) -> dict[str, Cause]:
    """Everything that is down once the ``failed`` devices are, by name, with its cause.

    Power first: a router without power carries nothing. A router is down by the network when no
    cable leads it to the top any more; servers are judged the same way.
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
    """Why the node goes down with what ``fallen`` told; None when it stays.

    A domain set by hand counts in place of the cords or cables where it names things of the
    inventory; one that names none (``zone-1``) leaves the cords and cables to tell.
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
    """Names of the power systems at the top of all cords."""
    return _tops([machine.name], _cords(inventory)) if machine is not None else set()


def _leaves(machine: PhysicalResource | None, inventory: Inventory) -> set[str]:
    """Names of the leaf routers that the machine is wired to."""
    if machine is None:
        return set()
    return {
        link.peer
        for link in machine.spec.network_links
        if link.peer not in inventory or inventory[link.peer].spec.role is Role.RACK_LEAF_ROUTER
    }


def _is_dark(device: PhysicalResource, inventory: Inventory, failed: Collection[str]) -> bool:
    """It had power from somewhere, and has none any more."""
    if not device.spec.power_links:
        return False
    cords = _cords(inventory)
    return not _tops([device.name], cords, failed) and bool(_tops([device.name], cords))


def _is_cut(routers: Collection[str], inventory: Inventory, dead: Collection[str]) -> bool:
    """None of the routers is alive and leads to the top, and one of them did."""
    cables = _cables(inventory)

    def leads(name: str, without: Collection[str]) -> bool:
        return name not in without and (not cables(name) or bool(_tops([name], cables, without)))

    return not any(leads(name, dead) for name in routers) and any(leads(name, ()) for name in routers)


Sources = Callable[[str], Collection[str]]


def _tops(start: Iterable[str], sources: Sources, without: Collection[str] = ()) -> set[str]:
    """Where the ways up from ``start`` end, those through ``without`` left out; circles lead nowhere."""
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
    """From a router to those nearer to the internet; switches of other networks carry nothing of ours."""

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
