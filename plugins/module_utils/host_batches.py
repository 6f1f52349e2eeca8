# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders and batches of hosts for rolling work. Pure functions over names and the variables of hosts.

Results are the same in every run: equal hosts are ordered by name, numbers in names by value.
"""

from __future__ import annotations

import re
import typing as t

HostVars = t.Mapping[str, t.Mapping[str, t.Any]]

_PLACE = ("resource_datacenter", "resource_floor", "resource_rack")
_PART = re.compile(r"([0-9]+)")


class SpreadError(ValueError):
    """Raised for unknown hosts, and for invalid settings."""


def natural(text: str) -> t.List[t.Tuple[int, int, str]]:
    """Return a key that sorts ``server2`` before ``server10``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _PART.split(text) if part]


def sort_by_rack(hosts: t.Iterable[str], hostvars: HostVars) -> t.List[str]:
    """Return hosts by datacenter, floor, rack and height unit; hosts without a place come last."""

    def key(host: str) -> t.Any:
        found = _of(hostvars, host)
        place = [natural(str(found.get(name) or "")) for name in _PLACE]
        return not found.get("resource_rack"), place, found.get("resource_rack_position") or 0, natural(host)

    return sorted(dict.fromkeys(hosts), key=key)


def batches(
    hosts: t.Iterable[str], hostvars: HostVars, apart: str = "resource_power_domain", size: int = 0
) -> t.List[t.List[str]]:
    """Return as few batches as possible, none with two hosts of one zone, none larger than ``size`` (0: no limit).

    The zone is the variable ``apart``; a host without it is in a zone of its own. Hosts of the largest zones are taken
    first, so that the number of batches is the least. Raises SpreadError where no host has the variable: a typing
    mistake would put all hosts into one batch.
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise SpreadError(f"size must be a whole number from 0, not {size!r}")
    zones: t.Dict[t.Any, t.List[str]] = {}
    ordered = sort_by_rack(hosts, hostvars)
    if len(ordered) > 1 and all(_of(hostvars, host).get(apart) in (None, "") for host in ordered):
        raise SpreadError(f"no host has the variable {apart!r}, by which they are to be kept apart")
    for host in ordered:
        zone = _of(hostvars, host).get(apart)
        zones.setdefault(("zone", str(zone)) if zone not in (None, "") else ("host", host), []).append(host)
    found = []
    while zones:
        order = sorted(zones, key=lambda zone: (-len(zones[zone]), zone[0], natural(zone[1])))
        batch = [zones[zone].pop(0) for zone in (order[:size] if size else order)]
        zones = {zone: left for zone, left in zones.items() if left}
        found.append(sort_by_rack(batch, hostvars))
    return found


def _of(hostvars: HostVars, host: str) -> t.Mapping[str, t.Any]:
    try:
        return hostvars[host]
    except (KeyError, TypeError) as error:
        raise SpreadError(f"host {host!r} is not in the variables that were given: give hostvars") from error
