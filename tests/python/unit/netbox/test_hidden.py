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
