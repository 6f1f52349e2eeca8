# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for rolling work. Each has its documentation in a file of its own in this folder."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.resource.infra.plugins.module_utils import host_batches


def sort_by_rack(hosts: t.Any, hostvars: t.Any) -> t.List[str]:
    """Hosts in the order of their racks."""
    return _call(host_batches.sort_by_rack, _names(hosts), hostvars)


def batches(hosts: t.Any, hostvars: t.Any, apart: str = "resource_power_domain", size: int = 0) -> t.List[t.List[str]]:
    """Batches of hosts, none with two of one zone."""
    return _call(host_batches.batches, _names(hosts), hostvars, apart, size)


def _names(hosts: t.Any) -> t.List[str]:
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise AnsibleFilterError("a list of names of hosts is needed")
    return [str(host) for host in hosts]


def _call(function: t.Callable[..., t.Any], *given: t.Any) -> t.Any:
    try:
        return function(*given)
    except host_batches.SpreadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Return the filters, as Ansible requires."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"sort_by_rack": sort_by_rack, "batches": batches}
