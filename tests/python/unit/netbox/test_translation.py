"""From NetBox's lists to documents: the mapping file, names, places, links."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import InvalidInput
from inventory_sync import candidates, mapping, naming
from inventory_sync.mapping import Labels, Names
from inventory_sync.netbox_reader import Snapshot
from inventory_sync.translation import Translation, translate
from tests.python.unit.netbox.seen import MAPPING, cable, device, interface, seen


def _translated(snapshot: Snapshot, more: str = "") -> Translation:
    return translate(snapshot, mapping.parse(MAPPING + more))


def _one(found: Translation, kind: str, name: str) -> dict[str, Any]:
    (one,) = [one for one in found.documents if (one["kind"], one["name"]) == (kind, name)]
    return one


def _paths(content: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        mapping.parse(content)
    return [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("{}", "mapping.roles"),
        ("roles: {a: Server}\nfloors: {number_pattern: '('}", "mapping.floors.number_pattern"),
        ("roles: {a: Server}\nnames: {overrides: {X: Not_A_Name}}", "mapping.names.overrides.X"),
        ("roles: {a: Server}\nlabels: {tags: {t: 'a b=c'}}", "mapping.labels.tags.t"),
        ("roles: {a: Server}\nnetworks: [{prefix: 10.0.0.0/24}]", "mapping.networks[0].cluster"),
        ("roles: {a: Server}\nnames: {replace: [{patern: x}]}", "mapping.names.replace[0].pattern"),
        ("roles: {a: Server}\npush: {devices: {up: on}}", "mapping.push.devices.up"),
        ("roles: {a: Server}\npush: {devices: {gone: active}}", "mapping.push.devices.gone"),
        ("roles: {a: Server}\npush: {devices: {}}\ndevices: {statuses: [active]}", "mapping.push.devices.down"),
        ("roles: {a: Server}\nnames: {replace: [{pattern: 'x', by: '\\1'}]}", "mapping.names.replace[0]"),
        ("- 1", "mapping"),
    ],
)
def test_a_bad_mapping_names_the_path(content: str, path: str) -> None:
    assert path in _paths(content)


def test_every_bad_field_is_told_at_once() -> None:
    assert set(_paths("roles: {a: No}\npush: {tag: 'A B'}")) >= {"mapping.push.tag"}


@pytest.mark.design("N4")
def test_places_are_folded_to_floors_and_half_units_go_down() -> None:
    found = _translated(seen(), "floors: {number_pattern: 'floor-(?P<storey>[0-9]+)'}\n")
    assert _one(found, "Floor", "floor-2")["spec"]["storey"] == 2
    assert [one["name"] for one in found.documents if one["kind"] == "Floor"] == ["floor-2"]
    assert _one(found, "Rack", "r1")["spec"] == {"floor": "floor-2", "height_units": 47}
    assert _one(found, "PhysicalResource", "srv")["spec"]["position"] == 3.5
    assert _one(found, "PhysicalModel", "m1")["spec"]["height_units"] == 0.5
    leaf = _translated(seen(), "floors: {level: leaf}\n")
    assert _one(leaf, "Rack", "r1")["spec"]["floor"] == "room-a"


@pytest.mark.design("N4")
def test_a_network_cable_is_held_by_the_end_farther_from_the_internet_whichever_side_it_is() -> None:
    there, back = ("interface", 1, "eno1"), ("interface", 2, "Ethernet1")
    for a, b in ((there, back), (back, there)):
        found = _translated(seen(cables=[cable(a, b)]))
        link = {"port": "eno1", "peer": "leaf", "peer_port": "Ethernet1"}
        assert _one(found, "PhysicalResource", "srv")["spec"]["network_links"] == [link]
        assert _one(found, "PhysicalResource", "leaf")["spec"]["network_links"] == []


@pytest.mark.design("N4")
def test_cords_and_what_is_left_out() -> None:
    cables = [
        cable(("poweroutlet", 3, "Outlet 1"), ("powerport", 1, "PS1")),
        cable(("interface", 1, "eno1"), ("frontport", 2, "1")),
        cable(("interface", 1, "eno2"), ("interface", 4, "x")),
        cable(("interface", 2, "Ethernet2"), ("interface", 5, "Ethernet2")),
    ]
    devices = [*seen()["devices"], device(4, "patch", "panel"), device(5, "leaf-b", "leaf")]
    found = _translated(seen(cables=cables, devices=[dict(one) for one in devices]))
    cord = {"inlet": "PS1", "source": "pdu-a", "outlet": "Outlet 1"}
    assert _one(found, "PhysicalResource", "srv")["spec"]["power_links"] == [cord]
    assert found.left_out == {
        "cables to patch panels that lead no further": 1,
        "cables to devices that were left out": 1,
        "cables between devices of one role": 1,
        "devices whose role is skipped": 1,
    }


def test_unknown_roles_are_counted_or_taken_as_the_default() -> None:
    devices = [device(1, "a", "extra"), device(2, "b", "extra")]
    with pytest.raises(InvalidInput, match=r"mapping\.roles\.extra: is not named, and 2 devices have it"):
        _translated(seen(devices=devices))
    found = _translated(seen(devices=devices), "default_role: Other\n")
    assert _one(found, "PhysicalResource", "a")["spec"]["role"] == "Other"


def test_a_device_of_a_type_that_was_not_shown_is_skipped() -> None:
    found = _translated(seen(devices=[device(1, "srv", "server", device_type={"id": 77}), device(2, "leaf", "leaf")]))
    (skipped,) = map(str, found.skipped)
    assert skipped.startswith("device srv (id 1): has a device type that NetBox did not show")
    assert _one(found, "PhysicalResource", "leaf")


def test_a_mapping_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "netbox.yaml"
    file.write_bytes(b"roles: {a: Server}\n# \xff")
    with pytest.raises(InvalidInput, match="must be UTF-8 text"):
        mapping.load(file)


def test_names_are_made_ours_and_twins_get_two_names() -> None:
    rules = Names.model_validate({"replace": [{"pattern": r"\.example\.net$"}], "overrides": {"Old One": "new"}})
    assert candidates.translate("SRV_01.example.net", rules) == "srv-01"
    assert candidates.translate("Old One", rules) == "new"
    found = _translated(seen(devices=[device(1, "A b", "server"), device(2, "a_B", "server")]))
    assert _one(found, "PhysicalResource", "a-b")["labels"]["netbox-id"] == "device-1"
    assert _one(found, "PhysicalResource", "room-a-a-b")["labels"]["netbox-id"] == "device-2"
    (skipped,) = _translated(seen(devices=[device(1, "---", "server")])).skipped
    assert "gives no valid name" in skipped.reason


def test_labels_come_from_tags_custom_fields_and_fields() -> None:
    rules = Labels.model_validate(
        {"tags": {"gold": "class=gold", "x": "x"}, "custom_fields": {"po": "order"}, "fields": {"status": "state"}}
    )
    item = {
        "tags": [{"slug": "gold"}, {"slug": "other"}],
        "custom_fields": {"po": "PO 12/3", "none": 1},
        "status": {"value": "active"},
    }
    found = naming.labels(item, rules, ("source", "netbox"))
    assert found == {"class": "gold", "order": "PO-12-3", "state": "active", "source": "netbox"}
    assert naming.owned(rules, ("source", "netbox")) == {"class", "x", "order", "state", "source"}


def test_a_port_has_its_primary_address_and_the_longest_prefix_around_it() -> None:
    def address(number: int, value: str) -> dict[str, Any]:
        holder = {"assigned_object_type": "dcim.interface", "assigned_object_id": 7}
        return {"id": number, "address": value, "family": {"value": 4}, "vrf": None, "tags": [], **holder}

    shared = {**address(3, "10.0.0.7/24"), "role": {"value": "vip"}}

    def prefix(value: str, vlan: str | None) -> dict[str, Any]:
        name = None if vlan is None else {"name": vlan}
        return {"id": 1, "prefix": value, "family": {"value": 4}, "vrf": None, "vlan": name, "role": None}

    found = _translated(
        seen(
            devices=[device(1, "srv", "server", primary_ip4={"id": 3})],
            interfaces=[interface(7, 1, "eno1")],
            ip_addresses=[address(1, "10.0.0.5/24"), address(2, "10.0.0.6/24"), shared],
            prefixes=[prefix("10.0.0.0/8", "wide"), prefix("10.0.0.0/24", "near")],
        )
    )
    (port,) = _one(found, "PhysicalResource", "srv")["spec"]["ports"]
    secondary = [{"network": "near", "address": "10.0.0.6"}]
    first = {"name": "eno1", "network": "near", "address": "10.0.0.5", "mac": "52:54:00:aa:00:01"}
    assert port == {**first, "secondary_addresses": secondary}
    kept = seen(
        devices=[device(1, "srv", "server", primary_ip4={"id": 2})],
        interfaces=[interface(7, 1, "eno1")],
        ip_addresses=[address(1, "10.0.0.5/24"), address(2, "10.0.0.6/24")],
    )
    (port,) = _one(_translated(kept), "PhysicalResource", "srv")["spec"]["ports"]
    assert (port["address"], port["network"]) == ("10.0.0.6", "")


@pytest.mark.design("N4")
@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 16))
def test_the_order_of_lists_makes_no_difference(seed: int) -> None:
    devices = [
        device(1, "srv", "server"),
        device(2, "leaf", "leaf"),
        device(3, "pdu-a", "pdu"),
        device(9, "s2", "server"),
    ]
    cables = [cable(("interface", holder, f"e{n}"), ("interface", 2, f"p{n}")) for n in range(3) for holder in (1, 9)]
    ports = [interface(n, holder, f"e{n}") for n in range(3) for holder in (1, 9)]
    wanted = _translated(seen(devices=devices, cables=cables, interfaces=ports))
    shuffle = random.Random(seed)
    mixed = [shuffle.sample(items, len(items)) for items in (devices, cables, ports)]
    found = _translated(seen(devices=mixed[0], cables=mixed[1], interfaces=mixed[2]))
    assert found.documents == wanted.documents
