"""Names that are unique in their scope only, objects that are skipped, and names that stay over pulls."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_sync import candidates, mapping
from inventory_sync.mapping import Names
from inventory_sync.netbox_reader import Snapshot
from inventory_sync.translation import Translation, translate
from tests.python.unit.netbox.seen import MAPPING, cable, device, interface, seen


def _translated(snapshot: Snapshot, more: str = "", stored: Any = ()) -> Translation:
    return translate(snapshot, mapping.parse(MAPPING + more), stored)


def _names(found: Translation, kind: str) -> dict[str, str]:
    """Return names by identity."""
    return {one["labels"].get("netbox-id", ""): one["name"] for one in found.documents if one["kind"] == kind}


def _location(number: int, slug: str, parent: int | None) -> dict[str, Any]:
    above = None if parent is None else {"id": parent}
    site = {"id": 1, "slug": "dc1"}
    return {"id": number, "name": slug, "slug": slug, "parent": above, "site": site, "custom_fields": {}, "tags": []}


def _rack(number: int, name: str | None, location: int, **more: Any) -> dict[str, Any]:
    place = {"site": {"id": 1, "slug": "dc1"}, "location": {"id": location}}
    return {"id": number, "name": name, **place, "u_height": 42, "custom_fields": {}, "tags": [], **more}


LOCATIONS = [_location(2, "floor-2", None), _location(1, "room-a", 2), _location(3, "room-b", 2)]


def test_racks_of_one_name_in_two_rooms_get_names_by_path() -> None:
    found = _translated(seen(locations=LOCATIONS, racks=[_rack(1, "R1", 1), _rack(5, "R1", 3)]))
    assert _names(found, "Rack") == {"rack-1": "r1", "rack-5": "room-b-r1"}
    assert not found.skipped


def test_a_name_stays_when_the_other_one_comes_goes_or_moves() -> None:
    one = seen(locations=LOCATIONS, racks=[_rack(5, "R1", 3)], devices=[])
    first = _translated(one)
    assert _names(first, "Rack") == {"rack-5": "r1"}
    both = seen(locations=LOCATIONS, racks=[_rack(1, "R1", 1), _rack(5, "R1", 3)], devices=[])
    second = _translated(both, stored=first.documents)
    assert _names(second, "Rack") == {"rack-5": "r1", "rack-1": "room-a-r1"}
    moved = seen(locations=LOCATIONS, racks=[_rack(1, "R1", 3)], devices=[])
    third = _translated(moved, stored=second.documents)
    assert _names(third, "Rack") == {"rack-1": "room-a-r1"}
    renamed = seen(locations=LOCATIONS, racks=[_rack(1, "R7", 3)], devices=[])
    assert _names(_translated(renamed, stored=second.documents), "Rack") == {"rack-1": "r7"}


def test_devices_of_two_tenants_feeds_of_two_panels_and_slugs_of_two_floors() -> None:
    devices = [device(1, "srv", "server"), device(2, "SRV", "server", position=9, tenant={"slug": "blue"})]
    panel: dict[str, Any] = {"site": {"id": 1, "slug": "dc1"}, "location": {"id": 1}, "tags": [], "custom_fields": {}}
    panels = [{**panel, "id": 1, "name": "P1"}, {**panel, "id": 2, "name": "P2"}]
    feeds: list[dict[str, Any]] = [
        {"id": n, "name": "A", "power_panel": {"id": n}, "tags": [], "custom_fields": {}} for n in (1, 2)
    ]
    floors = [*LOCATIONS, _location(7, "floor-3", None), _location(8, "room-a", 7)]
    found = _translated(
        seen(devices=devices, power_panels=panels, power_feeds=feeds, locations=floors), "floors: {level: leaf}\n"
    )
    names = _names(found, "PhysicalResource")
    assert (names["device-1"], names["device-2"]) == ("srv", "blue-srv")
    assert (names["power-feed-1"], names["power-feed-2"]) == ("a", "p2-a")
    assert {"room-a", "floor-3-room-a"} <= set(_names(found, "Floor").values())
    assert not found.skipped


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ("names: {templates: {rack: '{location} {name}'}}", ["room-a-r1", "room-b-r1"]),
        ("names: {overrides: {room-b/R1: right}}", ["r1", "right"]),
        ("names: {overrides: {netbox-id=rack-1: left}}", ["left", "r1"]),
    ],
)
def test_names_by_template_path_and_identity(rules: str, names: list[str]) -> None:
    found = _translated(seen(locations=LOCATIONS, racks=[_rack(1, "R1", 1), _rack(5, "R1", 3)]), rules)
    assert list(_names(found, "Rack").values()) == names


@pytest.mark.parametrize(
    ("given", "name"),
    [("Köln Süd", "koeln-sued"), ("Ko\u0308ln", "koeln"), ("Straße 1", "strasse-1"), ("サーバー 1", "saba-1")],
)
def test_letters_of_other_languages_stay_readable(given: str, name: str) -> None:
    assert candidates.translate(given, Names()) == name


@pytest.mark.parametrize("given", ["東京ラック", "ラック一号", "Ångström", "Łódź", "москва"])
def test_every_language_gives_a_name(given: str) -> None:
    name = candidates.translate(given, Names())
    assert name.isascii()
    assert len(name) > 3


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (device(9, "bad\x07", "server", position=20), "must not contain U+0007"),
        (device(9, "x" * 64, "server", position=20), "gives no valid name"),
        (device(9, "bad", "server", position=0.3), "spec.position"),
        (device(9, "bad", "server", position="top"), "has a value that cannot be used"),
        (device(9, "bad", "server", device_type=None), "has no device type"),
        ({**device(9, "bad", "server"), "role": None}, "has no role"),
        (device(9, "bad", "server", site=None), "has no site"),
        (device(9, "bad", "server", rack={"id": 5}), "its rack dc1 (id 5) is skipped"),
    ],
)
def test_a_bad_object_is_skipped_with_its_reason_and_the_others_are_not(bad: dict[str, Any], said: str) -> None:
    devices = [*seen()["devices"], bad]
    racks = [_rack(1, "R1", 1), _rack(5, None, 1, site={"id": 1, "slug": "dc1"})]
    cables = [
        cable(("interface", 9, "eno1"), ("interface", 2, "p1")),
        cable(("interface", 1, "e"), ("interface", 2, "p")),
    ]
    found = _translated(seen(devices=[dict(one) for one in devices], racks=racks, cables=cables))
    skipped = {one.identity: str(one) for one in found.skipped}
    assert said in skipped["device-9"]
    assert "has no name" in skipped["rack-5"]
    assert {"srv", "leaf", "pdu-a"} == set(_names(found, "PhysicalResource").values())
    (server,) = [one for one in found.documents if one["name"] == "srv"]
    assert [link["peer"] for link in server["spec"]["network_links"]] == ["leaf"]


def test_a_skipped_device_that_the_inventory_has_keeps_its_cables() -> None:
    cables = [cable(("interface", 1, "eno1"), ("interface", 2, "p1"))]
    good = _translated(seen(cables=cables))
    devices = [device(1, "srv", "server"), device(2, "leaf", "leaf", position=0.3), device(3, "pdu-a", "pdu")]
    found = _translated(seen(cables=cables, devices=devices), stored=good.documents)
    assert [one.identity for one in found.skipped] == ["device-2"]
    (server,) = [one for one in found.documents if one["name"] == "srv"]
    assert [link["peer"] for link in server["spec"]["network_links"]] == ["leaf"]


def test_an_address_is_unique_in_its_vrf_and_twins_in_one_are_reported() -> None:
    def address(number: int, on: int, vrf: str | None) -> dict[str, Any]:
        holder = {"assigned_object_type": "dcim.interface", "assigned_object_id": on}
        inside = None if vrf is None else {"id": len(vrf), "name": vrf}
        return {"id": number, "address": "10.0.0.5/24", "family": {"value": 4}, "vrf": inside, "tags": [], **holder}

    devices = [device(n, f"srv{n}", "server", position=n) for n in (1, 2, 3)]
    ports = [{**interface(n, n, "eno1"), "mac_address": None} for n in (1, 2, 3)]
    addresses = [address(1, 1, "red"), address(2, 2, "green"), address(3, 3, "green")]
    found = _translated(seen(devices=devices, interfaces=ports, ip_addresses=addresses))
    spec = {one["name"]: one["spec"]["ports"][0] for one in found.documents if one["kind"] == "PhysicalResource"}
    assert (spec["srv1"]["network"], spec["srv2"]["network"]) == ("red", "green")
    assert spec["srv3"]["address"] is None
    (skipped,) = map(str, found.skipped)
    assert "interface eno1" in skipped
    assert "(id 3)" in skipped


def test_a_duplicate_address_belongs_to_its_oldest_owner_whatever_else_its_port_has() -> None:
    def address(number: int, at: str, on: int) -> dict[str, Any]:
        holder = {"assigned_object_type": "dcim.interface", "assigned_object_id": on}
        return {"id": number, "address": at, "family": {"value": 4}, "vrf": None, "tags": [], **holder}

    devices = [device(n, f"srv{n}", "server", position=n) for n in (1, 2)]
    ports = [{**interface(n, n, "eno1"), "mac_address": None} for n in (1, 2)]
    addresses = [address(1, "10.0.0.1/24", 2), address(2, "10.0.0.5/24", 1), address(3, "10.0.0.5/24", 2)]
    found = _translated(seen(devices=devices, interfaces=ports, ip_addresses=addresses))
    spec = {one["name"]: one["spec"]["ports"][0] for one in found.documents if one["kind"] == "PhysicalResource"}
    assert (spec["srv1"]["address"], spec["srv2"]["address"]) == ("10.0.0.5", "10.0.0.1")
    assert "secondary_addresses" not in spec["srv2"]
    assert [one.identity for one in found.skipped] == ["ip-address-3"]


def test_a_prefix_in_two_vrfs_becomes_two_networks_and_one_vrf_can_be_chosen() -> None:
    def prefix(number: int, vrf: str | None) -> dict[str, Any]:
        inside = None if vrf is None else {"id": number, "name": vrf}
        one = {"id": number, "prefix": "10.0.0.0/24", "family": {"value": 4}, "vrf": inside, "vlan": None, "role": None}
        return {**one, "tags": [], "custom_fields": {}}

    prefixes = [prefix(1, None), prefix(2, "Red"), prefix(3, "Blue")]
    found = _translated(seen(prefixes=prefixes), "networks: [{prefix: 10.0.0.0/24, cluster: c1}]\n")
    assert list(_names(found, "NetworkV4").values()) == ["10-0-0-0-24", "blue-10-0-0-0-24", "red-10-0-0-0-24"]
    rule = "networks: [{prefix: 10.0.0.0/24, vrf: Red, cluster: c1}]\n"
    assert set(_names(_translated(seen(prefixes=prefixes), rule), "NetworkV4")) == {"prefix-2"}


@pytest.mark.design("N4")
def test_a_copy_with_the_labels_of_a_resource_does_not_take_its_place() -> None:
    """A user makes a rack from the output of another one, with all of its labels."""
    racks = [_rack(1, "R1", 1), _rack(5, "R1", 3)]
    first = _translated(seen(locations=LOCATIONS, racks=racks))
    name = _names(first, "Rack")["rack-5"]
    (original,) = [one for one in first.documents if one["kind"] == "Rack" and one["name"] == name]
    copy = {**original, "name": "spare", "resource_version": 99}
    found = _translated(seen(locations=LOCATIONS, racks=racks), stored=[*first.documents, copy])
    assert _names(found, "Rack")["rack-5"] == name
