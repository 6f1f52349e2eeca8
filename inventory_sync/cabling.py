"""Cables as links of power and network.

Pure. A power cord is a link of the device that it feeds. A network cable is a link of the end that is farther from the
internet, by role. A cable between two devices of one role does not show which depends on the other, and would make two
leaf routers each other's uplink: it is left out and counted. Both ends must be in the pull and in one datacenter;
patch panels between them are followed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from controller.model.physical_resource import Role
from inventory_sync.devices import DEVICE, FEED, Device, Devices
from inventory_sync.netbox_reader import Item
from inventory_sync.patch_panels import MOST_PAIRS, PANEL, PatchPanels, Port, is_too_wide, pairs, port_of
from inventory_sync.ports import port_name
from inventory_sync.skipping import Skips, UnfitObjectError

_RANK = {role: index for index, role in enumerate(Role)}
_FOLLOWED = {"dcim.interface", "dcim.powerport", "dcim.poweroutlet", "dcim.powerfeed"}
End = tuple[str, Device, int, str]
"""Object type, device, its id, name of the port."""


def connect(cables: Collection[Item], patching: PatchPanels, devices: Devices, skips: Skips) -> Counter[str]:
    """Add the links to the documents. Return what was left out, and how often."""
    left: Counter[str] = Counter()
    patched: set[frozenset[Port]] = set()
    for cable in cables:
        with skips.guard("cable", cable):
            _follow(cable, patching, devices, left, patched)
    _mark_shared(devices)
    return left


def _follow(
    cable: Item, patching: PatchPanels, devices: Devices, left: Counter[str], patched: set[frozenset[Port]]
) -> None:
    """Add the links of one cable. Raises UnfitObjectError when it ends at nothing."""
    if not (cable["a_terminations"] and cable["b_terminations"]):
        raise UnfitObjectError("one of its ends is at nothing")
    if not (wide := is_too_wide(cable)):
        for end in (*cable["a_terminations"], *cable["b_terminations"]):
            if end.get("object") is None:
                raise UnfitObjectError(f"ends at {end['object_type']} {end['object_id']}, which does not exist")
    ends = list(pairs(cable))
    if wide:
        left[f"cables with more than {MOST_PAIRS} pairs of ends"] += 1
    elif not ends:
        left["cables whose profile is not followed"] += 1
    for pair in ends:
        panels = [end for end in pair if end["object_type"] in PANEL]
        if not panels:
            _count(left, _connect(*pair, devices))
        elif len(panels) == 1:  # a cable between two panels is a part of ways that begin elsewhere
            (near,) = (end for end in pair if end not in panels)
            far = patching.ends(panels[0])
            if not far:
                left["cables to patch panels that lead no further"] += 1
            for end in far:
                if (way := frozenset({port_of(near), port_of(end)})) not in patched:
                    patched.add(way)
                    _count(left, _connect(near, end, devices))


def _mark_shared(devices: Devices) -> None:
    """Mark the links that share an end: in NetBox an end has one cable, so that they are arms of one."""
    ends: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in devices.documents.values():
        where, spec = one["datacenter"], one["spec"]
        for link in spec.get("network_links") or ():
            ends[where, one["name"], "port", link["port"]].append(link)
            ends[where, link["peer"], "port", link["peer_port"]].append(link)
        for link in spec.get("power_links") or ():
            ends[where, one["name"], "inlet", link["inlet"]].append(link)
            if link["outlet"]:
                ends[where, link["source"], "outlet", link["outlet"]].append(link)
    for links in ends.values():
        if len(links) > 1:
            for link in links:
                link["split"] = True


def _count(left: Counter[str], reason: str | None) -> None:
    if reason is not None:
        left[reason] += 1


def _connect(a: Item, b: Item, devices: Devices) -> str | None:
    kinds = {a["object_type"], b["object_type"]}
    if not kinds <= _FOLLOWED:
        return f"cables to {', '.join(sorted(kind.partition('.')[2] for kind in kinds))}"
    first, second = _end(a, devices), _end(b, devices)
    if first is None or second is None:
        return "cables to devices that were left out"
    if first[1].datacenter != second[1].datacenter:
        return "cables between datacenters"
    if kinds == {"dcim.interface"}:
        return _network(first, second, devices)
    if first[0] == "dcim.powerport" and second[0] in ("dcim.poweroutlet", "dcim.powerfeed"):
        _power(first, second, devices)
        return None
    if second[0] == "dcim.powerport" and first[0] in ("dcim.poweroutlet", "dcim.powerfeed"):
        _power(second, first, devices)
        return None
    return "cables of other kinds"


def _network(first: End, second: End, devices: Devices) -> str | None:
    if first[1].role is second[1].role:
        return "cables between devices of one role"
    near, far = sorted((first, second), key=lambda end: _RANK[end[1].role])
    link = {"port": far[3], "peer": near[1].name, "peer_port": near[3]}
    if (spec := _spec(far, devices)) is not None:
        spec["network_links"].append(link)
    return None


def _power(inlet: End, source: End, devices: Devices) -> None:
    if inlet[1] == source[1]:
        raise UnfitObjectError(f"leads from {inlet[1].name} to {inlet[1].name} itself: no device powers itself")
    outlet = source[3] if source[0] == "dcim.poweroutlet" else ""
    link = {"inlet": inlet[3], "source": source[1].name, "outlet": outlet}
    if (spec := _spec(inlet, devices)) is not None:
        spec["power_links"].append(link)


def _spec(end: End, devices: Devices) -> dict[str, Any] | None:
    """Return the spec to write; None for a device that was skipped and stays as the inventory has it."""
    document = devices.documents.get((DEVICE, end[2]))
    return None if document is None else document["spec"]


def _end(termination: Item, devices: Devices) -> End | None:
    kind, thing = termination["object_type"], termination["object"]
    if kind == "dcim.powerfeed":
        feed = devices.feeds.get(int(thing["id"]))
        if feed is None:
            _refuse_skipped(FEED, thing, devices)
        return None if feed is None else (kind, feed, int(thing["id"]), "")
    device = (thing or {}).get("device")
    if device is None or int(device["id"]) not in devices.known:
        if device is not None:
            _refuse_skipped(DEVICE, device, devices)
        return None
    return kind, devices.known[int(device["id"])], int(device["id"]), port_name(thing)


def _refuse_skipped(what: str, item: Item, devices: Devices) -> None:
    """Raise UnfitObjectError when the end of a cable was skipped, and is not in the inventory either."""
    if (named := devices.skips.title_of(what, int(item["id"]))) is not None:
        raise UnfitObjectError(f"its end {named} is skipped")
