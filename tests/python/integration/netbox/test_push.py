"""Push of clusters and machines: under one tag, twice the same, and nothing else touched."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from controller.model import registry
from controller.model.compute import COMPUTE, Compute
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.cli.conftest import Shell
from tests.python.integration.netbox.conftest import MAPPING
from tests.python.integration.netbox.standin import StandIn

MACHINES, MACS = "virtualization/virtual-machines", "dcim/mac-addresses"
BASE = """
[{"kind": "Region", "name": "kanto"}, {"kind": "Datacenter", "name": "tokyo"},
 {"kind": "Cluster", "name": "tokyo1", "spec": {"region": "kanto", "datacenter": "tokyo"}}]
"""


def _compute(index: int, state: str = "Running") -> Compute:
    """As the root controller writes it."""
    return Compute.model_validate(
        {
            "name": f"web-{index}",
            "region": "kanto",
            "state": state,
            "spec": {
                "service": "web",
                "index": index,
                "host_name": f"web-{index}.default.kanto",
                "cluster": "tokyo1",
                "provider": "libvirt",
                "sizes": {"vcpus": 2, "memory_mib": 512, "disk_gib": 3},
                "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
                "interfaces": [
                    {
                        "network": "service",
                        "address": f"172.16.10.{10 + index}",
                        "prefix_length": 24,
                        "gateway": "172.16.10.1",
                        "mac": f"52:54:ac:10:0a:{10 + index:02x}",
                    }
                ],
            },
        }
    )


@pytest.fixture
def machines(ops: Shell, db: Database) -> Shell:
    """A cluster with three machines."""
    ops.ok("apply", "-f", "-", stdin=BASE)
    db.write(lambda tx: resources.insert(tx, [_compute(index) for index in range(3)]))
    return ops


@pytest.mark.design("N4")
def test_push_makes_cluster_machines_interfaces_and_addresses_once(
    machines: Shell, netbox: StandIn, mapping: str
) -> None:
    before = copy.deepcopy(netbox.lists)
    assert "13 to create" in machines.ok("netbox", "push", "-m", mapping, "--dry-run")
    assert not netbox.writes
    machines.ok("netbox", "push", "-m", mapping)
    machine = netbox.find(MACHINES, name="web-1.default.kanto")
    assert (machine["status"]["value"], machine["memory"], machine["vcpus"]) == ("active", 512, 2.0)
    assert machine["cluster"]["name"] == "tokyo1"
    assert [tag["slug"] for tag in machine["tags"]] == ["resource-service"]
    address = netbox.find("ipam/ip-addresses", address="172.16.10.11/24")
    assert machine["primary_ip4"]["id"] == address["id"]
    port = netbox.lists["virtualization/interfaces"][address["assigned_object_id"]]
    assert (port["name"], port["virtual_machine"]["id"]) == ("eth0", machine["id"])
    mac = netbox.find(MACS, mac_address="52:54:AC:10:0A:0B")
    assert (mac["assigned_object_type"], mac["assigned_object_id"]) == ("virtualization.vminterface", port["id"])
    assert [tag["slug"] for tag in mac["tags"]] == ["resource-service"]
    assert port["primary_mac_address"]["id"] == mac["id"]
    netbox.writes.clear()
    assert "0 to create, 0 to update, 0 to delete" in machines.ok("netbox", "push", "-m", mapping)
    assert not netbox.writes
    for path, items in before.items():
        assert items.items() <= netbox.lists[path].items(), f"{path}: what was there has changed"


@pytest.mark.design("N4")
def test_push_follows_status_and_takes_away_what_is_gone(
    machines: Shell, db: Database, netbox: StandIn, mapping: str
) -> None:
    machines.ok("netbox", "push", "-m", mapping)

    def change(tx: Any) -> None:
        stored = {one.name: one for one in resources.list_all(tx, COMPUTE)}
        resources.update(tx, [stored["web-0"].model_copy(update={"state": "Stopped"})])
        resources.delete(tx, [_key("web-2")])

    db.write(change)
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "0 to create, 1 to update, 4 to delete" in told
    assert "status: active -> offline" in told
    assert netbox.find(MACHINES, name="web-0.default.kanto")["status"]["value"] == "offline"
    names = {one["name"] for one in netbox.lists[MACHINES].values()}
    assert names == {"web-0.default.kanto", "web-1.default.kanto"}
    assert "172.16.10.12/24" not in {one["address"] for one in netbox.lists["ipam/ip-addresses"].values()}


@pytest.mark.design("N4")
def test_what_has_not_our_tag_is_left_and_told(machines: Shell, db: Database, netbox: StandIn, mapping: str) -> None:
    machines.ok("netbox", "push", "-m", mapping, "--dry-run")
    address = netbox.add("ipam/ip-addresses", address="172.16.10.11/24", status="reserved", dns_name="theirs")
    machines.ok("netbox", "push", "-m", mapping)
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "left as it is: ipam/ip-addresses tokyo1/web-1.default.kanto/eth0/172.16.10.11/24" in told
    assert (address["status"]["value"], address["dns_name"]) == ("reserved", "theirs")
    theirs = netbox.find(MACHINES, name="web-2.default.kanto")
    netbox.add("virtualization/interfaces", name="backup", virtual_machine=theirs["id"])
    db.write(lambda tx: resources.delete(tx, [_key("web-2")]))
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "left as it is: tokyo1/web-2.default.kanto is wanted no longer, but holds what has not our tag" in told
    assert netbox.find(MACHINES, name="web-2.default.kanto") is theirs


@pytest.mark.design("N4")
def test_a_cluster_of_somebody_else_is_left_with_all_that_would_be_in_it(
    machines: Shell, netbox: StandIn, mapping: str
) -> None:
    kind = netbox.add("virtualization/cluster-types", name="vmware", slug="vmware")
    netbox.add("virtualization/clusters", name="tokyo1", type=kind["id"], status="active")
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "left as it is: virtualization/clusters tokyo1" in told
    assert "0 to create, 0 to update, 0 to delete" in told
    assert not netbox.writes


@pytest.mark.design("N4")
def test_a_new_mac_takes_the_place_of_the_old_one_and_theirs_stays(
    machines: Shell, db: Database, netbox: StandIn, mapping: str
) -> None:
    machines.ok("netbox", "push", "-m", mapping)
    port = netbox.lists["virtualization/interfaces"][
        netbox.find(MACS, mac_address="52:54:AC:10:0A:0A")["assigned_object_id"]
    ]
    place = {"assigned_object_type": "virtualization.vminterface", "assigned_object_id": port["id"]}
    theirs = netbox.add(MACS, mac_address="52:54:00:00:00:99", **place)

    def change(tx: Any) -> None:
        (stored,) = [one for one in resources.list_all(tx, COMPUTE) if one.name == "web-0"]
        interfaces = [stored.spec.interfaces[0].model_copy(update={"mac": "52:54:00:00:00:77"})]
        spec = stored.spec.model_copy(update={"interfaces": tuple(interfaces)})
        resources.update(tx, [stored.model_copy(update={"spec": spec})])

    db.write(change)
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "1 to create, 0 to update, 1 to delete, 1 primary MAC addresses" in told
    assert port["primary_mac_address"]["mac_address"] == "52:54:00:00:00:77"
    assert {one["mac_address"] for one in netbox.lists[MACS].values() if one["assigned_object_id"] == port["id"]} == {
        "52:54:00:00:00:77",
        "52:54:00:00:00:99",
    }
    assert netbox.lists[MACS][theirs["id"]]["tags"] == []
    netbox.writes.clear()
    assert "0 to create, 0 to update, 0 to delete" in machines.ok("netbox", "push", "-m", mapping)
    assert not netbox.writes


@pytest.mark.design("N4")
def test_a_mac_of_somebody_else_on_our_interface_is_left_and_told(
    machines: Shell, netbox: StandIn, mapping: str
) -> None:
    machines.ok("netbox", "push", "-m", mapping)
    mac = netbox.find(MACS, mac_address="52:54:AC:10:0A:0A")
    mac["tags"] = []
    netbox.lists["virtualization/interfaces"][mac["assigned_object_id"]]["primary_mac_address"] = None
    netbox.writes.clear()
    told = machines.ok("netbox", "push", "-m", mapping)
    assert f"left as it is: {MACS} tokyo1/web-0.default.kanto/eth0/52:54:AC:10:0A:0A is there without our tag" in told
    assert not netbox.writes


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("virtualization/virtual-disks", {"name": "scratch", "virtual_machine": "ID"}),
        (
            "ipam/services",
            {"name": "ssh", "parent_object_type": "virtualization.virtualmachine", "parent_object_id": "ID"},
        ),
    ],
)
def test_a_machine_stays_while_something_of_somebody_else_would_go_with_it(
    machines: Shell, db: Database, netbox: StandIn, mapping: str, path: str, fields: dict[str, Any]
) -> None:
    machines.ok("netbox", "push", "-m", mapping)
    number = netbox.find(MACHINES, name="web-2.default.kanto")["id"]
    theirs = netbox.add(path, **{key: number if value == "ID" else value for key, value in fields.items()})
    db.write(lambda tx: resources.delete(tx, [_key("web-2")]))
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "left as it is: tokyo1/web-2.default.kanto is wanted no longer, but holds what has not our tag" in told
    assert number in netbox.lists[MACHINES]
    assert netbox.lists[path][theirs["id"]] is theirs


@pytest.mark.design("N4")
def test_a_cluster_stays_while_devices_are_in_it(machines: Shell, netbox: StandIn, mapping: str) -> None:
    machines.ok("apply", "-f", "-", stdin=BASE.replace("tokyo1", "tokyo2"))
    machines.ok("netbox", "push", "-m", mapping)
    cluster = netbox.find("virtualization/clusters", name="tokyo1")
    device = next(iter(netbox.lists["dcim/devices"].values()))
    device["cluster"] = {"id": cluster["id"], "name": "tokyo1"}
    only = machines.write("only.yaml", MAPPING + "push: {clusters: [tokyo2]}\n")
    told = machines.ok("netbox", "push", "-m", only)
    assert "left as it is: tokyo1 is wanted no longer, but holds what has not our tag" in told
    assert netbox.find("virtualization/clusters", name="tokyo1") is cluster
    assert not netbox.lists[MACHINES]
    device["cluster"] = None
    machines.ok("netbox", "push", "-m", only)
    assert cluster["id"] not in netbox.lists["virtualization/clusters"]


@pytest.mark.design("N4")
def test_an_address_is_theirs_whatever_its_mask_but_not_in_a_vrf(
    machines: Shell, netbox: StandIn, mapping: str
) -> None:
    netbox.add("ipam/ip-addresses", address="172.16.10.11/32", status="reserved")
    netbox.add("ipam/ip-addresses", address="172.16.10.12/24", status="reserved", vrf={"id": 4, "name": "tenant"})
    told = machines.ok("netbox", "push", "-m", mapping)
    assert [line for line in told.splitlines() if line.startswith("left as it is")] == [
        "left as it is: ipam/ip-addresses tokyo1/web-1.default.kanto/eth0/172.16.10.11/24 is there without our tag"
    ]
    made = {one["address"] for one in netbox.lists["ipam/ip-addresses"].values() if one["tags"]}
    assert made == {"172.16.10.10/24", "172.16.10.12/24"}


@pytest.mark.design("N4")
def test_the_size_of_a_machine_with_disks_of_its_own_is_left(machines: Shell, netbox: StandIn, mapping: str) -> None:
    machines.ok("netbox", "push", "-m", mapping)
    netbox.find(MACHINES, name="web-0.default.kanto").update(disk=9000, virtual_disk_count=2)
    netbox.find(MACHINES, name="web-1.default.kanto").update(disk=9000, virtual_disk_count=0)
    told = machines.ok("netbox", "push", "-m", mapping)
    assert "0 to create, 1 to update" in told
    assert "tokyo1/web-1.default.kanto" in told


@pytest.mark.design("N4")
def test_an_api_without_clusters_takes_nothing_away(
    machines: Shell, db: Database, netbox: StandIn, mapping: str
) -> None:
    machines.ok("netbox", "push", "-m", mapping)
    netbox.writes.clear()

    def clear(tx: Any) -> None:
        resources.delete(tx, [_key(f"web-{index}") for index in range(3)])
        resources.delete(tx, [registry.get("Cluster").key("tokyo1")])

    db.write(clear)
    refused = machines.run("netbox", "push", "-m", mapping)
    assert refused.exit_code == 4
    assert (
        "the API shows no cluster: all that has the tag resource-service in NetBox would be deleted" in refused.output
    )
    assert not netbox.writes


@pytest.mark.design("N4")
def test_a_token_that_sees_some_projects_only_takes_no_machine_away(
    machines: Shell, url: str, netbox: StandIn, mapping: str
) -> None:
    machines.ok("netbox", "push", "-m", mapping)
    netbox.writes.clear()
    machines.ok("apply", "-f", "-", stdin='{"kind": "Project", "name": "blue"}')
    file = str(machines.folder / "blue.token")
    machines.ok("token", "create", "b", "--role", "operator", "--project", "blue", "--database", url, "--to-file", file)
    machines.environ["RESOURCE_TOKEN_FILE"] = file
    refused = machines.run("netbox", "push", "-m", mapping)
    assert (refused.exit_code, len(refused.output.splitlines())) == (4, 1)
    assert "a push needs a token for all projects" in refused.output
    assert not netbox.writes


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, {"detail": "You do not have permission to perform this action."}), "the token may not use"),
        ((500, {"error": "out of disk"}), "failed at ipam/ip-addresses: 500"),
        ((400, [{"address": ["Duplicate IP address found"]}]), "Duplicate IP address found"),
    ],
)
def test_a_push_that_fails_half_way_says_how_far_it_came_and_the_next_one_ends_it(
    machines: Shell, netbox: StandIn, mapping: str, answer: tuple[int, Any], said: str
) -> None:
    netbox.refused["create", "ipam/ip-addresses"] = answer
    failed = machines.run("netbox", "push", "-m", mapping)
    assert failed.exit_code != 0
    assert len(failed.output.splitlines()) == 1
    assert said in failed.output
    assert "10 of 19 objects were written before; another run writes the rest" in failed.output
    netbox.refused.clear()
    assert "3 to create, 0 to update, 0 to delete" in machines.ok("netbox", "push", "-m", mapping)
    netbox.writes.clear()
    assert "0 to create, 0 to update, 0 to delete" in machines.ok("netbox", "push", "-m", mapping)
    assert not netbox.writes


def _key(name: str) -> Any:
    return registry.get("Compute").key("kanto", name)
