"""The status of devices in NetBox, by the state of their nodes.

Pure, and only where the mapping file asks for it. A device is found by its id, which is a label of its physical
resource, and only when that has the marker of the sync. Only a status that a push writes is ever replaced: a status
that people have set (planned, decommissioning) stays, and is reported. No other field of a device is written, and no
device gets the tag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory_sync import candidates
from inventory_sync.mapping import ID_LABEL, SKIP
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.netbox_reader import Item
from inventory_sync.skipping import identity
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
    ours = {(one["datacenter"], one["name"]): one["labels"].get(ID_LABEL) for one in pulled}
    datacenters = {one["name"]: one["spec"]["datacenter"] for one in clusters}
    included = [device for device in devices if _is_included(device, rules)]
    by_id = {identity("device", int(device["id"])): device for device in included}
    by_name = _by_name(included, rules)
    found: dict[Name, Item] = {}
    update: dict[Name, Mapping[str, tuple[Any, Any]]] = {}
    left: dict[Name, str] = {}
    for node in nodes:
        name: Name = (datacenters.get(node["cluster"], ""), node["spec"]["physical_resource"] or "")
        wanted = statuses.get(str(node["state"]).lower())
        if wanted is None or name not in ours:
            continue
        label = ours[name]
        same = by_name.get(name, []) if label is None else [by_id[label]] if label in by_id else []
        if len(same) > 1:
            left[name] = f"is not told apart: {len(same)} devices have the name; a pull marks which one it is"
        if len(same) != 1:
            continue
        (device,) = same
        now = device["status"]["value"]
        if now == wanted:
            continue
        if now not in statuses.values():
            left[name] = f"is {now}, which a push does not replace"
            continue
        found[name] = device
        update[name] = {"status": (now, wanted)}
    return DeviceStatusPlan(found, Difference(update=dict(sorted(update.items()))), left)


def _is_included(device: Item, rules: Rules) -> bool:
    """Return whether a pull includes the device."""
    taken = rules.devices.statuses
    if (rules.sites and device["site"]["slug"] not in rules.sites) or (
        taken and device["status"]["value"] not in taken
    ):
        return False
    return rules.roles.get(device["role"]["slug"], rules.default_role) not in (SKIP, None)


def _by_name(devices: Iterable[Item], rules: Rules) -> Mapping[Name, list[Item]]:
    """Return devices by their names: older versions made resources without a label that has the id."""
    known: dict[Name, list[Item]] = defaultdict(list)
    for device in devices:
        given = device["name"] or f"device-{device['id']}"
        site = candidates.translate(device["site"]["slug"], rules.names)
        known[site, candidates.translate(given, rules.names)].append(device)
    return known
