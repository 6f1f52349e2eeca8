"""Names of an inventory that a version without identities has made, and of skipped objects: nothing is taken over."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pytest

from controller.client import Client
from inventory_sync import mapping, pull, report
from inventory_sync.locations import Document
from inventory_sync.netbox_reader import Snapshot
from inventory_sync.translation import Translation, translate
from tests.python.unit.netbox.seen import MAPPING, cable, device, interface, seen

SITES: list[dict[str, Any]] = [
    {"id": number, "slug": slug, "region": None, "group": None, "custom_fields": {}, "tags": []}
    for number, slug in ((1, "dc1"), (2, "dc2"))
]


def _translated(snapshot: Snapshot, stored: Any = (), more: str = "") -> Translation:
    return translate(snapshot, mapping.parse(MAPPING + more), stored)


def _names(found: Translation, kind: str) -> dict[str, str]:
    return {one["labels"].get("netbox-id", ""): one["name"] for one in found.documents if one["kind"] == kind}


def _spec(found: Translation, name: str) -> dict[str, Any]:
    (one,) = [one for one in found.documents if one["kind"] == "PhysicalResource" and one["name"] == name]
    return dict(one["spec"])


def _rack(number: int, name: str | None, **more: Any) -> dict[str, Any]:
    place = {"site": {"id": 1, "slug": "dc1"}, "location": {"id": 1}}
    return {"id": number, "name": name, **place, "u_height": 42, "custom_fields": {}, "tags": [], **more}


def _upgraded(found: Translation, **names: str) -> list[Document]:
    """Return the documents as a version without identities has written them, with other names."""
    documents = [copy.deepcopy(one) for one in found.documents]
    for one in documents:
        one |= {"labels": {"source": "netbox"}, "project": "default", "max_revision_history": 10}
        one["name"] = names.get(one["name"], one["name"])
    return documents


class Planning:
    """A server that refuses one name, deletes nothing and records what it was asked."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        self._refused = refused
        self.deleted: list[str] = []

    def plan(self, documents: Sequence[Document]) -> dict[str, Any]:
        return {
            "changes": [
                {
                    "kind": one["kind"],
                    "key": one["name"],
                    "action": "update",
                    "unresolved": [],
                    "refusals": [
                        {"path": "spec.position", "message": self._refused[one["name"]], "users": []}
                        for _ in [0]
                        if one["name"] in self._refused
                    ],
                }
                for one in documents
            ]
        }

    def plan_delete_many(self, documents: Sequence[Document]) -> dict[str, Any]:
        return {"changes": []}

    def delete_many(self, documents: Iterable[Document]) -> list[Document]:
        self.deleted += [one["name"] for one in documents]
        return []


def _plan(server: Planning, made: Translation, stored: Sequence[Document]) -> pull.Pull:
    rules = mapping.parse(MAPPING)
    everything = {pull._key(one): one for one in stored}
    return pull.plan(cast(Client, server), made, rules, inventory=pull.Inventory(everything, tuple(stored)))


def test_while_anything_is_skipped_a_resource_without_identity_is_kept() -> None:
    devices = [device(n, name, "server", position=n) for n, name in ((1, "srv"), (2, "other"))]
    stored = _upgraded(_translated(seen(devices=devices)))
    made = _translated(seen(devices=devices), stored)
    server = Planning({"srv": "the rack has no such unit"})
    found = _plan(server, made, stored)
    assert [one.identity for one in found.skipped] == ["device-1"]
    assert not found.gone
    assert [one["name"] for one in found.unsure] == ["srv"]
    pull.remove(cast(Client, server), found)
    assert not server.deleted
    assert any(line.startswith("kept: PhysicalResource dc1/srv:") for line in report.pulled(found))
    found = _plan(Planning({}), _translated(seen(devices=devices[1:]), stored), stored)
    assert [one["name"] for one in found.gone] == ["srv"]
    assert not found.unsure


def test_a_skipped_site_or_rack_costs_nothing_that_has_no_identity() -> None:
    stored = _upgraded(_translated(seen()))
    for bad in ({"sites": [{**SITES[0], "slug": None}]}, {"racks": [_rack(1, None)]}):
        found = _plan(Planning({}), _translated(seen(**bad), stored), stored)
        assert found.skipped
        assert not found.gone


def test_no_other_object_takes_the_resource_of_a_skipped_one_over() -> None:
    stored = _upgraded(_translated(seen()))
    devices = [{**device(1, "srv", "server"), "role": None}, device(9, "SRV", "server", position=20)]
    found = _translated(seen(devices=devices, racks=[_rack(1, "R1")]), stored)
    assert _names(found, "PhysicalResource") == {"device-9": "room-a-srv"}


def test_cables_of_others_still_lead_to_a_skipped_device_without_identity() -> None:
    cables = [cable(("interface", 1, "eno1"), ("interface", 2, "p1"))]
    stored = _upgraded(_translated(seen(cables=cables)))
    devices = [device(1, "srv", "server"), {**device(2, "leaf", "leaf"), "device_type": None}]
    found = _translated(seen(cables=cables, devices=devices), stored)
    assert [link["peer"] for link in _spec(found, "srv")["network_links"]] == ["leaf"]


@pytest.mark.parametrize("moved", [_rack(1, "R1", site={"id": 2, "slug": "dc2"}, u_height=None)])
def test_a_skipped_rack_keeps_no_name_in_another_datacenter(moved: dict[str, Any]) -> None:
    stored = list(_translated(seen(sites=SITES)).documents)
    place: dict[str, Any] = {"custom_fields": {}, "tags": [], "parent": None}
    locations = [{**place, "id": 5, "name": "F", "slug": "f", "site": {"id": 2, "slug": "dc2"}}]
    moved["location"] = {"id": 5}
    foreign = _rack(7, "R1", site={"id": 2, "slug": "dc2"}, location={"id": 5})
    server = device(1, "srv", "server", site={"id": 2, "slug": "dc2"}, location={"id": 5})
    found = _translated(seen(sites=SITES, locations=locations, racks=[moved, foreign], devices=[server]), stored)
    assert {one.identity for one in found.skipped} == {"rack-1", "device-1"}
    unnamed = {**moved, "name": None}
    found = _translated(seen(sites=SITES, locations=locations, racks=[unnamed, foreign], devices=[server]), stored)
    assert {one.identity for one in found.skipped} == {"rack-1", "device-1"}


@pytest.mark.parametrize("bad", [{"location": None}, {"u_height": None}, {"name": None}])
def test_positions_in_a_skipped_rack_are_counted_from_its_first_unit(bad: dict[str, Any]) -> None:
    rack = _rack(1, "R1", starting_unit=3)
    stored = list(_translated(seen(racks=[rack])).documents)
    found = _translated(seen(racks=[{**rack, **bad}]), stored)
    assert _spec(found, "srv")["position"] == 1.5
    assert _spec(found, "srv")["rack"] == "r1"


def test_devices_in_a_rack_with_a_bad_first_unit_are_skipped() -> None:
    stored = list(_translated(seen()).documents)
    found = _translated(seen(racks=[_rack(1, "R1", starting_unit="low")]), stored)
    assert {one.identity for one in found.skipped} == {"rack-1", "device-1", "device-2", "device-3"}


@pytest.mark.parametrize("rules", ["names: {templates: {rack: '{name}'}}\n", "names: {overrides: {R1: r1}}\n"])
def test_an_older_object_does_not_take_a_name_that_is_set(rules: str) -> None:
    first = _translated(seen(racks=[_rack(5, "R1")], devices=[]), (), rules)
    both = seen(racks=[_rack(1, "R1"), _rack(5, "R1")], devices=[])
    second = _translated(both, first.documents, rules)
    assert _names(second, "Rack") == {"rack-5": "r1", "rack-1": "room-a-r1"}
    assert _names(_translated(both, second.documents, rules), "Rack") == _names(second, "Rack")


def test_a_new_override_or_template_still_renames() -> None:
    one = seen(racks=[_rack(5, "R1")], devices=[])
    first = _translated(one).documents
    for rules in ("names: {overrides: {netbox-id=rack-5: left}}\n", "names: {templates: {rack: '{name} left'}}\n"):
        assert _names(_translated(one, first, rules), "Rack")["rack-5"].endswith("left")


@pytest.mark.parametrize(
    ("racks", "kept", "names"),
    [
        # A resource whose name another object would have by its path, or in ASCII.
        ([_rack(1, "R1"), _rack(5, "R1")], {"r1": "room-a-r1"}, {"rack-1": "r1", "rack-5": "floor-2-room-a-r1"}),
        ([_rack(1, "Köln")], {"koeln": "koeln"}, {"rack-1": "room-a-koeln"}),
        ([_rack(1, "Köln")], {"koeln": "k-ln"}, {"rack-1": "k-ln"}),
        ([_rack(1, "R1"), _rack(5, "r1")], {}, {"rack-1": "r1", "rack-5": "room-a-r1"}),
        ([_rack(1, "R1", u_height=9), _rack(5, "r1")], {"r1": "r1"}, {"rack-5": "r1", "rack-1": "room-a-r1"}),
    ],
)
def test_an_upgrade_takes_only_names_of_the_version_before(
    racks: list[dict[str, Any]], kept: dict[str, str], names: dict[str, str]
) -> None:
    stored: list[Document] = []
    if kept:
        one = _translated(seen(racks=[_rack(1, next(iter(kept)))], devices=[]))
        stored = _upgraded(one, **kept)
    snapshot = seen(racks=racks, devices=[])
    found = _translated(snapshot, stored)
    assert _names(found, "Rack") == names
    written = {(one["kind"], one["name"]): one for one in (*stored, *found.documents)}
    assert _translated(snapshot, list(written.values())).documents == found.documents


def test_an_override_says_whose_a_resource_without_identity_is() -> None:
    rules = "names: {overrides: {netbox-id=rack-1: left}}\n"
    snapshot = seen(racks=[_rack(1, "R1")], devices=[])
    stored = _upgraded(_translated(snapshot), r1="left")
    found = _translated(snapshot, stored, rules)
    assert _names(found, "Rack") == {"rack-1": "left"}
    assert _translated(snapshot, found.documents, rules).documents == found.documents


def test_where_a_skipped_object_cannot_give_up_its_unit_the_taker_is_skipped() -> None:
    one = device(1, "srv", "server", position=7)
    stored = [
        {**document, "project": "default", "max_revision_history": 10}
        for document in _translated(seen(devices=[one])).documents
    ]
    devices = [{**one, "role": None}, device(2, "new", "server", position=7), device(3, "other", "server", position=9)]
    made = _translated(seen(devices=devices), stored)
    found = _plan(Planning({}), made, stored)
    (given_up,) = [document for document in found.wanted if document["name"] == "srv"]
    assert given_up["spec"]["position"] is None
    found = _plan(Planning({"srv": "is a node"}), made, stored)
    assert [skipped.identity for skipped in found.skipped] == ["device-1", "device-2"]
    assert "PhysicalResource dc1/srv cannot give up what it takes" in found.skipped[1].reason
    assert {"srv", "new"}.isdisjoint(document["name"] for document in found.wanted)
    assert "other" in {document["name"] for document in found.wanted}
    assert not found.gone


def test_where_a_skipped_object_cannot_give_up_its_address_the_taker_is_skipped() -> None:
    def address(on: int) -> dict[str, Any]:
        holder = {"assigned_object_type": "dcim.interface", "assigned_object_id": on}
        return {"id": 1, "address": "10.0.0.5/24", "family": {"value": 4}, "vrf": None, "tags": [], **holder}

    devices = [device(n, f"srv{n}", "server", position=n) for n in (1, 2)]
    ports = [{**interface(n, n, "eno1"), "mac_address": None} for n in (1, 2)]
    first = _translated(seen(devices=devices, interfaces=ports, ip_addresses=[address(1)]))
    stored = [{**document, "project": "default", "max_revision_history": 10} for document in first.documents]
    devices[0] = {**devices[0], "role": None}
    made = _translated(seen(devices=devices, interfaces=ports, ip_addresses=[address(2)]), stored)
    found = _plan(Planning({"srv1": "is a node"}), made, stored)
    assert [skipped.identity for skipped in found.skipped] == ["device-1", "device-2"]


def _two_racks(**labels: str | None) -> tuple[Snapshot, list[Document]]:
    """Return two racks of one name, and the inventory after a user has changed labels of the second."""
    snapshot = seen(racks=[_rack(1, "R1"), _rack(5, "R1")], devices=[])
    stored = [
        {**copy.deepcopy(one), "project": "default", "max_revision_history": 10}
        for one in _translated(snapshot).documents
    ]
    (second,) = [one for one in stored if one["name"] == "room-a-r1"]
    second["labels"] = {key: value for key, value in second["labels"].items() if key not in labels}
    return snapshot, stored


@pytest.mark.design("N4")
def test_a_resource_with_a_long_name_gets_its_identity_again() -> None:
    snapshot, stored = _two_racks(**{"netbox-id": None})
    made = _translated(snapshot, stored)
    assert _names(made, "Rack") == {"rack-1": "r1", "rack-5": "room-a-r1"}
    assert not _plan(Planning({}), made, stored).gone


@pytest.mark.design("N4")
def test_a_resource_without_labels_that_may_be_of_an_object_is_never_deleted() -> None:
    snapshot, stored = _two_racks(**{"netbox-id": None, "netbox-name": None})
    for _ in range(2):
        made = _translated(snapshot, stored)
        found = _plan(Planning({}), made, stored)
        assert not found.gone
        (line,) = [line for line in report.pulled(found) if line.startswith("kept: ")]
        assert line.startswith("kept: Rack dc1/room-a-r1: it has no netbox-id, and may be of rack-")
        written = {pull._key(one): one for one in (*stored, *found.wanted)}
        stored = [{"project": "default", "max_revision_history": 10, **one} for one in written.values()]
    alone = _translated(seen(racks=[_rack(1, "R1", location={"id": 2})], devices=[]), stored)
    assert "room-a-r1" in {one["name"] for one in _plan(Planning({}), alone, stored).gone}


@pytest.mark.design("N4")
def test_what_is_in_a_datacenter_that_may_be_of_a_site_is_never_deleted() -> None:
    sites = [{**SITES[0], "id": 1}, {**SITES[0], "id": 9, "slug": "DC1", "region": {"id": 4, "slug": "north"}}]
    rack = _rack(5, "R1", site={"id": 9, "slug": "DC1"}, location=None)
    rules = "floors: {default: hall}\n"
    region = {"id": 4, "slug": "north", "name": "North", "parent": None, "custom_fields": {}, "tags": []}
    snapshot = seen(sites=sites, racks=[rack], devices=[], regions=[region])
    stored = [
        {**copy.deepcopy(one), "project": "default", "max_revision_history": 10}
        for one in _translated(snapshot, (), rules).documents
    ]
    (site,) = [one for one in stored if one["name"] == "north-dc1"]
    site["labels"] = {"source": "netbox"}
    found = _plan(Planning({}), _translated(snapshot, stored, rules), stored)
    assert not found.skipped
    assert not found.gone
    assert [one["name"] for one in found.unsure] == ["north-dc1"]
