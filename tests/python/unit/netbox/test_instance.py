"""Two NetBoxes that feed one inventory under one marker: neither deletes nor changes what the other has created."""

from __future__ import annotations

from typing import Any, cast

import pytest

from controller.client import Client
from controller.errors import Conflict
from inventory_sync import instance, mapping, pull, report
from inventory_sync.locations import Document
from inventory_sync.translation import translate
from tests.python.unit.netbox.seen import MAPPING, device, seen
from tests.python.unit.netbox.test_stored_names import Planning

A, B = (mapping.parse(f"{MAPPING}instance: {name}\n") for name in ("a", "b"))


def _pulled(rules: mapping.Mapping, stored: list[Document], adopt: bool = False, **lists: Any) -> pull.Pull:
    everything = {pull._key(one): one for one in stored}
    ours = tuple(one for one in stored if rules.has_created(one["labels"]))
    made = translate(seen(**lists), rules, ours)
    inventory = pull.Inventory(everything, ours)
    return pull.plan(cast(Client, Planning({})), made, rules, adopt=adopt, inventory=inventory)


def _stored(found: pull.Pull) -> list[Document]:
    return [{"project": "default", "max_revision_history": 10, **one} for one in found.wanted]


def _other_site() -> dict[str, Any]:
    site = {"id": 1, "slug": "far", "region": None, "group": None, "custom_fields": {}, "tags": []}
    place = {"site": {"id": 1, "slug": "far"}, "custom_fields": {}, "tags": []}
    floor = {**place, "id": 1, "name": "F", "slug": "f", "parent": None}
    kind = {**seen()["device_types"][0], "slug": "m2"}
    one = device(1, "other", "server", site=place["site"], rack=None)
    return {"sites": [site], "locations": [floor], "racks": [], "devices": [one], "device_types": [kind]}


@pytest.mark.design("N4")
def test_what_one_netbox_has_created_another_does_not_delete() -> None:
    stored = _stored(_pulled(A, []))
    assert {one["labels"]["netbox-instance"] for one in stored} == {"a"}
    found = _pulled(B, stored, **_other_site())
    assert not found.gone
    assert not found.unsure
    assert len(_pulled(A, stored, **_other_site()).gone) == len(stored)


@pytest.mark.design("N4")
def test_a_resource_of_another_netbox_is_adopted_only_on_request() -> None:
    stored = _stored(_pulled(A, []))
    with pytest.raises(Conflict, match="from b, but from a: for the same NetBox, set instance to that value in"):
        _pulled(B, stored)
    assert {one["labels"]["netbox-instance"] for one in _pulled(B, stored, adopt=True).wanted} == {"b"}


@pytest.mark.design("N4")
def test_two_netboxes_with_one_device_type_and_region_have_two_names_by_templates() -> None:
    north = {"id": 1, "slug": "north", "name": "North", "parent": None, "custom_fields": {}, "tags": []}
    stored = _stored(_pulled(A, [], regions=[north], sites=[{**seen()["sites"][0], "region": north}]))
    lists = _other_site()
    lists = {**lists, "device_types": seen()["device_types"], "regions": [north]}
    lists["sites"] = [{**lists["sites"][0], "region": north}]
    with pytest.raises(Conflict, match="give other names with") as caught:
        _pulled(B, stored, **lists)
    assert set(caught.value.users) == {"Region north", "PhysicalModel m1"}
    own = f"{MAPPING}instance: b\nnames: {{templates: {{region: 'b {{name}}', device-type: 'b {{name}}'}}}}\n"
    found = _pulled(mapping.parse(own), stored, **lists)
    assert {"b-north", "b-m1"} <= {one["name"] for one in found.wanted}


@pytest.mark.design("N4")
def test_what_a_version_before_has_created_gets_the_label_and_is_not_deleted() -> None:
    stored = _stored(_pulled(A, []))
    for one in stored:
        del one["labels"]["netbox-instance"]
    assert {one["labels"]["netbox-instance"] for one in _pulled(A, stored).wanted} == {"a"}
    found = _pulled(B, stored, **_other_site())
    assert not found.gone
    assert len(found.unsure) == len(stored)
    assert any("it may be from another NetBox" in line for line in report.pulled(found))


@pytest.mark.design("N4")
def test_after_an_upgrade_what_netbox_has_is_not_reported_for_deletion() -> None:
    """Neither a skipped object, nor what is in a skipped site, nor what slipped between two pages."""
    stored = _stored(_pulled(A, []))
    for one in stored:
        del one["labels"]["netbox-instance"]
    skipped: dict[str, Any] = {"devices": [{**device(1, "srv", "server"), "role": None}, device(3, "pdu-a", "pdu")]}
    found = _pulled(A, stored, **skipped)
    assert [one.identity for one in found.skipped] == ["device-1"]
    assert [one["name"] for one in found.unsure] == ["leaf"]
    assert not found.gone
    assert pull.unlisted(found, translate(seen(**skipped), A, stored)) == ["device-2"]
    found = _pulled(A, stored, sites=[{**seen()["sites"][0], "slug": None}])
    assert found.skipped
    assert not found.gone
    assert not [one for one in found.unsure if one.get("datacenter")]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://user:word@NetBox.example.com:443/", "netbox.example.com"),
        ("http://netbox.example.com:8000/dcim/", "netbox.example.com-8000-dcim"),
    ],
)
def test_the_address_of_a_netbox_is_its_name(url: str, name: str) -> None:
    assert instance.address(url) == name


def test_long_and_strange_addresses_stay_apart_and_are_labels() -> None:
    urls = [f"http://{'n' * 60}.example.com/{n}" for n in range(3)] + ["http://[::1]", "http://[1::]", "http://[f::1]"]
    names = {instance.address(url) for url in urls}
    assert len(names) == len(urls)
    for name in names:
        assert mapping.parse(f"{MAPPING}instance: '{name}'\n").instance == name
