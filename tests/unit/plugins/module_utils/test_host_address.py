# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address a host of the inventory is connected to."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils import host_address

PORTS = [
    {"name": "eth0", "network": "fabric", "address": None},
    {
        "name": "eth1",
        "network": "fabric",
        "address": "10.9.1.2",
        "secondary_addresses": [{"network": "oob", "address": "10.8.1.2"}],
    },
]


@pytest.mark.parametrize(
    ("order", "address"),
    [
        (["first"], "10.9.1.2"),
        (["interface:eth1"], "10.9.1.2"),
        (["network:oob"], "10.8.1.2"),
        (["interface:eth0", "network:none", "network:oob", "first"], "10.8.1.2"),
        (["interface:eth0", "name"], "server1.tokyo1"),
        (["interface:eth0"], None),
        ([], None),
    ],
)
def test_the_first_choice_that_the_host_has_is_used(order, address):
    host_address.check(order)
    assert host_address.chosen(order, "server1.tokyo1", PORTS) == address


@pytest.mark.parametrize("choice", ["", "dns", "interface", "interface:", "first:eth0", "name:x"])
def test_a_choice_that_does_not_exist_is_refused(choice):
    with pytest.raises(host_address.AddressError, match="there are first, interface:NAME"):
        host_address.check(["first", choice])
