# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders and batches of hosts.

zone a: a1 a2 a3    zone b: b1 b2    zone c: c1    no zone: x
"""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.resource.infra.plugins.module_utils.host_batches import SpreadError, batches, sort_by_rack

HOSTS = ("a1", "a2", "a3", "b1", "b2", "c1")
ZONES = {name: {"resource_power_domain": name[0]} for name in HOSTS}


def place(floor, rack, position):
    return {
        "resource_datacenter": "d",
        "resource_floor": floor,
        "resource_rack": rack,
        "resource_rack_position": position,
    }


def test_order_is_by_floor_rack_and_height_numbers_by_value_and_what_is_nowhere_last():
    hosts = {
        "z": place("f1", "rack-2", 1),
        "low": place("f1", "rack-10", 2),
        "high": place("f1", "rack-10", 10),
        "server10": place("f2", "rack-1", 1),
        "server9": place("f2", "rack-1", 1),
        "a": {},
    }
    for given in itertools.permutations(hosts):
        assert sort_by_rack(given, hosts) == ["z", "low", "high", "server9", "server10", "a"]


def test_no_batch_has_two_of_one_zone_and_there_are_as_few_as_can_be():
    for given in itertools.permutations(HOSTS):
        assert batches(given, ZONES) == [["a1", "b1", "c1"], ["a2", "b2"], ["a3"]]


def test_size_bounds_batches_and_the_fullest_zone_goes_first():
    found = batches(HOSTS, ZONES, size=2)
    assert found == [["a1", "b1"], ["a2", "b2"], ["a3", "c1"]]
    assert [len(one) for one in batches(HOSTS, ZONES, size=1)] == [1] * 6


def test_host_without_a_zone_is_in_one_of_its_own_whatever_it_is_called():
    hosts = {**ZONES, "x": {}, "a": {"resource_power_domain": ""}}
    assert batches([*HOSTS, "x", "a"], hosts)[0] == ["a", "a1", "b1", "c1", "x"]


def test_another_variable_may_tell_the_zone():
    hosts = {"n1": {"rack": "r1"}, "n2": {"rack": "r1"}, "n3": {"rack": "r2"}}
    assert batches(hosts, hosts, apart="rack") == [["n1", "n3"], ["n2"]]


def test_variable_that_no_host_has_is_refused_where_it_matters():
    with pytest.raises(SpreadError, match="no host has the variable 'resource_power_domian'"):
        batches(HOSTS, ZONES, apart="resource_power_domian")
    assert batches(["a1"], ZONES, apart="none") == [["a1"]]
    assert batches([], ZONES, apart="none") == []


def test_host_that_is_not_known_is_refused():
    with pytest.raises(SpreadError, match="host 'y' is not in the variables"):
        batches(["y"], ZONES)
