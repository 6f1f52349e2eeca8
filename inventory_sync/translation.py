"""The translation of everything that was read from NetBox into documents: ``translate``.

Pure. The result does not depend on the order of the lists. All problems are collected and raised together; with any
problem no documents are returned.
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
from inventory_sync.locations import Document, Locations
from inventory_sync.mapping import Mapping
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Snapshot
from inventory_sync.patch_panels import PatchPanels

KINDS = ("Region", "Datacenter", "Floor", "Rack", "PhysicalModel", "PhysicalResource", "NetworkV4")
"""The kinds that a pull writes; a kind that others refer to comes before them."""
_SHOWN = 50


@dataclass(frozen=True)
class Translation:
    """Documents in the order of ``KINDS``, and what was left out of them."""

    documents: tuple[Document, ...]
    left_out: Counter[str]


def translate(seen: Snapshot, rules: Mapping) -> Translation:
    """Return the documents. Raises InvalidInput with all problems."""
    if not seen["sites"]:
        raise InvalidInput([Problem("sites", "NetBox shows no site to this token")])
    taken = NameRegistry(rules.names)
    places = Locations(seen, rules, taken)
    devices = Devices(seen, rules, taken, places)
    patching = PatchPanels(seen["front_ports"], seen["rear_ports"], seen["cables"])
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
        raise InvalidInput(_first_of_each(taken.problems))
    ordered = sorted(made, key=lambda one: (KINDS.index(one["kind"]), one.get("datacenter", ""), one["name"]))
    return Translation(tuple(_checked(ordered)), left)


def _checked(made: Iterable[Document]) -> list[dict[str, Any]]:
    """Check that the server would accept each document; the path of a problem begins with its kind and name."""
    bad: list[Problem] = []
    good: list[Document] = []
    for one in made:
        try:
            document.parse(one, f"{one['kind']} {one['name']}")
            good.append(one)
        except InvalidInput as error:
            bad.extend(error.problems)
    if bad:
        raise InvalidInput(_first_of_each(bad))
    return good


def _first_of_each(problems: list[Problem]) -> list[Problem]:
    """Return the first fifty problems of a kind, and the number of the others."""
    unique = list(dict.fromkeys(problems))
    more = len(unique) - _SHOWN
    return unique[:_SHOWN] + ([Problem("", f"and {more} more")] if more > 0 else [])
