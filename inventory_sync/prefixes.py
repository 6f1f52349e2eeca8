"""Prefixes: the one around an address, and those that become networks of service addresses.

Pure. IPv4 only, as all networks of the service are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from typing import Any, Literal

from controller.errors import Problem
from inventory_sync import naming
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.mapping import Network
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Item, Snapshot

_LISTED = 3


class Prefixes:
    """The longest prefix around an address, by VRF."""

    def __init__(self, prefixes: Iterable[Item]) -> None:
        self._known: dict[tuple[int | None, IPv4Network], Item] = {}
        for prefix in prefixes:
            if prefix["family"]["value"] == 4:
                self._known[_vrf(prefix.get("vrf")), IPv4Network(prefix["prefix"])] = prefix
        self._lengths = sorted({network.prefixlen for _, network in self._known}, reverse=True)
        self._names: dict[tuple[int | None, IPv4Network, str], str] = {}

    def name(
        self,
        at: IPv4Interface | IPv6Interface,
        vrf: Mapping[str, Any] | None,
        what: Literal["vlan", "role", "prefix", "none"],
    ) -> str:
        """The network's name of an address: VLAN, role or the prefix itself; empty where there is none."""
        if not isinstance(at, IPv4Interface):
            return ""
        key = (_vrf(vrf), at.network, what)
        if key not in self._names:
            self._names[key] = self._name(at, key[0], what)
        return self._names[key]

    def _name(self, at: IPv4Interface, vrf: int | None, what: str) -> str:
        for length in self._lengths:
            found = self._known.get((vrf, ipaddress.IPv4Network((int(at.ip), length), strict=False)))
            if found is not None:
                if what == "prefix":
                    return str(found["prefix"])
                value = found.get(what)
                return str(value["name"])[:64] if value else ""
        return ""


def networks(seen: Snapshot, rules: Rules, taken: NameRegistry) -> list[dict[str, Any]]:
    """Return the NetworkV4 documents of the prefixes that the mapping names."""
    made = []
    for index, rule in enumerate(rules.networks):
        chosen = [prefix for prefix in seen["prefixes"] if prefix["family"]["value"] == 4 and _matches(prefix, rule)]
        if not chosen:
            taken.problems.append(Problem(f"mapping.networks[{index}]", "no prefix of NetBox is meant by it"))
        for prefix in chosen:
            made.append(_network(prefix, rule, seen, rules, taken))
    return made


def _matches(prefix: Item, rule: Network) -> bool:
    if rule.prefix is not None and prefix["prefix"] != rule.prefix:
        return False
    if rule.role is not None and (not prefix["role"] or prefix["role"]["slug"] != rule.role):
        return False
    return rule.tag is None or any(tag["slug"] == rule.tag for tag in prefix["tags"])


def _network(prefix: Item, rule: Network, seen: Snapshot, rules: Rules, taken: NameRegistry) -> dict[str, Any]:
    subnet = IPv4Network(prefix["prefix"])
    given = prefix["vlan"]["name"] if prefix["vlan"] and rule.prefix else prefix["prefix"]
    source = f"prefix {prefix['prefix']} (id {prefix['id']})"
    name = taken.name("NetworkV4", rule.cluster, given, source)
    spec: dict[str, Any] = {"subnet": str(subnet)}
    for field, at in (("gateway", rule.gateway), ("start_address", rule.first), ("end_address", rule.last)):
        if not -subnet.num_addresses <= at < subnet.num_addresses:
            taken.problems.append(Problem(source, f"{field}: the subnet has no address number {at}"))
        else:
            spec[field] = str(subnet[at])
    if len(spec) == 4:
        _check_pool(prefix, spec, seen, rules, taken, source)
    labels = naming.labels(prefix, rules.labels, rules.mark)
    return {"kind": "NetworkV4", "name": name, "cluster": rule.cluster, "labels": labels, "spec": spec}


def _check_pool(
    prefix: Item, spec: Mapping[str, str], seen: Snapshot, rules: Rules, taken: NameRegistry, source: str
) -> None:
    """Refuse addresses in the pool that NetBox assigns to others: the service would assign them twice."""
    first, last = IPv4Address(spec["start_address"]), IPv4Address(spec["end_address"])
    others = []
    for address in seen["ip_addresses"]:
        if address["family"]["value"] != 4 or _vrf(address.get("vrf")) != _vrf(prefix.get("vrf")):
            continue
        ours = any(tag["slug"] == rules.push.tag for tag in address["tags"])
        if not ours and first <= IPv4Address(address["address"].partition("/")[0]) <= last:
            others.append(address["address"])
    if others:
        shown = ", ".join(others[:_LISTED]) + (" ..." if len(others) > _LISTED else "")
        message = f"its pool {first} to {last} holds {len(others)} addresses that NetBox gives to others: {shown}"
        taken.problems.append(Problem(source, message))


def _vrf(vrf: Mapping[str, Any] | None) -> int | None:
    return None if vrf is None else int(vrf["id"])
