"""Objects that others refer to and no list has: they exist, and nothing that depends on them is moved or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from inventory_sync import mapping
from inventory_sync.translation import Translation, translate
from tests.python.unit.netbox.seen import MAPPING, device, seen

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
    ],
)
def test_every_reference_shows_what_is_hidden(name: str, item: dict[str, Any], field: str, what: str) -> None:
    """The inventory has the hidden object, and nothing else refers to it."""
    referring = {**item, field: {"id": 77, "slug": "dc77"}}
    snapshot = seen(**{"devices": [], "power_panels": [_PANEL], name: [referring]})
    stored = {"kind": "Region", "name": "x", "labels": {"netbox-id": f"{what}-77"}, "spec": {}}
    found = translate(snapshot, mapping.parse(DEFAULT), [stored])
    assert f"{what}-77" in {one.identity for one in found.skipped}
