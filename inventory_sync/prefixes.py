"""Prefixes: the one around an address, and those that become networks of service addresses.

Pure. IPv4 only, as all networks of the service are.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from typing import Any, Literal

from controller.errors import Problem
from inventory_sync.candidates import Claim
from inventory_sync.locations import document_labels
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.mapping import Network
from inventory_sync.naming import NameRegistry, one_line
from inventory_sync.netbox_reader import Item, Snapshot
from inventory_sync.skipping import Skips, UnfitObjectError, required

_LISTED = 3
_LONGEST = 64
"""Characters of a port's network."""


class Prefixes:
    """The longest prefix around an address, by VRF."""

    def __init__(self, prefixes: Iterable[Item], addresses: Iterable[Item] = ()) -> None:
        self._known: dict[tuple[int | None, IPv4Network], Item] = {}
        prefixes = list(prefixes)
        for prefix in prefixes:
            with suppress(KeyError, TypeError, ValueError):  # networks() reports those that the mapping names
                if prefix["family"]["value"] == 4:
                    self._known.setdefault((_vrf(prefix.get("vrf")), IPv4Network(prefix["prefix"])), prefix)
        self._lengths = sorted({network.prefixlen for _, network in self._known}, reverse=True)
        self._names: dict[tuple[int | None, IPv4Address, str], str] = {}
        self._vrfs = vrf_names(vrf for one in (*prefixes, *addresses) if (vrf := one.get("vrf")) is not None)

    def name(
        self,
        at: IPv4Interface | IPv6Interface,
        vrf: Mapping[str, Any] | None,
        what: Literal["vlan", "role", "prefix", "vrf", "none"],
    ) -> str:
        """The network's name of an address: its VRF, and VLAN, role or the prefix itself; empty where there is none.

        An address is unique in its VRF only, so that the VRF is always a part of the name.
        """
        if not isinstance(at, IPv4Interface):
            return ""
        own = self._vrfs[int(vrf["id"])] if vrf is not None else ""
        if what in ("vrf", "none"):
            return own[:_LONGEST]
        key = (_vrf(vrf), at.ip, what)
        if key not in self._names:
            inside = self._name(at, key[0], what)
            self._names[key] = _fitting("/".join(word for word in (own, inside) if word), key[0])
        return self._names[key]

    def _name(self, at: IPv4Interface, vrf: int | None, what: str) -> str:
        for length in self._lengths:
            found = self._known.get((vrf, ipaddress.IPv4Network((int(at.ip), length), strict=False)))
            if found is not None:
                if what == "prefix":
                    return str(found["prefix"])
                value = found.get(what)
                return one_line(value["name"]) if value else ""
        return ""


def vrf_names(vrfs: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Return the names of VRFs by id. NetBox allows one name several times; then it has the route distinguisher."""
    known = {int(vrf["id"]): vrf for vrf in vrfs}
    plain = {number: one_line(vrf.get("name")) or f"vrf-{number}" for number, vrf in known.items()}
    often = Counter(plain.values())
    return {
        number: name if often[name] == 1 else f"{name} {one_line(known[number].get('rd')) or number}"
        for number, name in plain.items()
    }


def _fitting(name: str, vrf: int | None) -> str:
    """Return a name that a port can have; two VRFs with long names stay apart."""
    if len(name) <= _LONGEST:
        return name
    tail = "" if vrf is None else f"~{vrf}"
    return name[: _LONGEST - len(tail)] + tail


def networks(seen: Snapshot, rules: Rules, taken: NameRegistry, skips: Skips) -> list[dict[str, Any]]:
    """Return the NetworkV4 documents of the prefixes that the mapping names."""
    claims: list[Claim] = []
    chosen_by: dict[tuple[str, str], Network] = {}
    names: dict[tuple[str, str], str] = {}
    vrfs = vrf_names(vrf for one in seen["prefixes"] if (vrf := one.get("vrf")) is not None)
    for index, rule in enumerate(rules.networks):
        found = False
        for prefix in seen["prefixes"]:
            with skips.guard("prefix", prefix):
                if required(prefix, "family")["value"] != 4 or not _matches(prefix, rule, vrfs):
                    continue
                found = True
                claim = _claim(prefix, rule, vrfs)
                if (claim.parent, claim.identity) not in chosen_by:
                    chosen_by[claim.parent, claim.identity] = rule
                    claims.append(claim)
        if not found:
            taken.problems.append(Problem(f"mapping.networks[{index}]", "no prefix of NetBox is meant by it"))
    for cluster in dict.fromkeys(claim.parent for claim in claims):
        assigned = taken.assign("NetworkV4", [claim for claim in claims if claim.parent == cluster])
        names |= {(cluster, found): name for found, name in assigned.items()}
    made = []
    for claim in claims:
        if (name := names.get((claim.parent, claim.identity))) is not None:
            with skips.guard("prefix", claim.item):
                rule = chosen_by[claim.parent, claim.identity]
                made.append(_network(claim, name, rule, seen, rules, taken))
    return made


def _matches(prefix: Item, rule: Network, vrfs: Mapping[int, str]) -> bool:
    if rule.prefix is not None and prefix["prefix"] != rule.prefix:
        return False
    if rule.vrf is not None:
        vrf = prefix.get("vrf")
        if rule.vrf not in (("",) if vrf is None else (vrf.get("name"), vrfs[int(vrf["id"])])):
            return False
    if rule.role is not None and (not prefix.get("role") or prefix["role"]["slug"] != rule.role):
        return False
    return rule.tag is None or any(tag["slug"] == rule.tag for tag in prefix.get("tags") or ())


def _claim(prefix: Item, rule: Network, vrfs: Mapping[int, str]) -> Claim:
    vlan, vrf, role = (prefix.get(field) or {} for field in ("vlan", "vrf", "role"))
    own = vrfs[int(vrf["id"])] if vrf else ""
    fields = {"vrf": own, "vlan": str(vlan.get("name") or ""), "role": str(role.get("slug") or "")}
    given = fields["vlan"] if fields["vlan"] and rule.prefix else prefix["prefix"]
    within = ((own,),) if own else ()
    if given != prefix["prefix"]:
        within = (*within, *((*words, str(prefix["prefix"])) for words in ((), *within)))
    return Claim("prefix", prefix, given, rule.cluster, within, fields)


def _network(
    claim: Claim, name: str, rule: Network, seen: Snapshot, rules: Rules, taken: NameRegistry
) -> dict[str, Any]:
    subnet = IPv4Network(claim.item["prefix"])
    spec: dict[str, Any] = {"subnet": str(subnet)}
    for field, at in (("gateway", rule.gateway), ("start_address", rule.first), ("end_address", rule.last)):
        if not -subnet.num_addresses <= at < subnet.num_addresses:
            raise UnfitObjectError(f"{field}: the subnet has no address number {at}")
        spec[field] = str(subnet[at])
    _check_pool(claim.item, spec, seen, rules)
    labels = document_labels("prefix", claim.item, rules, taken)
    return {"kind": "NetworkV4", "name": name, "cluster": rule.cluster, "labels": labels, "spec": spec}


def _check_pool(prefix: Item, spec: Mapping[str, str], seen: Snapshot, rules: Rules) -> None:
    """Refuse addresses in the pool that NetBox assigns to others: the service would assign them twice."""
    first, last = IPv4Address(spec["start_address"]), IPv4Address(spec["end_address"])
    others = []
    for address in seen["ip_addresses"]:
        with suppress(KeyError, TypeError, ValueError):  # what is no address is in no pool
            if address["family"]["value"] != 4 or _vrf(address.get("vrf")) != _vrf(prefix.get("vrf")):
                continue
            ours = any(tag["slug"] == rules.push.tag for tag in address["tags"])
            if not ours and first <= IPv4Address(address["address"].partition("/")[0]) <= last:
                others.append(address["address"])
    if others:
        shown = ", ".join(others[:_LISTED]) + (" ..." if len(others) > _LISTED else "")
        raise UnfitObjectError(
            f"its pool {first} to {last} holds {len(others)} addresses that NetBox gives to others: {shown}"
        )


def _vrf(vrf: Mapping[str, Any] | None) -> int | None:
    return None if vrf is None else int(vrf["id"])
