"""All of NetBox that was read, as documents of ours: ``translate``.

Pure, and the same for the same lists whatever their order. Every problem is collected, so that
one run tells all; with any problem there are no documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controller.errors import InvalidInput, Problem
from controller.model import document
from inventory_sync import cabling, prefixes
from inventory_sync.devices import Devices
from inventory_sync.locations import Document, Places
from inventory_sync.mapping import Mapping
from inventory_sync.naming import Taken
from inventory_sync.netbox_reader import Snapshot
from inventory_sync.patch_panels import Patching

KINDS = ("Region", "Datacenter", "Floor", "Rack", "PhysicalModel", "PhysicalResource", "NetworkV4")
"""What a pull writes, what is named before what names it."""
_SHOWN = 50


@dataclass(frozen=True)
class Translation:
    """Documents in the order of ``KINDS``, and what was left out of them."""

    documents: tuple[Document, ...]
    left_out: Counter[str]


def translate(seen: Snapshot, rules: Mapping) -> Translation:
    """The documents; raises InvalidInput with everything that is wrong."""
    if not seen["sites"]:
        raise InvalidInput([Problem("sites", "NetBox shows no site to this token")])
    taken = Taken(rules.names)
    places = Places(seen, rules, taken)
    devices = Devices(seen, rules, taken, places)
    patching = Patching(seen["front_ports"], seen["rear_ports"], seen["cables"])
    left = cabling.connect(seen["cables"], patching, devices)
    if devices.skipped:
        left["devices whose role is skipped"] += devices.skipped
    networks = prefixes.networks(seen, rules, taken)
    made = [*places.documents, *devices.models, *devices.documents.values(), *networks]
    for one in devices.documents.values():
        for field in ("ports", "network_links", "power_links"):
            if len(one["spec"].get(field) or ()) > 1:
                one["spec"][field].sort(key=lambda part: tuple(str(value) for value in part.values()))
    if taken.problems:
        raise InvalidInput(_bounded(taken.problems))
    ordered = sorted(made, key=lambda one: (KINDS.index(one["kind"]), one.get("datacenter", ""), one["name"]))
    return Translation(tuple(_checked(ordered)), left)


def _checked(made: Iterable[Document]) -> list[dict[str, Any]]:
    """Each document must be one that the server takes; the path begins with its kind and name."""
    bad: list[Problem] = []
    good: list[Document] = []
    for one in made:
        try:
            document.parse(one, f"{one['kind']} {one['name']}")
            good.append(one)
        except InvalidInput as error:
            bad.extend(error.problems)
    if bad:
        raise InvalidInput(_bounded(bad))
    return good


def _bounded(problems: list[Problem]) -> list[Problem]:
    """The same thing wrong with thousands of devices is told fifty times, and counted."""
    unique = list(dict.fromkeys(problems))
    more = len(unique) - _SHOWN
    return unique[:_SHOWN] + ([Problem("", f"and {more} more")] if more > 0 else [])
