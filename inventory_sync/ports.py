"""Ports of physical resources from NetBox's interfaces and addresses.

Pure. A port has its primary address, or its oldest, and the others of its interface as secondary addresses. What NetBox
has twice (an address in one network, a MAC in one datacenter) belongs to the oldest object; the others are skipped.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from controller.model.plain_text import unsafe
from inventory_sync.locations import Document
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.netbox_reader import Item, Snapshot
from inventory_sync.prefixes import Prefixes
from inventory_sync.skipping import Skips, UnfitObjectError, required, title

_SHARED = frozenset({"anycast", "vip", "vrrp", "hsrp", "glbp", "carp"})
"""Roles of addresses that several devices have at once: none of them is one port's own."""
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
MAX_PORT_NAME = 64
_Held = tuple[dict[str, Any], str, Item]
"""A port, its datacenter and its interface."""


class Ports:
    """The interfaces and addresses of one NetBox."""

    def __init__(self, seen: Snapshot, rules: Rules, skips: Skips) -> None:
        self._seen, self._rules, self._skips = seen, rules, skips
        self._prefixes = Prefixes(seen["prefixes"], seen["ip_addresses"])
        self._owners: dict[tuple[str, ...], Item] = {}
        """Datacenter with network and address, or with MAC: the interface that has it."""

    def add_to(self, documents: Mapping[tuple[str, int], Document]) -> None:
        """Add the ports to the documents of devices."""
        ports: dict[int, _Held] = {}
        for interface in sorted(self._seen["interfaces"], key=lambda one: int(one["id"])):
            with self._skips.guard("interface", interface):
                document = documents.get(("device", int(required(interface, "device")["id"])))
                if document is None or self._is_skipped_type(interface):
                    continue
                datacenter = document["datacenter"]
                port = {"name": port_name(interface), "network": "", "address": None, "mac": None}
                ports[int(interface["id"])] = (port, datacenter, interface)
                document["spec"]["ports"].append(port)
                port["mac"] = self._mac(interface, datacenter)
        addresses = {number: found for number, found in self._addresses().items() if number in ports}
        places = self._places(addresses, ports)
        for number, found in addresses.items():
            self._add_addresses(found, places, *ports[number])

    def _is_skipped_type(self, interface: Item) -> bool:
        return required(interface, "type")["value"] in self._rules.ports.skip_types

    def _mac(self, interface: Item, datacenter: str) -> str | None:
        given = interface.get("mac_address")
        if not given:
            return None
        mac = str(given).lower()
        reason = "" if _MAC.fullmatch(mac) else f"is left without its MAC address: {given!r} is not one"
        if not reason and (other := self._owners.setdefault((datacenter, mac), interface))["id"] != interface["id"]:
            reason = f"is left without its MAC address: {title('interface', other)} has {mac} too"
        if reason:
            self._skips.add("interface", interface, reason, whole=False)
            return None
        return mac

    def _addresses(self) -> Mapping[int, Sequence[Item]]:
        """Return the addresses of each interface: the primary one of its device first, then the oldest."""
        primary = set()
        for device in self._seen["devices"]:
            if isinstance(one := device.get("primary_ip4"), dict):
                primary.add(int(one["id"]))
        found: dict[int, list[Item]] = defaultdict(list)
        for address in self._seen["ip_addresses"]:
            with self._skips.guard("ip-address", address):
                if (address.get("role") or {}).get("value") in _SHARED:
                    continue
                if address.get("assigned_object_type") == "dcim.interface" and _is_version_4(address):
                    found[int(address["assigned_object_id"])].append(address)
        for addresses in found.values():
            addresses.sort(key=lambda one: (int(one["id"]) not in primary, int(one["id"])))
        return dict(sorted(found.items(), key=lambda one: min(int(address["id"]) for address in one[1])))

    def _places(
        self, addresses: Mapping[int, Sequence[Item]], ports: Mapping[int, _Held]
    ) -> dict[int, tuple[str, str]]:
        """Return network and address by the address's id. Each belongs to the interface of the oldest address."""
        found: dict[int, tuple[str, str]] = {}
        held = [(int(one["id"]), number, one) for number, some in addresses.items() for one in some]
        for own, number, address in sorted(held, key=lambda one: one[:2]):
            with self._skips.guard("ip-address", address):
                at = ipaddress.IPv4Interface(address["address"])
                network = self._prefixes.name(at, address.get("vrf"), self._rules.ports.network)
                _, datacenter, interface = ports[number]
                self._owners.setdefault((datacenter, network, str(at.ip)), interface)
                found[own] = (network, str(at.ip))
        return found

    def _add_addresses(
        self,
        addresses: Sequence[Item],
        places: Mapping[int, tuple[str, str]],
        port: dict[str, Any],
        datacenter: str,
        interface: Item,
    ) -> None:
        for address in addresses:
            if int(address["id"]) not in places:
                continue
            network, at = places[int(address["id"])]
            place = {"network": network, "address": at}
            other = self._owners[datacenter, network, at]
            if other["id"] != interface["id"]:
                where = f"network {network}" if network else "no network"
                on, by = title("interface", interface), title("interface", other)
                self._skips.add("ip-address", address, f"is on {on}, and {by} has it too, in {where}")
            elif port["address"] is None:
                port |= place
            elif place not in (more := port.setdefault("secondary_addresses", [])) and place != {
                "network": port["network"],
                "address": port["address"],
            }:
                more.append(place)


def port_name(item: Item) -> str:
    """Return the name of a port. Raises UnfitObjectError when it has none that can be used."""
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise UnfitObjectError("has no name")
    if bad := unsafe(name, lines=False):
        raise UnfitObjectError(f"its name must not contain {bad}")
    return name[:MAX_PORT_NAME]


def _is_version_4(address: Item) -> bool:
    family = address.get("family")
    return (family.get("value") if isinstance(family, dict) else family) == 4
