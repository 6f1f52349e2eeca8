# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the inventory: hosts, groups and names; the cache's file; orders and batches."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ansible_collections.resource.infra.plugins.module_utils import (
    host_batches,
    topology,
    topology_cache,
    topology_variables,
)

HEAD = {"topology": 1, "resource_version": 7, "tag": "7-x", "kinds": []}
ENVELOPE = {"labels": {}, "status": "Active", "state": "", "observed": {}, "spec": {}}
SITE = [
    {"kind": "Region", "name": "kanto"},
    {"kind": "Datacenter", "name": "tokyo"},
    {"kind": "Floor", "name": "floor-1", "datacenter": "tokyo"},
    {"kind": "Rack", "name": "rack-1", "datacenter": "tokyo", "spec": {"floor": "floor-1"}},
    {"kind": "Cluster", "name": "tokyo1", "spec": {"region": "kanto", "datacenter": "tokyo"}},
    {"kind": "NodeAvailabilityZone", "name": "row-1", "cluster": "tokyo1"},
]
NODE = {
    "kind": "Node",
    "name": "server1",
    "cluster": "tokyo1",
    "state": "Up",
    "spec": {
        "physical_resource": "server1",
        "node_availability_zone": "row-1",
        "providers": ["libvirt"],
        "schedulable": False,
    },
    "observed": {
        "zones": {"power": "a+b", "network": "", "rack": "rack-1"},
        "capacity": {"vcpus": 16, "disk_iops": 0},
        "free": {"vcpus": 0, "disk_iops": 0},
    },
    "physical": {
        "role": "Server",
        "rack": "rack-1",
        "position": 10,
        "ports": [{"name": "eth0", "address": None}, {"name": "eth1", "address": "10.9.1.2"}],
        "power_links": [{"inlet": "psu1", "source": "pdu-a", "outlet": ""}],
        "network_links": [{"port": "eth1", "peer": "leaf1", "peer_port": ""}],
    },
}
COMPUTE = {
    "kind": "Compute",
    "name": "web-0",
    "region": "kanto",
    "project": "default",
    "state": "Running",
    "spec": {
        "service": "web",
        "index": 0,
        "host_name": "web-0.default.kanto",
        "cluster": "tokyo1",
        "provider": "libvirt",
        "sizes": {"vcpus": 1, "cpu_mode": "Shared", "huge_pages": True},
        "interfaces": [{"network": "service", "address": "172.16.10.10"}],
    },
    "observed": {"node": "server1", "datacenter": "tokyo", "rack": "rack-1", "power": "a+b", "network": None},
}
MACHINE = {"kind": "PhysicalResource", "name": "server1", "datacenter": "tokyo", "spec": {"role": "Server"}}
ROUTER = {**MACHINE, "name": "leaf1", "spec": {"role": "RackLeafRouter", "rack": "rack-1"}}


def answer(*lines, head=None, end=True):
    told = [head or HEAD, *({**ENVELOPE, **line} for line in lines), *([{"end": True}] if end else [])]
    return [json.dumps(line).encode() + b"\n" for line in told]


def whole(*lines, **more):
    return topology.read(answer(*SITE, *lines), **more)


def parents(inventory, name):
    return [group for group, held in inventory.groups.items() if name in held["children"]]


def groups_of(inventory, host):
    return sorted(group for group, held in inventory.groups.items() if host in held["hosts"])


def test_places_are_nested_as_they_are():
    made = whole(NODE)
    assert parents(made, "rack_tokyo_rack_1") == ["floor_tokyo_floor_1"]
    assert parents(made, "floor_tokyo_floor_1") == ["datacenter_tokyo"]
    assert parents(made, "node_zone_tokyo1_row_1") == ["cluster_tokyo1"]
    assert parents(made, "cluster_tokyo1") == ["region_kanto"]
    assert parents(made, "power_tokyo_a_b") == ["datacenter_tokyo"]


def test_a_node_is_in_its_deepest_groups():
    assert groups_of(whole(NODE), "server1.tokyo1") == [
        "cordoned",
        "node_zone_tokyo1_row_1",
        "nodes",
        "power_tokyo_a_b",
        "provider_libvirt",
        "rack_tokyo_rack_1",
        "role_Server",
        "state_Up",
        "status_Active",
    ]


def test_a_nodes_variables_are_plain_and_what_is_empty_is_not_there():
    assert whole(NODE).hosts["server1.tokyo1"] == {
        "ansible_host": "10.9.1.2",
        "resource_kind": "Node",
        "resource_name": "server1",
        "resource_status": "Active",
        "resource_state": "Up",
        "resource_cluster": "tokyo1",
        "resource_datacenter": "tokyo",
        "resource_floor": "floor-1",
        "resource_rack": "rack-1",
        "resource_rack_position": 10,
        "resource_role": "Server",
        "resource_addresses": ["10.9.1.2"],
        "resource_power_links": {"psu1": "pdu-a"},
        "resource_network_links": {"eth1": "leaf1"},
        "resource_power_domain": "a+b",
        "resource_node_zone": "row-1",
        "resource_providers": ["libvirt"],
        "resource_cordoned": True,
        "resource_capacity_vcpus": 16,
        "resource_free_vcpus": 0,
    }


def test_a_compute_knows_its_service_node_and_place():
    made = whole(NODE, COMPUTE)
    variables = made.hosts["web-0.default.kanto"]
    assert variables["ansible_host"] == "172.16.10.10"
    assert variables["resource_node"] == "server1"
    assert variables["resource_index"] == 0
    assert variables["resource_provider"] == "libvirt"
    amounts = {name: value for name, value in variables.items() if name.startswith(topology_variables.AMOUNTS)}
    assert amounts == {"resource_capacity_vcpus": 1}
    assert parents(made, "service_default_kanto_web") == ["project_default"]
    assert "rack_tokyo_rack_1" in groups_of(made, "web-0.default.kanto")


def test_only_variables_that_were_named_are_set():
    made = whole(NODE, COMPUTE, variables=("resource_rack", "resource_index", "resource_free_vcpus"))
    assert made.hosts["server1.tokyo1"] == {"resource_rack": "rack-1", "resource_free_vcpus": 0}
    assert made.hosts["web-0.default.kanto"] == {"resource_rack": "rack-1", "resource_index": 0}
    assert groups_of(made, "server1.tokyo1") == groups_of(whole(NODE), "server1.tokyo1")


def test_every_variable_can_be_named_and_no_other():
    full = {"network_availability_zone": "x", "region_availability_zone": "z", "drain": True}
    observed = {**NODE["observed"], "zones": {"power": "a", "network": "b", "rack": "rack-1"}}
    machine = {**NODE["physical"], "model": "m", "serial": "s"}
    labels = {"labels": {"a": "b"}}
    labels["physical_labels"] = {"owner": "net"}
    node = {**NODE, **labels, "spec": {**NODE["spec"], **full}, "observed": observed, "physical": machine}
    seen = {name for variables in whole(node, COMPUTE).hosts.values() for name in variables}
    assert {name for name in seen if not name.startswith(topology_variables.AMOUNTS)} == set(
        topology_variables.VARIABLES
    )
    topology_variables.check([*seen, "resource_free_disk_gib"])
    with pytest.raises(
        topology_variables.VariableError, match="variables: resource_colour: no such variable; there are ansi"
    ):
        topology_variables.check(["resource_rack", "resource_colour"])


def test_the_machine_of_a_node_is_no_host_of_its_own():
    assert list(whole(MACHINE, ROUTER, NODE).hosts) == ["server1.tokyo1", "leaf1.tokyo"]
    assert list(whole(MACHINE).hosts) == ["server1.tokyo"]


def test_two_sources_of_one_group_cost_that_group_only():
    other = {"kind": "Datacenter", "name": "tokyo-a"}
    floor, deep = ({"kind": "Floor", "name": n, "datacenter": d} for n, d in (("a-b", "tokyo"), ("b", "tokyo-a")))
    rack = {"kind": "Rack", "name": "r", "datacenter": "tokyo", "spec": {"floor": "a-b"}}
    router = {**ROUTER, "spec": {**ROUTER["spec"], "rack": "", "floor": "a-b"}}
    found = whole(floor, other, deep, rack, router, NODE)
    (warning,) = found.warnings
    assert "floor tokyo/a-b and floor tokyo-a/b are all group 'floor_tokyo_a_b'" in warning
    assert "group_separator" in warning
    assert not [name for name in found.groups if name.startswith("floor_tokyo_a")]
    assert parents(found, "rack_tokyo_r") == ["datacenter_tokyo"]
    assert "leaf1.tokyo" in found.groups["datacenter_tokyo"]["hosts"]
    assert "server1.tokyo1" in found.hosts
    apart = whole(floor, other, deep, rack, group_prefix="x_", group_separator="__")
    assert not apart.warnings
    assert {"x_floor__tokyo__a_b", "x_floor__tokyo_a__b"} <= set(apart.groups)


def test_names_that_become_one_cost_that_group_at_each_depth():
    floors = [{"kind": "Floor", "name": name, "datacenter": "tokyo"} for name in ("a-b", "a.b")]
    racks = [
        {"kind": "Rack", "name": f"r{mark}r", "datacenter": "tokyo", "spec": {"floor": f"a{mark}b"}} for mark in "-."
    ]
    router = {**ROUTER, "spec": {**ROUTER["spec"], "rack": "r.r"}}
    found = whole(*floors, *racks, router)
    assert len(found.warnings) == 2
    assert "leaf1.tokyo" in found.groups["datacenter_tokyo"]["hosts"]
    assert not [child for group in found.groups.values() for child in group["children"] if child not in found.groups]


def test_two_sources_of_one_host_cost_these_hosts_only():
    other = {"kind": "Cluster", "name": "tokyo2", "spec": {"region": "kanto", "datacenter": "tokyo"}}
    twin = {**NODE, "cluster": "tokyo2", "spec": {}}
    assert list(whole(other, NODE, twin).hosts) == ["server1.tokyo1", "server1.tokyo2"]
    found = whole(other, NODE, twin, {**NODE, "name": "server2"}, short_node_names=True)
    assert list(found.hosts) == ["server2"]
    assert all(group["hosts"] in ([], ["server2"]) for group in found.groups.values())
    (warning,) = found.warnings
    assert "Node tokyo1/server1 and Node tokyo2/server1 are all host 'server1'" in warning
    assert "node_names=qualified" in warning


@pytest.mark.parametrize("name", ["nodes", "all", "ungrouped"])
def test_a_host_named_as_a_group_costs_that_host_only(name):
    found = whole({**NODE, "name": name}, NODE, short_node_names=True)
    assert list(found.hosts) == ["server1"]
    (warning,) = found.warnings
    assert f"Node tokyo1/{name} would be host '{name}'" in warning


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (answer(*SITE, NODE, end=False), "ended half-way"),
        (answer(head={"topology": 2}), "format 2, this collection reads format 1"),
        (answer(head={"items": []}), "no topology"),
        ([b"<html>"], "no topology"),
        ([b"[]"], "no topology"),
        ([], "no topology"),
    ],
)
def test_answers_that_are_not_understood_are_refused(lines, message):
    with pytest.raises(topology.TopologyError, match=message):
        topology.read(lines)


def test_kinds_of_later_are_passed_over():
    assert not whole({"kind": "Cage", "name": "x"}).hosts


CONTENT = {"hosts": {"a": {"b": 1}}, "groups": {}, "warnings": []}


def test_a_cache_is_fresh_for_its_time_and_the_owners_only(tmp_path):
    folder = str(tmp_path / "deep" / "cache")
    assert topology_cache.load(folder, "k") is None
    topology_cache.store(folder, "k", "7-x", CONTENT, 100)
    found = topology_cache.load(folder, "k")
    assert found == topology_cache.Stored("7-x", CONTENT, 100)
    assert found.is_fresh(10, 109)
    assert not found.is_fresh(10, 110)
    assert not found.is_fresh(10, 99), "from the future: the clock was set back"
    assert found.is_fresh(0, 10**9)
    (file,) = Path(folder).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_known_to_be_true_still_is_fresh_again(tmp_path):
    topology_cache.store(str(tmp_path), "k", "7-x", CONTENT, 100)
    topology_cache.renew(str(tmp_path), "k", 200)
    assert topology_cache.load(str(tmp_path), "k") == topology_cache.Stored("7-x", CONTENT, 200)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"form": 2}', "\x00", '{"form": 2, "tag": "", "content": 1}'])
def test_a_damaged_cache_is_none(tmp_path, text):
    (tmp_path / "k.json").write_text(text)
    assert topology_cache.load(str(tmp_path), "k") is None


@pytest.mark.parametrize(
    "more",
    [{"content": {"hosts": [], "groups": {}}}, {"content": {"hosts": {}, "groups": {}}}, {"tag": 7}, {"form": 1}],
)
def test_a_damaged_cache_of_the_right_form_is_none(tmp_path, more):
    whole = {"form": 3, "tag": "7-x", "content": CONTENT}
    (tmp_path / "k.json").write_text(json.dumps(whole))
    assert topology_cache.load(str(tmp_path), "k") is not None
    (tmp_path / "k.json").write_text(json.dumps({**whole, **more}))
    assert topology_cache.load(str(tmp_path), "k") is None


def test_a_key_differs_with_each_part_and_shows_no_token():
    keys = {topology_cache.key_of(1, url, token) for url in ("http://a", "http://b") for token in ("secret", "other")}
    assert len(keys) == 4
    assert not any("secret" in key for key in keys)


def test_the_cache_is_in_the_users_cache_folder():
    assert topology_cache.default_folder({"XDG_CACHE_HOME": "/x"}) == "/x/resource.infra/inventory"
    assert topology_cache.default_folder({}).endswith("/.cache/resource.infra/inventory")


def at(rack="", position=None, zone=""):
    return {"resource_rack": rack, "resource_rack_position": position, "resource_power_domain": zone}


def test_hosts_are_sorted_by_rack_then_height_with_numbers_by_value():
    hosts = {"n1": at("rack-10", 1), "n2": at("rack-2", 12), "n3": at("rack-2", 3), "n4": at(), "n10": at("rack-2", 12)}
    assert host_batches.sort_by_rack(hosts, hosts) == ["n3", "n2", "n10", "n1", "n4"]


def test_no_batch_has_two_of_one_zone_and_there_are_as_few_as_can_be():
    zones = {"a": 3, "b": 2, "c": 1}
    hosts = {f"{zone}{number}": at("r", number, zone) for zone, count in zones.items() for number in range(count)}
    made = host_batches.batches(hosts, hosts)
    assert [sorted(batch) for batch in made] == [["a0", "b0", "c0"], ["a1", "b1"], ["a2"]]
    assert [len(batch) for batch in host_batches.batches(hosts, hosts, size=2)] == [2, 2, 2]


def test_hosts_without_a_zone_are_apart_from_each_other_only_by_name():
    hosts = {"x": at(), "y": at(), "z": at(zone="x")}
    assert host_batches.batches(hosts, hosts) == [["x", "y", "z"]]


@pytest.mark.parametrize("size", [-1, 1.5, True, "2"])
def test_a_size_that_makes_no_sense_is_refused(size):
    with pytest.raises(host_batches.SpreadError, match="size"):
        host_batches.batches(["x"], {"x": at()}, size=size)


def test_a_host_that_is_not_known_is_refused():
    with pytest.raises(host_batches.SpreadError, match="'y'"):
        host_batches.sort_by_rack(["y"], {"x": at()})
