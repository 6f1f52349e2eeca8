"""Objects of NetBox that others refer to and no list has: they exist, and this pull knows nothing else of them.

Pure. The permissions of a token can hide a rack and show what stands in it, and an object can be created between two
lists that are read. Such an object is skipped: what the inventory has of it stays, and what is in it is neither moved
elsewhere nor deleted. With chosen sites only what objects of these sites refer to matters, and what the inventory has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from inventory_sync.mapping import Mapping
from inventory_sync.netbox_reader import Item, Snapshot
from inventory_sync.skipping import Skips, identity

_REASON = "NetBox refers to it and does not list it: the token may not see it, or it is new"
_LISTED = {
    "region": "regions",
    "site-group": "site_groups",
    "site": "sites",
    "location": "locations",
    "rack": "racks",
    "device-type": "device_types",
    "device": "devices",
    "power-panel": "power_panels",
    "power-feed": "power_feeds",
}
_REFERENCES = (
    ("sites", "region", "region"),
    ("sites", "group", "site-group"),
    ("locations", "site", "site"),
    ("locations", "parent", "location"),
    ("racks", "site", "site"),
    ("racks", "location", "location"),
    ("devices", "site", "site"),
    ("devices", "location", "location"),
    ("devices", "rack", "rack"),
    ("devices", "device_type", "device-type"),
    ("power_panels", "site", "site"),
    ("power_panels", "location", "location"),
    ("power_feeds", "power_panel", "power-panel"),
    ("power_feeds", "rack", "rack"),
    ("interfaces", "device", "device"),
)
"""List, field, and the type of the object that it refers to. The ends of cables refer to devices and feeds too."""
_GROUPS = frozenset({"region", "site-group"})
"""Types of which the mapping uses one, or none."""
_IF_STORED = frozenset({"device-type", "device", "power-panel", "power-feed"})
"""Types that matter only where the inventory has the object: what needs another one is skipped with that reason."""


def skip(seen: Snapshot, rules: Mapping, stored: Collection[str], skips: Skips) -> None:
    """Skip each hidden object that the mapping uses. ``stored`` are identities of the inventory."""
    known = {what: {int(item["id"]) for item in seen[name]} for what, name in _LISTED.items()}
    for name, item, what, reference in (*_references(seen), *_ends(seen)):
        if not isinstance(reference, dict) or not isinstance(number := reference.get("id"), int):
            continue
        if number in known[what] or (what in _GROUPS and what != rules.regions):
            continue
        if identity(what, number) in stored or (what not in _IF_STORED and _is_chosen(name, item, rules.sites)):
            known[what].add(number)
            skips.add(what, reference, _REASON)


def _references(seen: Snapshot) -> Iterator[tuple[str, Item, str, object]]:
    """Yield list, object, and the type and the fields of what the object refers to."""
    for name, field, what in _REFERENCES:
        for item in seen[name]:
            yield name, item, what, item.get(field)


def _ends(seen: Snapshot) -> Iterator[tuple[str, Item, str, object]]:
    """Yield the feeds, and the devices of the ports, at the ends of cables."""
    for cable in seen["cables"]:
        for end in (*(cable.get("a_terminations") or ()), *(cable.get("b_terminations") or ())):
            at = end.get("object")
            if end.get("object_type") == "dcim.powerfeed":
                yield "cables", cable, "power-feed", at
            elif isinstance(at, dict):
                yield "cables", cable, "device", at.get("device")


def _is_chosen(name: str, item: Item, chosen: Collection[str]) -> bool:
    site = item if name == "sites" else item.get("site")
    return not chosen or (isinstance(site, dict) and site.get("slug") in chosen)
