"""The translation of everything that was read from NetBox into documents: ``translate``.

Pure. The result does not depend on the order of the lists. An object that cannot be translated is skipped with its
reason, and with what depends on it. Problems of the mapping file are collected and raised together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as ByKey
from dataclasses import dataclass, field

from controller.errors import InvalidInput, Problem
from controller.model import document, registry
from controller.model.registry import Key
from inventory_sync import cabling, hidden, prefixes, pruning
from inventory_sync.devices import Devices
from inventory_sync.locations import Document, Locations
from inventory_sync.mapping import ID_LABEL, INSTANCE_LABEL, NAME_LABEL, Mapping
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Snapshot
from inventory_sync.patch_panels import PatchPanels
from inventory_sync.skipping import Skipped, Skips, identity
from inventory_sync.stored_names import NameKey, StoredName, StoredNames

KINDS = ("Region", "Datacenter", "Floor", "Rack", "PhysicalModel", "PhysicalResource", "NetworkV4")
"""The kinds that a pull writes; a kind that others refer to comes before them."""
_SHOWN = 50
OBJECTS = {
    "regions": "region",
    "site_groups": "site-group",
    "sites": "site",
    "locations": "location",
    "racks": "rack",
    "device_types": "device-type",
    "devices": "device",
    "power_panels": "power-panel",
    "power_feeds": "power-feed",
    "prefixes": "prefix",
}
"""The lists whose objects become resources, and the types of these objects as in identities."""


@dataclass(frozen=True)
class Translation:
    """Documents in the order of ``KINDS``, and what was left out of them."""

    documents: tuple[Document, ...]
    left_out: Counter[str]
    skipped: tuple[Skipped, ...] = ()
    datacenters: frozenset[str] | None = None
    """The datacenters of the chosen sites; None: all."""
    present: frozenset[str] = frozenset()
    """Identities of all objects that NetBox has listed, in the pull or not."""
    doubtful: ByKey[Key, str] = field(default_factory=dict)
    """Resources without an identity that may be of an object which has another name: the object's identity."""


def translate(seen: Snapshot, rules: Mapping, stored: Iterable[Document] = ()) -> Translation:
    """Return the documents. ``stored`` are the resources that earlier pulls made. Raises InvalidInput."""
    if not seen["sites"]:
        raise InvalidInput([Problem("sites", "NetBox shows no site to this token")])
    stored = list(stored)
    skips = Skips()
    hidden.skip(seen, rules, {str(one["labels"].get(ID_LABEL)) for one in stored}, skips)
    present = frozenset(_present(seen))
    taken = NameRegistry(rules.names, skips, stored_names(stored), present.union(skips.identities))
    places = Locations(seen, rules, taken, skips)
    devices = Devices(seen, rules, taken, places, skips)
    patching = PatchPanels(seen["front_ports"], seen["rear_ports"], seen["cables"])
    left = cabling.connect(seen["cables"], patching, devices, skips)
    if devices.skipped:
        left["devices whose role is skipped"] += devices.skipped
    networks = prefixes.networks(seen, rules, taken, skips)
    if taken.problems:
        raise InvalidInput(_first_of_each(taken.problems))
    made = [*places.documents, *devices.models, *devices.documents.values(), *networks]
    for one in devices.documents.values():
        for part in ("ports", "network_links", "power_links"):
            if len(one["spec"].get(part) or ()) > 1:
                one["spec"][part].sort(key=lambda each: tuple(str(value) for value in each.values()))
    if rules.instance:
        for one in made:
            one["labels"][INSTANCE_LABEL] = rules.instance
    ordered = sorted(made, key=lambda one: (KINDS.index(one["kind"]), one.get("datacenter", ""), one["name"]))
    known = {pruning.key_of(one) for one in stored}
    pruned = pruning.prune(ordered, _bad(ordered), known.__contains__)
    skipped = tuple(sorted({*skips.found.values(), *pruned.skipped}, key=lambda one: (one.what, one.number, str(one))))
    scope = frozenset(places.sites.values()) if rules.sites else None
    doubtful = {
        registry.get(kind).key(*filter(None, (parent,)), name): found
        for (kind, parent, name), found in taken.doubtful.items()
    }
    return Translation(pruned.documents, left, skipped, scope, present, doubtful)


def stored_names(stored: Iterable[Document]) -> StoredNames:
    """Return the names that earlier pulls have given."""
    by_identity: dict[str, list[StoredName]] = {}
    unlabelled: dict[NameKey, StoredName] = {}
    for one in sorted(stored, key=lambda one: -int(one.get("resource_version") or 0)):
        kind = registry.get(one["kind"])
        parent = str(one[kind.parents[0]]) if kind.parents else ""
        base, spec = one["labels"].get(NAME_LABEL, ""), one["spec"]
        name = StoredName(one["kind"], parent, one["name"], base, spec.get("role"), spec.get("floor"), spec)
        if (found := one["labels"].get(ID_LABEL)) is None:
            unlabelled[one["kind"], parent, one["name"]] = name
        else:
            by_identity.setdefault(found, []).append(name)
    return StoredNames(by_identity, unlabelled)


def _present(seen: Snapshot) -> Iterator[str]:
    for name, what in OBJECTS.items():
        for item in seen[name]:
            yield identity(what, int(item["id"]))


def _bad(made: Iterable[Document]) -> dict[Key, str]:
    """Return what the server would refuse, with the reasons."""
    bad: dict[Key, str] = {}
    for one in made:
        try:
            document.parse(one)
        except InvalidInput as error:
            bad[pruning.key_of(one)] = "; ".join(str(problem) for problem in error.problems)
    return bad


def _first_of_each(problems: list[Problem]) -> list[Problem]:
    """Return the first fifty problems of a kind, and the number of the others."""
    unique = list(dict.fromkeys(problems))
    more = len(unique) - _SHOWN
    return unique[:_SHOWN] + ([Problem("", f"and {more} more")] if more > 0 else [])
