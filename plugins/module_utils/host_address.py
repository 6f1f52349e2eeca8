# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address by which Ansible connects to a host of the inventory: chosen among its ports, in an order. Pure.

The first choice of the order that a host has an address for is used. A host that has none of them gets no address, and
Ansible then connects to its name.
"""

from __future__ import annotations

import typing as t

FIRST = "first"
NAME = "name"
DEFAULT = (FIRST,)
Port = t.Mapping[str, t.Any]

_NAMED = ("interface", "network")
_KNOWN = "first, interface:NAME, network:NAME, name"


class AddressError(Exception):
    """Raised for a choice that does not exist."""


def check(order: t.Iterable[str]) -> None:
    """Raise AddressError for a choice that does not exist."""
    for choice in order:
        word, _colon, name = choice.partition(":")
        if choice not in (FIRST, NAME) and not (word in _NAMED and name):
            raise AddressError(f"host_address: {choice!r}: no such choice; there are {_KNOWN}")


def chosen(order: t.Iterable[str], host: str, ports: t.Sequence[Port]) -> t.Optional[str]:
    """Return the address of the first choice that the host has, or None."""
    for choice in order:
        word, _colon, name = choice.partition(":")
        if choice == NAME:
            return host
        for port in ports:
            for address in _addresses(port, word, name):
                return address
    return None


def _addresses(port: Port, word: str, name: str) -> t.Iterator[str]:
    """Yield those of the port's addresses that the choice names, the primary one first."""
    if word == "interface" and port.get("name") != name:
        return
    for each in (port, *(port.get("secondary_addresses") or ())):
        if each.get("address") and (word != "network" or each.get("network") == name):
            yield each["address"]
