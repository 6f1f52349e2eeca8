"""Regions, datacenters, floors and racks from NetBox's regions, sites, locations and racks.

Pure. ``Locations`` also returns the place of an object of NetBox, for all objects that have one. A place that was
skipped keeps the name that the inventory has for it, so that what stands in it can be updated; where the inventory
does not have it, what stands in it is skipped too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from controller.errors import Problem
from inventory_sync import naming
from inventory_sync.candidates import Claim
from inventory_sync.mapping import ID_LABEL, NAME_LABEL
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Item, Snapshot
from inventory_sync.skipping import Skips, UnfitObjectError, identity, required

Document = dict[str, Any]
PLACE_NUMBERS = ("building", "storey", "number")
_LONGEST_PATH = 32
"""Locations that a name may be made from; more words do not fit into a name of 63 characters."""


class Locations:
    """Documents of places, and their names in the inventory by the id in NetBox."""

    def __init__(self, seen: Snapshot, rules: Rules, taken: NameRegistry, skips: Skips) -> None:
        self._rules = rules
        self._taken, self._skips = taken, skips
        self._locations = naming.by_id(seen["locations"])
        self.documents: list[Document] = []
        self.sites: dict[int, str] = {}
        self.chosen: set[int] = set()
        """Sites that the mapping chooses, with those that were skipped."""
        self.racks: dict[int, tuple[str, str | None]] = {}
        """Rack's id to its name and floor."""
        self.first_units: dict[int, int] = {}
        """Of each rack, also of a skipped one: positions in it are counted from its first unit."""
        self._floors: set[tuple[str, str]] = set()
        self._floor_of: dict[int, str] = {}
        """By location."""
        self._outermost: dict[int, Item] = {}
        self._inside_itself: set[int] = set()
        """By id of each location on the way to it, so that deep nesting costs each step once."""
        self._read_sites(seen)
        self._read_regions(seen)
        self._read_locations(seen)
        self._read_racks(seen)

    def datacenter(self, item: Item) -> str | None:
        """Return the datacenter of an object with ``site``; None where its site is not chosen.

        Raises UnfitObjectError when its site was skipped.
        """
        site = required(item, "site")
        number = int(site["id"])
        hidden = self._skips.title_of("site", number) is not None
        if number not in self.sites and (number in self.chosen or hidden):
            raise UnfitObjectError(f"its {self._skips.title_of('site', number) or 'site'} is skipped")
        return self.sites.get(number)

    def floor(self, item: Item) -> str | None:
        """Return the floor of an object with ``location`` and ``site``; the default where it has no location.

        Raises UnfitObjectError when its location was skipped.
        """
        location = item.get("location")
        hidden = location is not None and self._skips.title_of("location", int(location["id"])) is not None
        if location is not None and (hidden or int(location["id"]) in self._locations):
            floor = self._floor_of.get(int(location["id"]))
            if floor is None:
                raise UnfitObjectError(f"its location {location.get('slug')} (id {location['id']}) is skipped")
            return floor
        default = self._rules.floors.default
        site = self.sites.get(int(item["site"]["id"]))
        if default is not None and site is not None and (site, default) not in self._floors:
            self._floors.add((site, default))
            self.documents.append(
                {
                    "kind": "Floor",
                    "name": default,
                    "datacenter": site,
                    "labels": dict([self._rules.mark]),
                    "spec": {"description": ""},
                }
            )
        return default

    def rack(self, item: Item) -> tuple[str, str | None] | None:
        """Return name and floor of the rack of an object; None where it is in none.

        Raises UnfitObjectError when its rack was skipped.
        """
        rack = item.get("rack")
        if rack is None:
            return None
        title = self._skips.title_of("rack", int(rack["id"]))
        if title is not None and int(rack["id"]) not in self.racks:
            raise UnfitObjectError(f"its {title} is skipped")
        return self.racks.get(int(rack["id"]))

    def first_unit(self, item: Item) -> int:
        """Return the number of the lowest unit of the rack of an object. Raises UnfitObjectError."""
        number = int(item["rack"]["id"])
        if number not in self.first_units:
            raise UnfitObjectError(f"its {self._skips.title_of('rack', number) or 'rack'} is skipped")
        return self.first_units[number]

    def path(self, item: Item) -> list[str]:
        """Return the slugs of the locations of an object, the nearest ones only, the outermost first."""
        location: Any = item.get("location")
        found: list[str] = []
        passed: set[int] = set()
        while location is not None and int(location["id"]) not in passed and len(passed) < _LONGEST_PATH:
            passed.add(int(location["id"]))
            location = self._locations.get(int(location["id"]), location)
            if location.get("slug"):
                found.append(str(location["slug"]))
            location = location.get("parent")
        return found[::-1]

    def within(self, item: Item) -> tuple[tuple[str, ...], ...]:
        """Return what can stand before the name of an object in a location: the location, and more of its path."""
        path = self.path(item)
        full = (str(item["site"]["slug"]), *path)
        return (*(tuple(path[-length:]) for length in range(1, len(path) + 1)), full)

    def _read_sites(self, seen: Snapshot) -> None:
        known = {site.get("slug") for site in seen["sites"]}
        for index, slug in enumerate(self._rules.sites):
            if slug not in known:
                has = ", ".join(sorted(map(str, known))) or "none"
                self._taken.problems.append(
                    Problem(f"mapping.sites[{index}]", f"NetBox has no site {slug!r}; it has {has}")
                )
        chosen = [site for site in seen["sites"] if not self._rules.sites or site.get("slug") in self._rules.sites]
        self.chosen = {int(site["id"]) for site in chosen}
        claims = []
        for site in chosen:
            with self._skips.guard("site", site):
                above = {field: (site.get(field) or {}).get("slug", "") for field in ("region", "group")}
                within = tuple((words,) for words in above.values() if words)
                claims.append(Claim("site", site, site["slug"], within=within, fields=above))
        names = self._taken.assign("Datacenter", claims)
        for site in chosen:
            if (name := names.get(identity("site", int(site["id"])))) is not None:
                self.sites[int(site["id"])] = name
                with self._skips.guard("site", site):
                    where = naming.one_line(site.get("physical_address"), 256)
                    spec = {"location": where, "description": naming.one_line(site.get("description"))}
                    self._add("Datacenter", name, "site", site, spec)

    def _read_regions(self, seen: Snapshot) -> None:
        if self._rules.regions == "none":
            return
        what = self._rules.regions
        field, listed = {"region": ("region", "regions"), "site-group": ("group", "site_groups")}[what]
        named = {
            int(site[field]["id"])
            for site in seen["sites"]
            if int(site["id"]) in self.chosen and isinstance(site.get(field), dict)
        }
        known = naming.by_id(seen[listed])
        claims = []
        for number in sorted(named & known.keys()):
            region = known[number]
            with self._skips.guard(what, region):
                path: list[str] = []
                parent, passed = region.get("parent"), {number}
                while parent is not None and int(parent["id"]) not in passed and len(passed) <= _LONGEST_PATH:
                    passed.add(int(parent["id"]))
                    path.insert(0, str(parent["slug"]))
                    parent = (known.get(int(parent["id"])) or {}).get("parent")
                within = tuple(tuple(path[-length:]) for length in range(1, len(path) + 1))
                fields = {"parent": path[-1] if path else ""}
                claims.append(Claim(what, region, region["slug"], within=within, fields=fields))
        names = self._taken.assign("Region", claims)
        for claim in claims:
            if (name := names.get(claim.identity)) is not None:
                with self._skips.guard(what, claim.item):
                    words = claim.item.get("description") or claim.item.get("name")
                    self._add("Region", name, what, claim.item, {"description": naming.one_line(words)})

    def _read_locations(self, seen: Snapshot) -> None:
        floors: dict[int, Item] = {}
        floor_of: dict[int, int] = {}
        for location in seen["locations"]:
            with self._skips.guard("location", location):
                if self.datacenter(location) is not None:
                    floor = self._floor_location(location)
                    self.datacenter(floor)
                    floors[int(floor["id"])] = floor
                    floor_of[int(location["id"])] = int(floor["id"])
        claims = []
        for floor in floors.values():
            with self._skips.guard("location", floor):
                path = self.path({"location": floor})[:-1]
                within = tuple(tuple(path[-length:]) for length in range(1, len(path) + 1))
                fields = {
                    "site": str(floor["site"]["slug"]),
                    "parent": path[-1] if path else "",
                    "path": "-".join(path),
                }
                site = self.datacenter(floor) or ""
                within = (*within, (fields["site"], *path))
                claims.append(Claim("location", floor, floor["slug"], site, within, fields))
        names = self._taken.assign("Floor", claims)
        for number, floor in floors.items():
            if (name := names.get(identity("location", number))) is not None:
                with self._skips.guard("location", floor):
                    site = self.datacenter(floor) or ""
                    self._floors.add((site, name))
                    words = floor.get("description") or floor.get("name")
                    spec = {**self._numbers(floor), "description": naming.one_line(words)}
                    self._add("Floor", name, "location", floor, spec, datacenter=site)
        for inner, number in floor_of.items():
            if (name := names.get(identity("location", number))) is not None:
                self._floor_of[inner] = name

    def _floor_location(self, location: Item) -> Item:
        if self._rules.floors.level == "leaf":
            return location
        way: dict[int, Item] = {}
        while (number := int(location["id"])) not in self._outermost:
            if number in way or number in self._inside_itself:
                self._inside_itself.update(way)
                raise UnfitObjectError("is inside of itself, by the parents that NetBox names")
            way[number] = location
            parent = location.get("parent")
            above = self._locations.get(int(parent["id"])) if parent else None
            if above is None and parent and (title := self._skips.title_of("location", int(parent["id"]))):
                raise UnfitObjectError(f"its {title} is skipped")
            if above is None:
                break
            location = above
        else:
            location = self._outermost[number]
        self._outermost.update(dict.fromkeys(way, location))
        return location

    def _numbers(self, location: Item) -> dict[str, int]:
        pattern = self._rules.floors.number_pattern
        match = re.search(pattern, location["slug"]) if pattern else None
        groups = match.groupdict() if match else {}
        return {name: int(groups[name]) for name in PLACE_NUMBERS if (groups.get(name) or "").lstrip("-").isdigit()}

    def _read_racks(self, seen: Snapshot) -> None:
        claims = []
        for rack in seen["racks"]:
            with self._skips.guard("rack", rack):
                self.first_units[int(rack["id"])] = int(rack.get("starting_unit") or 1)
                site = self.datacenter(rack)
                if site is None:
                    continue
                path = self.path(rack)
                fields = {
                    "site": str(rack["site"]["slug"]),
                    "location": path[-1] if path else "",
                    "path": "-".join(path),
                    "tenant": (rack.get("tenant") or {}).get("slug", ""),
                    "facility": str(rack.get("facility_id") or ""),
                }
                claims.append(Claim("rack", rack, rack.get("name") or "", site, self.within(rack), fields))
        names = self._taken.assign("Rack", claims)
        for claim in claims:
            number = claim.number
            if (name := names.get(claim.identity)) is None:
                continue
            with self._skips.guard("rack", claim.item):
                floor = self.floor(claim.item)
                if floor is None:
                    raise UnfitObjectError("is in no location: give it one, or set floors.default in the mapping")
                height = required(claim.item, "u_height")
                spec: dict[str, Any] = {"floor": floor, "height_units": int(height)}
                custom = claim.item.get("custom_fields") or {}
                for ours, theirs in (("row", self._rules.racks.row), ("column", self._rules.racks.column)):
                    if theirs is not None and custom.get(theirs) is not None:
                        spec[ours] = custom[theirs]
                self.racks[number] = (name, floor)
                self._add("Rack", name, "rack", claim.item, spec, datacenter=claim.parent)
        for rack in seen["racks"]:
            number = int(rack["id"])
            if self._skips.title_of("rack", number):
                self.racks.pop(number, None)
                site = rack.get("site")
                parent = self.sites.get(int(site["id"])) if isinstance(site, dict) and "id" in site else None
                stored = self._taken.stored_of(identity("rack", number), "Rack", parent)
                if parent is not None and stored is not None:
                    self.racks[number] = (stored.name, stored.floor)

    def _add(self, kind: str, name: str, what: str, item: Item, spec: Mapping[str, Any], **parents: str) -> None:
        if self._skips.title_of(what, int(item["id"])):
            return  # it has a name only because the inventory has it, and stays as it is
        marks = document_labels(what, item, self._rules, self._taken)
        self.documents.append({"kind": kind, "name": name, **parents, "labels": marks, "spec": dict(spec)})


def document_labels(what: str, item: Item, rules: Rules, taken: NameRegistry) -> dict[str, str]:
    """Return the labels of the resource of an object: those of the mapping, its identity, and its own name."""
    found = identity(what, int(item["id"]))
    short = {NAME_LABEL: taken.short[found]} if found in taken.short else {}
    return {**naming.labels(item, rules.labels, rules.mark), ID_LABEL: found, **short}
