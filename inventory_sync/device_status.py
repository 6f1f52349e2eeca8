"""The status of devices in NetBox, by the state of their nodes.

Pure, and only where the mapping file asks for it. A device is found by its name, as a pull names it, and only when its
physical resource has the marker of the sync. Only a status that a push writes is ever replaced: a status that
people have set (planned, decommissioning) stays, and is reported. No other field of a device is written, and no
device gets the tag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory_sync import naming
from inventory_sync.mapping import SKIP
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.netbox_reader import Item
from inventory_sync.virtual_machines import Difference, Name

DEVICES = "dcim/devices"
FIELDS = "id,name,site,role,status"


@dataclass(frozen=True)
class DeviceStatusPlan:
    """Devices by datacenter and by their name in the inventory."""

    found: Mapping[Name, Item] = field(default_factory=dict)
    difference: Difference = field(default_factory=Difference)
    left: Mapping[Name, str] = field(default_factory=dict)
    """Differences that are not written, each with its reason."""


def compare(
    nodes: Iterable[Item], clusters: Iterable[Item], pulled: Iterable[Item], devices: Iterable[Item], rules: Rules
) -> DeviceStatusPlan:
    """Return what a push would write; ``pulled`` are the physical resources that the sync has created."""
    statuses = {} if rules.push.devices is None else rules.push.devices.model_dump()
    ours = {(one["datacenter"], one["name"]) for one in pulled}
    datacenters = {one["name"]: one["spec"]["datacenter"] for one in clusters}
    known = _by_name(devices, rules)
    found: dict[Name, Item] = {}
    update: dict[Name, Mapping[str, tuple[Any, Any]]] = {}
    left: dict[Name, str] = {}
    for node in nodes:
        name: Name = (datacenters.get(node["cluster"], ""), node["spec"]["physical_resource"] or "")
        wanted = statuses.get(str(node["state"]).lower())
        if wanted is None or name not in ours or name not in known:
            continue
        if len(known[name]) > 1:
            left[name] = f"is not told apart: {len(known[name])} devices have the name"
            continue
        (device,) = known[name]
        now = device["status"]["value"]
        if now == wanted:
            continue
        if now not in statuses.values():
            left[name] = f"is {now}, which a push does not replace"
            continue
        found[name] = device
        update[name] = {"status": (now, wanted)}
    return DeviceStatusPlan(found, Difference(update=dict(sorted(update.items()))), left)


def _by_name(devices: Iterable[Item], rules: Rules) -> Mapping[Name, list[Item]]:
    """Return the devices that a pull includes, by the name that it gives them."""
    known: dict[Name, list[Item]] = defaultdict(list)
    for device in devices:
        slug, taken = device["site"]["slug"], rules.devices.statuses
        if (rules.sites and slug not in rules.sites) or (taken and device["status"]["value"] not in taken):
            continue
        if rules.roles.get(device["role"]["slug"], rules.default_role) in (SKIP, None):
            continue
        given = device["name"] or f"device-{device['id']}"
        known[naming.translate(slug, rules.names), naming.translate(given, rules.names)].append(device)
    return known
