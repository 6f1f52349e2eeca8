# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hosts that a template made, for the inventory: which can be used, and the inventory with them. Pure.

A name that cannot be used costs its own hosts only, and gives one warning.
"""

from __future__ import annotations

import re
import typing as t

RESERVED = ("all", "ungrouped")
"""Groups that Ansible has in every inventory."""
Content = t.Mapping[str, t.Any]

_USABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_GROUP_PART = re.compile(r"[A-Za-z0-9_]*")


class NamingError(Exception):
    """Raised for an option of names that has an impossible value."""


def check_groups(prefix: str, separator: str) -> None:
    """Raise NamingError when groups with them would have names that Ansible changes."""
    if not _GROUP_PART.fullmatch(prefix) or prefix[:1].isdigit():
        raise NamingError(f"group_prefix: {prefix!r}: must be letters, digits and _, and must not begin with a digit")
    if not separator or not _GROUP_PART.fullmatch(separator):
        raise NamingError(f"group_separator: {separator!r}: must be letters, digits and _, at least one")


def renamed(content: Content, made: t.Mapping[str, t.Any]) -> t.Tuple[t.Dict[str, t.Any], t.List[str]]:
    """Return the inventory with the made name of each host, and warnings. ``made``: by host; an Exception failed."""
    sources: t.Dict[str, t.List[str]] = {}
    warnings: t.Dict[str, t.List[str]] = {}
    for host, name in made.items():
        problem = _problem(name, content["groups"])
        if problem:
            warnings.setdefault(problem, []).append(host)
        else:
            sources.setdefault(str(name), []).append(host)
    for name, hosts in sources.items():
        if len(hosts) > 1:
            warnings[f"the same name {name!r}"] = hosts
    names = {hosts[0]: name for name, hosts in sources.items() if len(hosts) == 1}
    groups = {
        key: {"children": group["children"], "hosts": [names[host] for host in group["hosts"] if host in names]}
        for key, group in content["groups"].items()
    }
    hosts_of = {names[host]: variables for host, variables in content["hosts"].items() if host in names}
    return {"hosts": hosts_of, "groups": groups}, [
        f"host_name: {problem} for {shortened(hosts)}: not in the inventory; change host_name"
        for problem, hosts in warnings.items()
    ]


def shortened(names: t.Sequence[str], most: int = 3) -> str:
    """Return the names as text, the first few of many."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _problem(name: t.Any, groups: t.Container[str]) -> str:
    if isinstance(name, Exception):
        return " ".join(str(name).split())
    if not isinstance(name, str):
        return f"{name!r} is not a text"
    if not _USABLE.fullmatch(name):
        return f"{name!r} cannot be the name of a host (letters, digits, '_', '-' and '.')"
    if name in groups or name in RESERVED:
        return f"{name!r} is the name of a group"
    return ""
