"""Pull from the recorded NetBox into the real API, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_sync import netbox_reader
from tests.python.integration.cli.conftest import Shell
from tests.python.integration.netbox.conftest import MAPPING
from tests.python.integration.netbox.standin import StandIn


def _version(ops: Shell) -> int:
    documents = json.loads(ops.ok("get", "physical-resources", "-o", "json"))
    return max((one["resource_version"] for one in documents), default=0)


@pytest.mark.design("N4", "G3")
def test_pull_makes_places_devices_links_and_ports(ops: Shell, mapping: str) -> None:
    """
    ::

        panel DC1-Room 1A-A -- feed R001-A -- dc1-r001-pdu-a (Inlet), Outlet 1 -- dc1-r001-srv01 (PS1)
        dc1-r001-srv01 (eno1) -- dc1-r001-tor-a (Ethernet1)
    """
    ops.ok("netbox", "pull", "-m", mapping)
    server = json.loads(ops.ok("get", "physical-resource", "dc1/dc1-r001-srv01", "-o", "json"))
    assert server["labels"]["source"] == "netbox"
    spec = server["spec"]
    assert (spec["role"], spec["rack"], spec["serial"]) == ("Server", "r001", "SN00000005")
    assert {(link["peer"], link["port"], link["peer_port"]) for link in spec["network_links"]} == {
        ("dc1-r001-tor-a", "eno1", "Ethernet1"),
        ("dc1-r001-tor-b", "eno2", "Ethernet1"),
    }
    assert {(link["source"], link["inlet"], link["outlet"]) for link in spec["power_links"]} == {
        ("dc1-r001-pdu-a", "PS1", "Outlet 1"),
        ("dc1-r001-pdu-b", "PS2", "Outlet 1"),
    }
    ports = {port["name"]: port for port in spec["ports"]}
    assert ports["eno1"]["address"] == "10.0.0.2"
    assert ports["eno1"]["network"] == "dc1-data"
    pdu = json.loads(ops.ok("get", "physical-resource", "dc1/dc1-r001-pdu-a", "-o", "json"))
    assert [link["source"] for link in pdu["spec"]["power_links"]] == ["r001-a"]
    feed = json.loads(ops.ok("get", "physical-resource", "dc1/r001-a", "-o", "json"))
    assert [link["source"] for link in feed["spec"]["power_links"]] == ["panel-1a-a"]
    assert (feed["spec"]["role"], feed["spec"]["floor"]) == ("PowerFeed", "dc1-floor-1")
    rack = json.loads(ops.ok("get", "rack", "dc1/r001", "-o", "json"))
    assert (rack["spec"]["floor"], rack["spec"]["height_units"]) == ("dc1-floor-1", 42)
    floor = json.loads(ops.ok("get", "floor", "dc2/dc2-floor-3", "-o", "json"))
    assert floor["spec"]["storey"] == 3
    assert "germany" in ops.ok("get", "regions", "-o", "name")
    model = json.loads(ops.ok("get", "physical-model", "arista-dcs-7050sx3-48yc8", "-o", "json"))
    assert (model["spec"]["vendor"], model["spec"]["height_units"], model["spec"]["cpus"]) == ("Arista", 1, 4)


@pytest.mark.design("N4")
def test_impact_of_a_pulled_pdu_is_known(ops: Shell, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    told = ops.ok("impact", "pdu", "dc1/dc1-r001-pdu-a")
    assert "dc1-r001" in told


@pytest.mark.design("N4")
def test_second_pull_writes_nothing_and_a_change_is_one_change(ops: Shell, netbox: StandIn, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    before = _version(ops)
    again = ops.ok("netbox", "pull", "-m", mapping)
    assert "0 differ" in again
    assert _version(ops) == before
    netbox.find("dcim/devices", name="dc1-r001-srv01")["serial"] = "SN-NEW"
    diff = ops.run("netbox", "diff", "-m", mapping, "--exit-code")
    assert diff.exit_code == 7
    assert '    spec.serial: "SN00000005" -> "SN-NEW"' in diff.stdout.splitlines()
    assert _version(ops) == before
    told = ops.ok("netbox", "pull", "-m", mapping)
    assert "1 updated" in told
    assert not netbox.writes


@pytest.mark.design("N4")
def test_dry_run_changes_nothing_on_an_empty_site(ops: Shell, mapping: str) -> None:
    told = ops.ok("netbox", "pull", "-m", mapping, "--dry-run")
    assert "+ PhysicalResource dc1/dc1-r001-srv01" in told
    assert _version(ops) == 0


@pytest.mark.design("N4")
def test_labels_and_fields_that_netbox_does_not_speak_of_stay(ops: Shell, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    rack = json.loads(ops.ok("get", "rack", "dc1/r001", "-o", "json"))
    rack["labels"]["team"] = "blue"
    rack["spec"]["row"] = 7
    ops.ok("apply", "-f", "-", stdin=json.dumps(rack))
    assert "0 differ" in ops.ok("netbox", "pull", "-m", mapping)
    rack = json.loads(ops.ok("get", "rack", "dc1/r001", "-o", "json"))
    assert (rack["labels"]["team"], rack["spec"]["row"]) == ("blue", 7)


@pytest.mark.design("N4")
def test_what_is_gone_is_told_and_removed_when_asked_but_no_node(ops: Shell, netbox: StandIn, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    cluster = '{"kind": "Cluster", "name": "c1", "spec": {"region": "germany", "datacenter": "dc1"}}'
    node = '{"kind": "Node", "name": "n1", "cluster": "c1", "spec": {"physical_resource": "dc1-r001-srv01"}}'
    by_hand = '{"kind": "PhysicalResource", "name": "mine", "datacenter": "dc1", "spec": {"role": "Other"}}'
    ops.ok("apply", "-f", "-", stdin=f"[{cluster}, {node}, {by_hand}]")
    for name in ("dc1-r001-srv01", "dc1-r001-srv02"):
        netbox.drop("dcim/devices", name=name)
    told = ops.ok("netbox", "pull", "-m", mapping)
    assert "no longer in NetBox: PhysicalResource dc1/dc1-r001-srv02, deleted with --remove" in told
    assert "dc1-r001-srv02" in ops.ok("get", "physical-resources", "-o", "name")
    told = ops.ok("netbox", "pull", "-m", mapping, "--remove")
    assert "no longer in NetBox: PhysicalResource dc1/dc1-r001-srv02, removed" in told
    assert "PhysicalResource dc1/dc1-r001-srv01, kept:" in told
    assert "Node c1/n1" in told
    left = ops.ok("get", "physical-resources", "-o", "name").splitlines()
    assert "physical_resource/dc1/dc1-r001-srv01" in left
    assert "physical_resource/dc1/mine" in left
    assert "physical_resource/dc1/dc1-r001-srv02" not in left


@pytest.mark.design("N4")
def test_what_another_made_is_not_taken_over_unless_told(ops: Shell, mapping: str) -> None:
    ops.ok("apply", "-f", "-", stdin='{"kind": "Region", "name": "germany", "spec": {"description": "ours"}}')
    refused = ops.run("netbox", "pull", "-m", mapping)
    assert refused.exit_code == 4
    assert "--adopt" in refused.output
    assert "Region germany" in refused.output
    assert "dc1" not in ops.ok("get", "datacenters", "-o", "name")
    ops.ok("netbox", "pull", "-m", mapping, "--adopt")
    assert "0 differ" in ops.ok("netbox", "pull", "-m", mapping)


@pytest.mark.design("N4")
def test_prefixes_become_networks_of_a_cluster(ops: Shell, netbox: StandIn, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    cluster = '{"kind": "Cluster", "name": "c1", "spec": {"region": "germany", "datacenter": "dc1"}}'
    ops.ok("apply", "-f", "-", stdin=cluster)
    rule = "networks: [{prefix: 10.0.1.0/24, cluster: c1}]\n"
    netbox.add("ipam/ip-addresses", address="10.0.1.20/24", status="active")
    ops.write("netbox.yaml", MAPPING + rule)
    partial = ops.run("netbox", "pull", "-m", mapping)
    assert partial.exit_code == 8
    assert "holds 1 addresses that NetBox gives to others: 10.0.1.20/24" in partial.output
    netbox.drop("ipam/ip-addresses", address="10.0.1.20/24")
    ops.ok("netbox", "pull", "-m", mapping)
    (network,) = json.loads(ops.ok("get", "networks", "-o", "json"))
    assert network["spec"]["subnet"] == "10.0.1.0/24"
    assert network["spec"]["start_address"] == "10.0.1.10"


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("roles: {server: Server,", "roles: {server: Servant,"), "mapping.roles.server"),
        (("storage: Server,", ""), "mapping.roles.storage: is not named, and 6 devices have it"),
        (("spine-switch: skip", "no-such: skip"), "mapping.roles.no-such: NetBox has no such slug"),
        (("level: top", "level: tip"), "mapping.floors.level"),
        (("labels:", "lables:"), "mapping.lables: unknown field"),
    ],
)
def test_bad_mapping_is_one_error_with_its_path_and_changes_nothing(
    ops: Shell, mapping: str, change: tuple[str, str], said: str
) -> None:
    assert change[0] in MAPPING
    ops.write("netbox.yaml", MAPPING.replace(*change))
    refused = ops.run("netbox", "pull", "-m", mapping)
    assert refused.exit_code == 5
    assert said in refused.output
    assert _version(ops) == 0


@pytest.mark.design("N4")
def test_two_sources_of_one_name_get_two_names_that_stay(ops: Shell, netbox: StandIn, mapping: str) -> None:
    netbox.find("dcim/devices", name="dc1-r001-srv02")["name"] = "DC1_R001_SRV01"
    ops.ok("netbox", "pull", "-m", mapping)
    first = json.loads(ops.ok("get", "physical-resource", "dc1/dc1-r001-srv01", "-o", "json"))
    assert first["labels"]["netbox-id"] == "device-5"
    (second,) = json.loads(ops.ok("get", "physical-resources", "-l", "netbox-id=device-6", "-o", "json"))
    assert second["name"].endswith("-dc1-r001-srv01")
    netbox.drop("dcim/devices", name="dc1-r001-srv01")
    told = ops.ok("netbox", "pull", "-m", mapping)
    assert "no longer in NetBox: PhysicalResource dc1/dc1-r001-srv01," in told


@pytest.mark.design("N4")
def test_after_an_upgrade_a_skipped_device_is_not_removed(ops: Shell, netbox: StandIn, mapping: str) -> None:
    """The version before gave no identities, and the position of a device is refused now."""
    ops.ok("netbox", "pull", "-m", mapping)
    for kind in ("racks", "physical-resources", "floors", "datacenters", "regions", "physical-models"):
        documents = json.loads(ops.ok("get", kind, "-o", "json"))
        for one in documents:
            one["labels"].pop("netbox-id", None)
            one["labels"].pop("netbox-name", None)
        ops.ok("apply", "-f", "-", stdin=json.dumps(documents))
    before = ops.ok("get", "physical-resources", "-o", "name")
    netbox.find("dcim/devices", name="dc1-r001-srv01")["position"] = 77.0
    partial = ops.run("netbox", "pull", "-m", mapping, "--remove")
    assert partial.exit_code == 8, partial.output
    assert "skipped: " in partial.output
    assert "kept: PhysicalResource dc1/dc1-r001-srv01: it has no netbox-id" in partial.output
    assert ops.ok("get", "physical-resources", "-o", "name") == before
    netbox.find("dcim/devices", name="dc1-r001-srv01")["position"] = None
    ops.ok("netbox", "pull", "-m", mapping, "--remove")
    server = json.loads(ops.ok("get", "physical-resource", "dc1/dc1-r001-srv01", "-o", "json"))
    assert server["labels"]["netbox-id"] == "device-5"
    assert "0 differ" in ops.ok("netbox", "pull", "-m", mapping)


@pytest.mark.design("N4")
def test_another_netbox_neither_changes_nor_removes_what_is_there(ops: Shell, netbox: StandIn, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    version = _version(ops)
    ops.write("netbox.yaml", MAPPING + "instance: other\n")
    refused = ops.run("netbox", "pull", "-m", mapping, "--remove", "--remove-limit", "100")
    assert refused.exit_code == 4
    assert "from other, but from 127.0.0.1-" in refused.output
    assert _version(ops) == version
    ops.ok("netbox", "pull", "-m", mapping, "--adopt")
    assert "0 differ" in ops.ok("netbox", "pull", "-m", mapping)


@pytest.mark.design("N4")
def test_wrong_token_and_netbox_away_are_one_message(ops: Shell, netbox: StandIn, mapping: str) -> None:
    ops.environ["NETBOX_TOKEN"] = "nbt_abcdefghijkl." + "x" * 40
    refused = ops.run("netbox", "pull", "-m", mapping)
    assert (refused.exit_code, len(refused.output.splitlines())) == (4, 1)
    assert "refused the token" in refused.output
    ops.environ["NETBOX_URL"] = "http://127.0.0.1:9"
    away = ops.run("netbox", "pull", "-m", mapping)
    assert (away.exit_code, len(away.output.splitlines())) == (6, 1)
    assert "NetBox at http://127.0.0.1:9 cannot be reached: Failed to establish a new connection" in away.output
    ops.environ["NETBOX_TOKEN"] = None
    assert ops.run("netbox", "pull", "-m", mapping).exit_code == 2


@pytest.mark.design("N4")
@pytest.mark.parametrize("content", [b"secret one\nsecret two", "secret\u20ac".encode(), b"secret\xff"])
def test_a_file_that_holds_no_token_is_told_without_showing_it(ops: Shell, mapping: str, content: bytes) -> None:
    file = ops.folder / "netbox.token"
    file.write_bytes(content)
    refused = ops.run("netbox", "pull", "-m", mapping, "--netbox-token-file", str(file))
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert str(file) in refused.output
    assert "secret" not in refused.output


@pytest.mark.design("N4")
def test_a_renamed_device_takes_its_addresses_along(ops: Shell, netbox: StandIn, mapping: str) -> None:
    """The old one is still there when the new one is written, and an address is one port's only."""
    ops.ok("netbox", "pull", "-m", mapping)
    netbox.find("dcim/devices", name="dc1-r001-srv01")["name"] = "fresh"
    told = ops.ok("netbox", "pull", "-m", mapping)
    assert "no longer in NetBox: PhysicalResource dc1/dc1-r001-srv01, deleted with --remove" in told
    fresh, old = (
        json.loads(ops.ok("get", "physical-resource", f"dc1/{name}", "-o", "json"))["spec"]["ports"]
        for name in ("fresh", "dc1-r001-srv01")
    )
    assert {port["name"]: port["address"] for port in fresh}["eno1"] == "10.0.0.2"
    assert {port["name"]: port["address"] for port in old}["eno1"] is None
    assert "0 differ" in ops.ok("netbox", "pull", "-m", mapping)


def test_a_token_that_sees_nothing_removes_nothing(ops: Shell, netbox: StandIn, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    for items in netbox.lists.values():
        items.clear()
    refused = ops.run("netbox", "pull", "-m", mapping, "--remove")
    assert refused.exit_code == 5
    assert "shows no site" in refused.output
    assert _version(ops) > 0


@pytest.mark.design("N4")
def test_a_token_that_sees_a_part_removes_nothing_unless_told(ops: Shell, netbox: StandIn, mapping: str) -> None:
    """Object permissions make NetBox answer with shorter lists, each consistent with the others."""
    ops.ok("netbox", "pull", "-m", mapping)
    before = ops.ok("get", "physical-resources", "-o", "name")
    version = _version(ops)
    for part in ("dcim/devices", "dcim/cables", "dcim/racks", "dcim/interfaces", "ipam/ip-addresses"):
        netbox.lists[part].clear()
    refused = ops.run("netbox", "pull", "-m", mapping, "--remove")
    assert refused.exit_code == 2
    assert "more than --remove-limit (50 %)" in refused.output
    assert ops.run("netbox", "pull", "-m", mapping, "--remove", "--dry-run").exit_code == 2
    assert ops.run("netbox", "pull", "-m", mapping, "--remove", "--remove-limit", "101").exit_code == 2
    assert _version(ops) == version
    assert ops.ok("get", "physical-resources", "-o", "name") == before
    partial = ops.run("netbox", "pull", "-m", mapping, "--remove", "--remove-limit", "100")
    assert partial.exit_code == 8  # power feeds still refer to the racks, which therefore exist
    assert len(ops.ok("get", "physical-resources", "-o", "name")) < len(before)
    assert "dc1/r001" in ops.ok("get", "racks", "-o", "name")


@pytest.mark.design("N4")
def test_the_limit_counts_for_each_kind(ops: Shell, netbox: StandIn, mapping: str) -> None:
    """Few in comparison with everything, and more than half of their kind."""
    racks = netbox.lists["dcim/racks"]
    for number in range(900, 960):
        racks[number] = {**netbox.find("dcim/racks", name="R001"), "id": number, "name": f"X{number}"}
    ops.ok("netbox", "pull", "-m", mapping)
    everything = sum(len(ops.ok("get", kind, "-o", "name").splitlines()) for kind in ("racks", "physical-resources"))
    going = range(900, 900 + everything // 2 - 1)
    for number in going:
        racks.pop(number, None)
    refused = ops.run("netbox", "pull", "-m", mapping, "--remove")
    assert refused.exit_code == 2
    assert "Racks that pulls created" in refused.output
    assert "dc1/x900" in ops.ok("get", "racks", "-o", "name")


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("bare", "said"),
    [(True, "which exists"), (False, "NetBox refers to it and does not list it")],
    ids=["bare", "used"],
)
def test_what_slips_between_two_pages_is_not_deleted(
    ops: Shell, netbox: StandIn, mapping: str, monkeypatch: pytest.MonkeyPatch, bare: bool, said: str
) -> None:
    """One device is deleted and one is created while the pages are read: the number of devices stays the same.

    The interfaces and cables of a device that has some show that it exists.
    """
    devices = netbox.lists["dcim/devices"]
    if bare:
        devices[9998] = {**devices[max(devices)], "id": 9998, "name": "bare", "position": None}
    ops.ok("netbox", "pull", "-m", mapping)
    before = ops.ok("get", "physical-resources", "-o", "name")
    reading = netbox_reader.NetBox._read

    def slipping(netbox: netbox_reader.NetBox, path: str, filters: Mapping[str, Any]) -> Any:
        found, count = reading(netbox, path, filters)
        if path == "dcim/devices" and "id" not in filters:
            return [*found[:-1], {**found[-1], "id": 9999, "name": "new", "position": None}], count
        return found, count

    monkeypatch.setattr(netbox_reader.NetBox, "_read", slipping)
    for more in ((), ("--remove",), ("--remove", "--dry-run")):
        refused = ops.run("netbox", "pull", "-m", mapping, *more)
        assert refused.exit_code != 0
        assert said in refused.output
    left = ops.ok("get", "physical-resources", "-o", "name").splitlines()
    assert set(left) - set(before.splitlines()) == (set() if bare else {"physical_resource/dc2/new"})
    assert set(before.splitlines()) <= set(left)


@pytest.mark.design("N4")
def test_with_chosen_sites_what_the_others_hold_is_not_missed(ops: Shell, mapping: str) -> None:
    ops.ok("netbox", "pull", "-m", mapping)
    before = ops.ok("get", "floors", "-o", "name")
    assert "dc2/dc2-floor-3" in before
    chosen = ops.write("chosen.yaml", f"{MAPPING}sites: [dc1]\n")
    told = ops.ok("netbox", "pull", "-m", chosen, "--remove").splitlines()
    assert told[-1].endswith(" 0 no longer in NetBox")
    assert ops.ok("get", "floors", "-o", "name") == before


def _free_positions(devices: Iterable[dict[str, Any]], moved: dict[str, Any]) -> list[float]:
    """Return the positions that NetBox would accept for a device of 1 U: it refuses those that overlap another."""
    rack = moved["rack"]["id"]
    taken = [one["position"] for one in devices if one["position"] and one["rack"]["id"] == rack and one is not moved]
    return [half / 2 for half in range(2, 85) if all(abs(half / 2 - other) >= 1 for other in taken)]


@pytest.mark.design("N4")
@settings(max_examples=8)
@given(data=st.data())
def test_whatever_changes_in_netbox_the_second_pull_writes_nothing(
    ops: Shell, netbox: StandIn, mapping: str, data: st.DataObject
) -> None:
    """Devices are moved, renamed, given tags, lose their cables or go, and come back in any order."""
    netbox.lists = StandIn().lists
    devices = netbox.lists["dcim/devices"]
    for number in data.draw(st.sets(st.sampled_from(sorted(devices)), max_size=6)):
        device = devices[number]
        match data.draw(st.sampled_from(["serial", "position", "tags", "status", "name", "gone"])):
            case "serial":
                device["serial"] = data.draw(st.text("AZ09-", max_size=8))
            case "position":
                device["position"] = data.draw(st.sampled_from([None, *_free_positions(devices.values(), device)]))
            case "tags":
                device["tags"] = data.draw(st.sampled_from([[], [{"slug": "storage"}]]))
            case "status":
                device["status"] = {"value": data.draw(st.sampled_from(["active", "failed"])), "label": ""}
            case "name":
                device["name"] = f"renamed {number}"
            case "gone":
                netbox.delete("dcim/devices", number)
    cables = netbox.lists["dcim/cables"]
    for number in data.draw(st.sets(st.sampled_from(sorted(cables)), max_size=4)):
        del cables[number]
    ops.ok("netbox", "pull", "-m", mapping, "--remove")
    version = _version(ops)
    again = ops.ok("netbox", "pull", "-m", mapping, "--remove").splitlines()
    assert again[-1].startswith("0 differ")
    assert again[-1].endswith(" 0 no longer in NetBox")
    assert _version(ops) == version
