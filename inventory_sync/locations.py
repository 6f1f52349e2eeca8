"""Regions, datacenters, floors and racks from NetBox's regions, sites, locations and racks.

Pure. ``Locations`` also returns the place of an object of NetBox, for all objects that have one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from controller.errors import Problem
from inventory_sync import naming
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Item, Snapshot

Document = dict[str, Any]
PLACE_NUMBERS = ("building", "storey", "number")


class Locations:
    """Documents of places, and their names in the inventory by the id in NetBox."""

    def __init__(self, seen: Snapshot, rules: Rules, taken: NameRegistry) -> None:
        self._rules = rules
        self._taken = taken
        self._locations = naming.by_id(seen["locations"])
        self.documents: list[Document] = []
        self.sites: dict[int, str] = {}
        self.slugs: dict[int, str] = {}
        self.racks: dict[int, tuple[str, str | None]] = {}
        self.first_units: dict[int, int] = {}
        """Rack's id to its name and floor."""
        self._floors: dict[tuple[str, str], None] = {}
        self._floor_of: dict[int, str] = {}
        self._outermost: dict[int, Item] = {}
        """By id of each location on the way to it, so that deep nesting costs each step once."""
        self._read_sites(seen)
        self._read_regions(seen)
        self._read_locations(seen)
        for rack in seen["racks"]:
            self._read_rack(rack)

    def floor(self, item: Item) -> str | None:
        """Return the floor of an object with ``location`` and ``site``; the default where it has no location."""
        location = item.get("location")
        if location is not None and int(location["id"]) in self._floor_of:
            return self._floor_of[int(location["id"])]
        default = self._rules.floors.default
        site = self.sites.get(int(item["site"]["id"]))
        if default is not None and site is not None and (site, default) not in self._floors:
            self._floors[site, default] = None
            self.documents.append(self._document("Floor", default, {}, {"description": ""}, datacenter=site))
        return default

    def _read_sites(self, seen: Snapshot) -> None:
        known = {site["slug"] for site in seen["sites"]}
        for index, slug in enumerate(self._rules.sites):
            if slug not in known:
                message = f"NetBox has no site {slug!r}; it has {', '.join(sorted(known)) or 'none'}"
                self._taken.problems.append(Problem(f"mapping.sites[{index}]", message))
        for site in seen["sites"]:
            if self._rules.sites and site["slug"] not in self._rules.sites:
                continue
            name = self._taken.name("Datacenter", "", site["slug"], f"site {site['slug']}")
            self.sites[int(site["id"])] = name
            self.slugs[int(site["id"])] = site["slug"]
            spec = {"location": _line(site["physical_address"], 256), "description": _line(site["description"])}
            self.documents.append(self._document("Datacenter", name, site, spec))

    def _read_regions(self, seen: Snapshot) -> None:
        field, listed = {"region": ("region", "regions"), "site-group": ("group", "site_groups")}.get(
            self._rules.regions, ("", "")
        )
        named = {int(site[field]["id"]) for site in seen["sites"] if field and site.get(field) and self._taken_in(site)}
        for region in seen[listed]:
            if int(region["id"]) in named:
                name = self._taken.name("Region", "", region["slug"], f"{self._rules.regions} {region['slug']}")
                spec = {"description": _line(region.get("description") or region["name"])}
                self.documents.append(self._document("Region", name, region, spec))

    def _taken_in(self, item: Item) -> bool:
        return int(item["id"]) in self.sites

    def _read_locations(self, seen: Snapshot) -> None:
        for location in seen["locations"]:
            site = self.sites.get(int(location["site"]["id"]))
            if site is None:
                continue
            floor = self._floor_location(location)
            source = f"location {self.slugs[int(location['site']['id'])]}/{floor['slug']} (id {floor['id']})"
            name = self._taken.name("Floor", site, floor["slug"], source)
            self._floor_of[int(location["id"])] = name
            if (site, name) not in self._floors:
                self._floors[site, name] = None
                spec = {**self._numbers(floor), "description": _line(floor.get("description") or floor["name"])}
                self.documents.append(self._document("Floor", name, floor, spec, datacenter=site))

    def _floor_location(self, location: Item) -> Item:
        if self._rules.floors.level == "leaf":
            return location
        way: dict[int, Item] = {}
        while (number := int(location["id"])) not in self._outermost:
            if number in way:
                source = f"location {location['slug']} (id {number})"
                self._taken.problems.append(Problem(source, "is inside of itself, by the parents that NetBox tells"))
                break
            way[number] = location
            parent = location.get("parent")
            above = self._locations.get(int(parent["id"])) if parent else None
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

    def _read_rack(self, rack: Item) -> None:
        site = self.sites.get(int(rack["site"]["id"]))
        if site is None:
            return
        source = f"rack {rack['site']['slug']}/{rack['name']} (id {rack['id']})"
        name = self._taken.name("Rack", site, rack["name"], source)
        floor = self.floor(rack)
        self.racks[int(rack["id"])] = (name, floor)
        self.first_units[int(rack["id"])] = int(rack.get("starting_unit") or 1)
        if floor is None:
            message = "stands in no location: give it one, or set floors.default in the mapping"
            self._taken.problems.append(Problem(source, message))
            return
        spec: dict[str, Any] = {"floor": floor, "height_units": int(rack["u_height"])}
        custom = rack.get("custom_fields") or {}
        for ours, theirs in (("row", self._rules.racks.row), ("column", self._rules.racks.column)):
            if theirs is not None and custom.get(theirs) is not None:
                spec[ours] = custom[theirs]
        self.documents.append(self._document("Rack", name, rack, spec, datacenter=site))

    def _document(self, kind: str, name: str, item: Item, spec: Mapping[str, Any], **parents: str) -> Document:
        labels = naming.labels(item, self._rules.labels, self._rules.mark)
        return {"kind": kind, "name": name, **parents, "labels": labels, "spec": dict(spec)}


def _line(value: str | None, length: int = 1024) -> str:
    return " ".join((value or "").split())[:length]
