"""Models and physical resources from device types, devices, panels and feeds; ports from interfaces.

Pure. Devices are kept by datacenter. ``Devices.known`` has those of NetBox that are in the pull, so that a cable to a
device that was left out is left out too.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.errors import Problem
from controller.model.physical_resource import Face, Role
from inventory_sync import naming
from inventory_sync.locations import Document, Locations
from inventory_sync.mapping import SKIP, ModelFacts
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Item, Snapshot
from inventory_sync.prefixes import Prefixes

_SHARED = frozenset({"anycast", "vip", "vrrp", "hsrp", "glbp", "carp"})
"""Roles of addresses that several devices have at once: none of them is one port's own."""


@dataclass(frozen=True)
class Device:
    """The physical resource of a device, panel or feed of NetBox."""

    datacenter: str
    name: str
    role: Role


class Devices:
    """Documents of physical resources by NetBox's id; models."""

    def __init__(self, seen: Snapshot, rules: Rules, taken: NameRegistry, places: Locations) -> None:
        self._rules, self._taken, self._places = rules, taken, places
        self.known: dict[int, Device] = {}
        self.panels: dict[int, Device] = {}
        self.feeds: dict[int, Device] = {}
        self.documents: dict[tuple[str, int], Document] = {}
        self.skipped = 0
        self._roles: dict[int, Counter[Role]] = defaultdict(Counter)
        self._unknown: Counter[str] = Counter()
        types = naming.by_id(seen["device_types"])
        self._models = {
            number: self._taken.name("PhysicalModel", "", kind["slug"], f"device type {kind['slug']}")
            for number, kind in types.items()
            if number in {int(device["device_type"]["id"]) for device in seen["devices"]}
        }
        self._check_rules(seen, types)
        for device in seen["devices"]:
            self._read(device)
        for slug, count in sorted(self._unknown.items()):
            message = f"is not named, and {count} devices have it; name it, or set default_role"
            self._taken.problems.append(Problem(f"mapping.roles.{slug}", message))
        self._read_power(seen)
        self._read_ports(seen)
        self.models = [
            self._model(types[number], self._roles[number]) for number in self._models if self._roles[number]
        ]

    def _check_rules(self, seen: Snapshot, types: Mapping[int, Item]) -> None:
        """Report words of the mapping that NetBox does not know: each is a typing mistake."""
        for what, words, known in (
            ("roles", self._rules.roles, {role["slug"] for role in seen["device_roles"]}),
            ("models", self._rules.models, {kind["slug"] for kind in types.values()}),
        ):
            for word in words:
                if word not in known:
                    message = f"NetBox has no such slug; it has {', '.join(sorted(known)[:20]) or 'none'}"
                    self._taken.problems.append(Problem(f"mapping.{what}.{word}", message))

    def _read(self, device: Item) -> None:
        datacenter = self._places.sites.get(int(device["site"]["id"]))
        statuses = self._rules.devices.statuses
        if datacenter is None or (statuses and device["status"]["value"] not in statuses):
            return
        slug = device["role"]["slug"]
        role = self._rules.roles.get(slug, self._rules.default_role)
        if role is None:
            self._unknown[slug] += 1
            return
        if role == SKIP:
            self.skipped += 1
            return
        role = Role(role)
        given = device["name"] or f"device-{device['id']}"
        name = self._taken.name("PhysicalResource", datacenter, given, f"device {given} (id {device['id']})")
        kind = int(device["device_type"]["id"])
        if kind not in self._models:
            message = "has a device type that NetBox did not show; it may be new: try again"
            self._taken.problems.append(Problem(f"device {given} (id {device['id']})", message))
            return
        self._roles[kind][role] += 1
        since = (device.get("custom_fields") or {}).get(self._rules.devices.in_service_since or "")
        spec: dict[str, Any] = {
            "role": role.value,
            "model": self._models[kind],
            **self._place(device),
            "serial": device["serial"][:256],
            "ports": [],
            "network_links": [],
            "power_links": [],
        }
        if self._rules.devices.in_service_since:
            spec["in_service_since"] = since
        self._add(self.known, "device", device, Device(datacenter, name, role), spec)

    def _place(self, device: Item) -> dict[str, Any]:
        rack = device.get("rack")
        if rack is not None and int(rack["id"]) in self._places.racks:
            position = device.get("position")
            rack_name = self._places.racks[int(rack["id"])][0]
            below = self._places.first_units.get(int(rack["id"]), 1) - 1
            face = (device.get("face") or {}).get("value") or Face.FRONT.value
            return {
                "floor": None,
                "rack": rack_name,
                "position": position - below if position else None,
                "face": face,
            }
        return {"floor": self._places.floor(device), "rack": None, "position": None, "face": Face.FRONT.value}

    def _read_power(self, seen: Snapshot) -> None:
        for panel in seen["power_panels"]:
            if (datacenter := self._places.sites.get(int(panel["site"]["id"]))) is None:
                continue
            source = f"power panel {panel['name']} (id {panel['id']})"
            name = self._taken.name("PhysicalResource", datacenter, panel["name"], source)
            role = self._rules.panel_role
            spec = {"role": role.value, "floor": self._places.floor(panel)}
            self._add(self.panels, "panel", panel, Device(datacenter, name, role), spec)
        for feed in seen["power_feeds"]:
            above = self.panels.get(int(feed["power_panel"]["id"]))
            if above is None:
                continue
            name = self._taken.name(
                "PhysicalResource", above.datacenter, feed["name"], f"power feed {feed['name']} (id {feed['id']})"
            )
            # A feed only leads to its rack: with the rack it would not fail, so that it stands on the floor.
            rack = self._places.racks.get(int(feed["rack"]["id"])) if feed.get("rack") else None
            power = [{"inlet": "panel", "source": above.name, "outlet": ""}]
            place = rack[1] if rack else None
            fed: dict[str, Any] = {"role": Role.POWER_FEED.value, "floor": place, "power_links": power}
            self._add(self.feeds, "feed", feed, Device(above.datacenter, name, Role.POWER_FEED), fed)

    def _add(self, into: dict[int, Device], what: str, item: Item, device: Device, spec: dict[str, Any]) -> None:
        into[int(item["id"])] = device
        labels = naming.labels(item, self._rules.labels, self._rules.mark)
        self.documents[what, int(item["id"])] = {
            "kind": "PhysicalResource",
            "name": device.name,
            "datacenter": device.datacenter,
            "labels": labels,
            "spec": spec,
        }

    def _read_ports(self, seen: Snapshot) -> None:
        prefixes = Prefixes(seen["prefixes"])
        primary = {int(one["id"]) for device in seen["devices"] for one in (device.get("primary_ip4"),) if one}
        addresses: dict[int, Item] = {}
        for address in seen["ip_addresses"]:
            if (address.get("role") or {}).get("value") in _SHARED:
                continue
            if address["assigned_object_type"] == "dcim.interface" and address["family"]["value"] == 4:
                holder = int(address["assigned_object_id"])
                if holder not in addresses or int(address["id"]) in primary:
                    addresses[holder] = address
        for port in seen["interfaces"]:
            if int(port["device"]["id"]) in self.known and port["type"]["value"] not in self._rules.ports.skip_types:
                self.documents["device", int(port["device"]["id"])]["spec"]["ports"].append(
                    self._port(port, addresses.get(int(port["id"])), prefixes)
                )

    def _port(self, port: Item, address: Item | None, prefixes: Prefixes) -> dict[str, Any]:
        mac = port.get("mac_address")
        found: dict[str, Any] = {"name": port["name"][:64], "network": "", "address": None}
        found["mac"] = mac.lower() if mac else None
        if address is not None:
            at = ipaddress.ip_interface(address["address"])
            found["address"] = str(at.ip)
            if self._rules.ports.network != "none":
                found["network"] = prefixes.name(at, address.get("vrf"), self._rules.ports.network)
        return found

    def _model(self, kind: Item, roles: Counter[Role]) -> Document:
        facts = self._rules.models.get(kind["slug"], ModelFacts())
        spec = facts.model_dump(mode="json", exclude_none=True)
        spec.setdefault("role", max(sorted(roles, key=lambda role: role.value), key=lambda role: roles[role]).value)
        spec |= {"vendor": kind["manufacturer"]["name"][:256], "height_units": kind["u_height"]}
        spec["full_depth"] = kind.get("is_full_depth", True)
        labels = naming.labels(kind, self._rules.labels, self._rules.mark)
        return {"kind": "PhysicalModel", "name": self._models[int(kind["id"])], "labels": labels, "spec": spec}
