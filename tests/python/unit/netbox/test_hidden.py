"""Objects that others refer to and no list has: they exist, and nothing that depends on them is moved or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from controller.client import Client
from inventory_sync import mapping, pull
from inventory_sync.translation import Translation, translate
from tests.python.unit.netbox.seen import MAPPING, cable, device, interface, seen
from tests.python.unit.netbox.test_stored_names import Planning

DEFAULT = MAPPING + "floors: {default: hall}\n"


def _translated(more: str = "", stored: Any = (), **lists: Sequence[Any]) -> Translation:
    snapshot = seen(**{name: list(items) for name, items in lists.items()})
    return translate(snapshot, mapping.parse(DEFAULT + more), stored)


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("hidden", "lost"),
    [
        ("racks", {"Rack", "PhysicalResource"}),
        ("locations", {"Rack", "Floor"}),
        ("device_types", {"PhysicalResource", "PhysicalModel"}),
    ],
)
def test_what_is_in_a_hidden_place_is_skipped_and_not_moved(hidden: str, lost: set[str]) -> None:
    whole = _translated()
    part = translate(seen(**{hidden: []}), mapping.parse(DEFAULT), whole.documents)
    assert {one["kind"] for one in whole.documents} - {one["kind"] for one in part.documents} == lost
    protected = {one.identity for one in part.skipped}
    assert {one["labels"]["netbox-id"] for one in whole.documents if one["kind"] in lost} - {"location-2"} <= protected


@pytest.mark.design("N4")
def test_a_room_in_a_hidden_floor_does_not_become_a_floor() -> None:
    found = _translated(locations=[one for one in seen()["locations"] if one["id"] == 1])
    assert not [one for one in found.documents if one["kind"] == "Floor"]
    assert {"location-1", "location-2"} <= {one.identity for one in found.skipped}


@pytest.mark.design("N4")
def test_a_device_of_a_hidden_site_is_skipped_and_not_left_out() -> None:
    other = device(9, "far", "server", site={"id": 7, "slug": "dc7"}, rack=None, location=None)
    found = _translated(devices=[*seen()["devices"], other])
    assert {"site-7", "device-9"} <= {one.identity for one in found.skipped}
    chosen = _translated("sites: [dc1]\n", devices=[*seen()["devices"], other])
    assert not chosen.skipped


_SITE = {"site": {"id": 1, "slug": "dc1"}, "custom_fields": {}, "tags": []}
_PANEL = {**_SITE, "id": 5, "name": "P", "location": {"id": 1}}
_FEED = {"id": 5, "name": "F", "power_panel": {"id": 5}, "custom_fields": {}, "tags": []}


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("name", "item", "field", "what"),
    [
        ("sites", seen()["sites"][0], "region", "region"),
        ("sites", seen()["sites"][0], "group", "site-group"),
        ("locations", seen()["locations"][1], "site", "site"),
        ("locations", seen()["locations"][1], "parent", "location"),
        ("racks", seen()["racks"][0], "site", "site"),
        ("racks", seen()["racks"][0], "location", "location"),
        ("devices", device(9, "far", "server"), "site", "site"),
        ("devices", device(9, "far", "server", rack=None), "location", "location"),
        ("devices", device(9, "far", "server"), "rack", "rack"),
        ("devices", device(9, "far", "server"), "device_type", "device-type"),
        ("power_panels", _PANEL, "site", "site"),
        ("power_panels", _PANEL, "location", "location"),
        ("power_feeds", _FEED, "power_panel", "power-panel"),
        ("power_feeds", _FEED, "rack", "rack"),
        ("interfaces", interface(1, 1, "eno1"), "device", "device"),
    ],
)
def test_every_reference_shows_what_is_hidden(name: str, item: dict[str, Any], field: str, what: str) -> None:
    """The inventory has the hidden object, and nothing else refers to it."""
    referring = {**item, field: {"id": 77, "slug": "dc77"}}
    snapshot = seen(**{"devices": [], "power_panels": [_PANEL], name: [referring]})
    stored = {"kind": "Region", "name": "x", "labels": {"netbox-id": f"{what}-77"}, "spec": {}}
    rules = DEFAULT + ("regions: site-group\n" if what == "site-group" else "")
    found = translate(snapshot, mapping.parse(rules), [stored])
    assert f"{what}-77" in {one.identity for one in found.skipped}


def _stored(**lists: Any) -> list[dict[str, Any]]:
    return [{"project": "default", "max_revision_history": 10, **one} for one in _translated(**lists).documents]


def _spec(found: Translation, name: str) -> dict[str, Any]:
    (one,) = [one for one in found.documents if one["kind"] == "PhysicalResource" and one["name"] == name]
    return dict(one["spec"])


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("used", "hidden"), [("region", {"region-7"}), ("site-group", {"site-group-8"}), ("none", set())]
)
def test_a_hidden_region_or_group_that_the_mapping_does_not_use_is_not_reported(used: str, hidden: set[str]) -> None:
    site = {**seen()["sites"][0], "region": {"id": 7, "slug": "north"}, "group": {"id": 8, "slug": "edge"}}
    found = _translated(f"regions: {used}\n", sites=[site], devices=[], racks=[])
    assert {one.identity for one in found.skipped if one.what in ("region", "site-group")} == hidden


_FEEDING = {"object_type": "dcim.powerfeed", "object_id": 5, "object": {"id": 5, "name": "F"}}
_POWER: dict[str, list[dict[str, Any]]] = {
    "cables": [
        cable(("powerport", 1, "PS1"), ("poweroutlet", 3, "1")),
        {**cable(("powerport", 3, "in"), ("powerport", 3, "in")), "id": 2, "b_terminations": [_FEEDING]},
    ],
    "power_panels": [_PANEL],
    "power_feeds": [_FEED],
}


@pytest.mark.design("N4")
def test_links_to_a_hidden_device_or_feed_stay_and_it_is_not_deleted() -> None:
    stored = _stored(**_POWER)
    others = [device(1, "srv", "server"), device(2, "leaf", "leaf")]
    rules = mapping.parse(DEFAULT)
    hidden: list[tuple[dict[str, list[dict[str, Any]]], str, str]] = [
        ({"devices": others}, "srv", "pdu-a"),
        ({"power_feeds": []}, "pdu-a", "f"),
    ]
    for lists, user, source in hidden:
        found = translate(seen(**{**_POWER, **lists}), rules, stored)
        assert [link["source"] for link in _spec(found, user)["power_links"]] == [source]
        everything = {pull._key(one): one for one in stored}
        inventory = pull.Inventory(everything, tuple(stored))
        assert not pull.plan(cast(Client, Planning({})), found, rules, inventory=inventory).gone
    cut = translate(seen(**{**_POWER, "devices": others, "cables": []}), rules, stored)
    assert "device-3" not in {one.identity for one in cut.skipped}


@pytest.mark.design("N4")
def test_an_interface_shows_that_its_device_is_hidden() -> None:
    ports = [interface(1, 2, "p1")]
    stored = _stored(interfaces=ports)
    devices = [device(1, "srv", "server"), device(3, "pdu-a", "pdu")]
    found = translate(seen(interfaces=ports, devices=devices), mapping.parse(DEFAULT), stored)
    assert [one.identity for one in found.skipped] == ["device-2"]
    assert not translate(seen(interfaces=ports, devices=devices), mapping.parse(DEFAULT)).skipped


@pytest.mark.design("N4")
def test_no_other_device_takes_the_name_of_a_hidden_one() -> None:
    ports = [interface(1, 2, "p1")]
    stored = _stored(interfaces=ports)
    devices = [device(1, "srv", "server"), device(9, "leaf", "leaf", position=20)]
    found = translate(seen(interfaces=ports, devices=devices), mapping.parse(DEFAULT), stored)
    names = {one["labels"]["netbox-id"]: one["name"] for one in found.documents if one["kind"] == "PhysicalResource"}
    assert names == {"device-1": "srv", "device-9": "room-a-leaf"}
