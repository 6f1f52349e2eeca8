# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of hosts: their names, and their values from a line of a topology.

Each has a plain type, and a single value where possible: Ansible's cost grows with every value of every host, and most
with those inside lists and maps.
"""

from __future__ import annotations

import typing as t

_WORDS = """
    kind name labels status state cluster datacenter floor rack rack_position role model serial addresses power_links
    network_links power_domain network_domain network_zone node_zone availability_zone providers provider cordoned
    draining project service index node machine_labels
"""
VARIABLES = ("ansible_host", *(f"resource_{word}" for word in _WORDS.split()))
"""Names of all variables except amounts."""
AMOUNTS = ("resource_capacity_", "resource_free_")
"""Prefixes of the variables of amounts, before the name of a dimension."""
Variables = t.Dict[str, t.Any]


class VariableError(Exception):
    """Raised for a variable that does not exist."""


def check(names: t.Iterable[str]) -> None:
    """Raise VariableError for a variable that does not exist."""
    for name in names:
        if name not in VARIABLES and not name.startswith(AMOUNTS):
            known = ", ".join([*VARIABLES, *(f"{prefix}..." for prefix in AMOUNTS)])
            raise VariableError(f"variables: {name}: no such variable; there are {known}")


def common(line: t.Mapping[str, t.Any]) -> Variables:
    """Return the variables of every host."""
    return {
        "resource_kind": line["kind"],
        "resource_name": line["name"],
        "resource_labels": line["labels"],
        "resource_status": line["status"],
        "resource_state": line["state"],
    }


def placed(datacenter: str, floor: str, rack: str, machine: t.Mapping[str, t.Any]) -> Variables:
    """Return the variables of a machine's place and links."""
    addresses = [port["address"] for port in machine.get("ports") or () if port.get("address")]
    return {
        "resource_datacenter": datacenter,
        "resource_floor": floor,
        "resource_rack": rack,
        "resource_rack_position": machine.get("position"),
        "resource_role": machine.get("role"),
        "resource_model": machine.get("model"),
        "resource_serial": machine.get("serial"),
        "resource_addresses": addresses,
        "resource_power_links": {link["inlet"]: link["source"] for link in machine.get("power_links") or ()},
        "resource_network_links": {link["port"]: link["peer"] for link in machine.get("network_links") or ()},
    }


def amounts(
    prefix: str, sizes: t.Optional[t.Mapping[str, t.Any]], of: t.Optional[t.Mapping[str, t.Any]] = None
) -> Variables:
    """Return a variable for each amount, without the dimensions that the host does not have."""
    there = of or sizes or {}
    return {
        f"{prefix}{name}": amount
        for name, amount in (sizes or {}).items()
        if isinstance(amount, (int, float)) and not isinstance(amount, bool) and there.get(name)
    }


def is_nothing(value: t.Any) -> bool:
    """Return whether a value gets no variable. The number 0 gets one."""
    return value is None or value is False or value in ("", [], {})
