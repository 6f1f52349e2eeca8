"""PUT, GET, LIST and DELETE of every kind that users make (A1, F1, F2, G1-G7)."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import registry
from controller.model.registry import Kind
from tests.python.integration.root.api.conftest import SERVICE, SITE, Api

USER_MADE = [kind for kind in registry.kinds() if kind.user_made]


def path_of(document: dict[str, Any]) -> str:
    return registry.get(document["kind"]).item_path.format(**document)


async def prepare(api: Api, kind: Kind) -> dict[str, Any]:
    """The kind's example, with everything that it names made first."""
    wanted: dict[str, dict[str, Any]] = {}

    def need(name: str) -> None:
        other = registry.get(name)
        if other.parent:
            need(other.parent)
        for before in NEEDS.get(name, ()):
            need(before)
        wanted.setdefault(name, dict(other.example))

    need(kind.name)
    mine = wanted.pop(kind.name)
    if wanted:
        answer = await api.apply(*wanted.values())
        assert answer.status_code == 200, answer.text
    return mine


NEEDS: dict[str, tuple[str, ...]] = {
    "Rack": ("Floor",),
    "PhysicalResource": ("Rack",),
    "Cluster": ("Region", "Datacenter"),
    "Node": ("PhysicalResource", "Provider"),
    "ResourceFlavor": ("Provider",),
    "RegionService": ("ResourceFlavor", "Image"),
    "GlobalService": ("RegionService",),
    "Volume": ("RegionService",),
}


@pytest.mark.design("A1", "F2", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "D1", "D4", "D6", "D7")
@pytest.mark.parametrize("kind", USER_MADE, ids=lambda kind: kind.name)
async def test_every_kind_is_created_read_listed_changed_and_deleted(api: Api, kind: Kind) -> None:
    document = await prepare(api, kind)
    path = path_of(document)
    deferred = kind.name == "RegionService"
    if path != "/v1/projects/default":
        assert (await api.get(path)).status_code == 404
        created = await api.put(path, json=document)
        assert created.status_code == (202 if deferred else 201), created.text
    stored = (await api.get(path)).json()
    assert stored["kind"] == kind.name
    assert stored["name"] == document["name"]

    again = await api.put(path, json=document)
    assert again.status_code == 200
    assert again.json() == stored, "an unchanged document writes nothing"

    labelled = await api.put(path, json={**document, "labels": {"env": "lab"}})
    assert labelled.status_code == (202 if deferred else 200), labelled.text
    assert labelled.json()["resource_version"] > stored["resource_version"]
    assert labelled.json()["uid"] == stored["uid"]

    collection = path.rpartition("/")[0]
    listed = (await api.get(collection, params={"label": "env=lab"})).json()
    assert listed["items"] == [labelled.json()]
    assert (await api.get(collection, params={"label": "env!=lab", "field": f"name={stored['name']}"})).json()[
        "items"
    ] == []

    deleted = await api.delete(path)
    if deferred:
        assert deleted.status_code == 202
        assert deleted.json()["status"] == "Deleting"
    elif kind.name == "Project":
        assert deleted.status_code == 409, "the default project has users"
    else:
        assert deleted.status_code == 204, deleted.text
        assert (await api.get(path)).status_code == 404


@pytest.mark.design("K2", "K4")
@pytest.mark.parametrize("kind", [kind for kind in registry.kinds() if not kind.user_made], ids=lambda kind: kind.name)
async def test_what_the_server_makes_cannot_be_put(api: Api, kind: Kind) -> None:
    document = dict(kind.example)
    put = await api.put(path_of(document), json=document)
    assert put.status_code == 405
    assert put.json()["code"] == "method_not_allowed"
    applied = await api.apply(document)
    assert applied.status_code == 422
    assert applied.json()["errors"] == [
        {"path": "[0].kind", "message": f"a {kind.name} is made by the server and cannot be written"}
    ]


@pytest.mark.design("K4")
async def test_a_loadbalancer_cannot_be_deleted(api: Api) -> None:
    refused = await api.delete("/v1/regions/kanto/loadbalancers/web")
    assert refused.status_code == 405
    batch = await api.post("/v1/delete", json=[{"kind": "Loadbalancer", "name": "web", "region": "kanto"}])
    assert batch.status_code == 200, "nothing there, nothing to refuse"


async def test_names_may_be_left_out_of_the_body_but_not_differ(api: Api) -> None:
    created = await api.put("/v1/regions/kanto", json={})
    assert created.status_code == 201, created.text
    differing = await api.put("/v1/regions/kanto", json={"name": "kansai"})
    assert differing.status_code == 422
    assert differing.json()["errors"] == [{"path": "name", "message": "is 'kansai', but the path says 'kanto'"}]


async def test_what_was_read_can_be_sent_back_and_server_set_fields_stay(site: Api) -> None:
    path = "/v1/clusters/tokyo1/nodes/server1"
    node = (await site.get(path)).json()
    assert node["state"] == "Unknown"
    forged = {**node, "state": "Up", "observed": {"computes": 7}, "labels": {"room": "a"}}
    stored = (await site.put(path, json=forged)).json()
    assert (stored["state"], stored["observed"], stored["labels"]) == ("Unknown", {}, {"room": "a"})


async def test_pages_follow_each_other_and_miss_nothing(api: Api) -> None:
    names = [f"region-{number:02}" for number in range(25)]
    await api.apply(*({"kind": "Region", "name": name} for name in names))
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(10):
        page = (await api.get("/v1/regions", params={"limit": 10, **after})).json()
        seen += [item["name"] for item in page["items"]]
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    assert seen == names


async def test_a_dash_lists_the_children_of_every_parent(api: Api) -> None:
    for datacenter in ("osaka", "tokyo"):
        await api.apply(
            {"kind": "Datacenter", "name": datacenter}, {"kind": "Floor", "name": "f", "datacenter": datacenter}
        )
    floors = (await api.get("/v1/datacenters/-/floors")).json()["items"]
    assert [floor["datacenter"] for floor in floors] == ["osaka", "tokyo"]
    assert (await api.get("/v1/datacenters/nara/floors")).status_code == 404
    assert (await api.get("/v1/clusters/-/networks/x/ports")).status_code == 422


async def test_lists_are_filtered_by_field_and_several_filters_must_all_hold(site: Api) -> None:
    await site.apply(
        {"kind": "Rack", "name": "rack-2", "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1", "row": 2}},
        {"kind": "Rack", "name": "rack-3", "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1", "row": 2}},
    )
    both = {"field": ["spec.row=2", "name=rack-3"]}
    listed = await site.get("/v1/datacenters/tokyo/racks", params=both)
    assert [rack["name"] for rack in listed.json()["items"]] == ["rack-3"]
    unknown = await site.get("/v1/datacenters/tokyo/racks", params={"field": "nothing=2"})
    assert unknown.status_code == 422


async def test_if_match_guards_against_lost_updates(site: Api) -> None:
    path = "/v1/regions/kanto"
    version = (await site.get(path)).json()["resource_version"]
    body = {"spec": {"description": "East"}}
    fresh = await site.put(path, json=body, headers={"If-Match": f'"{version}"'})
    assert fresh.status_code == 200
    stale = await site.put(path, json={}, headers={"If-Match": f'"{version}"'})
    assert stale.status_code == 412
    assert stale.json()["code"] == "precondition_failed"
    assert (await site.delete(path, headers={"If-Match": "1"})).status_code == 412
    assert (await site.put(path, json=body, headers={"If-None-Match": "*"})).status_code == 412
    missing = await site.put("/v1/regions/kansai", json={}, headers={"If-Match": "*"})
    assert missing.status_code == 412


@pytest.mark.design("F1", "D1")
async def test_flavor_is_made_changed_listed_and_deleted(site: Api) -> None:
    path = "/v1/flavors/large"
    spec = {"provider": "libvirt", "sizes": {"vcpus": 4, "memory_mib": 4096, "disk_gib": 20}}
    assert (await site.put(path, json={"spec": spec})).status_code == 201
    spec["sizes"] = {"vcpus": 8, "memory_mib": 4096, "disk_gib": 20}
    changed = await site.put(path, json={"spec": spec})
    assert changed.status_code == 200, "not in use: it may change"
    assert changed.json()["spec"]["sizes"]["vcpus"] == 8
    listed = (await site.get("/v1/flavors")).json()["items"]
    assert [flavor["name"] for flavor in listed] == ["large", "small"]
    assert (await site.delete(path)).status_code == 204


@pytest.mark.design("F1", "D1", "D3")
async def test_flavor_and_image_in_use_cannot_change_nor_go(service: Api) -> None:
    spec: dict[str, Any] = {"provider": "libvirt", "sizes": {"vcpus": 2, "memory_mib": 256, "disk_gib": 1}}
    changed = await service.put("/v1/flavors/small", json={"spec": spec})
    assert changed.status_code == 409
    assert changed.json()["users"] == ["RegionService default/kanto/web"]
    spec["sizes"]["vcpus"] = 1
    spec["description"] = "words may change"
    assert (await service.put("/v1/flavors/small", json={"spec": spec})).status_code == 200
    image = (await service.get("/v1/regions/kanto/images/guest")).json()
    image["spec"]["checksum"] = "sha256:" + "1" * 64
    assert (await service.put("/v1/regions/kanto/images/guest", json=image)).status_code == 409
    for path in ("/v1/flavors/small", "/v1/regions/kanto/images/guest", "/v1/regions/kanto"):
        refused = await service.delete(path)
        assert refused.status_code == 409
        assert refused.json()["user_count"] >= 1


async def test_site_documents_apply_again_without_a_write(site: Api) -> None:
    again = (await site.apply(*SITE)).json()
    assert {result["action"] for result in again["results"]} == {"unchanged"}
    head = (await site.get("/v1/regions")).json()["resource_version"]
    assert again["resource_version"] == head


async def test_service_document_is_stored_as_asked(service: Api) -> None:
    stored = (await service.get("/v1/regions/kanto/services/web")).json()
    assert stored["spec"]["replicas"] == SERVICE["spec"]["replicas"]
    assert (stored["status"], stored["request_method"], stored["revision"]) == ("Initializing", "Create", 1)


@pytest.mark.design("D1", "D2")
async def test_an_image_in_use_gets_other_urls_of_the_same_bytes(site: Api) -> None:
    """A mirror moves; what decides about the bytes stays fixed."""
    path, digest = "/v1/regions/kanto/images/booted", "sha256:" + "2" * 64
    boot = {"url": "https://one.example.com/file", "checksum": digest}
    spec: dict[str, Any] = {**boot, "kernel": boot, "initrd": boot}
    assert (await site.put(path, json={"spec": spec})).status_code == 201
    compute = {"flavor": "small", "image": "booted"}
    applied = await site.apply(
        {**SERVICE, "name": "booted", "spec": {"replicas": 1, "compute": {**SERVICE["spec"]["compute"], **compute}}}
    )
    assert applied.status_code == 200, applied.text
    moved = {**boot, "url": "https://two.example.com/file"}
    answer = await site.put(path, json={"spec": {**moved, "kernel": moved, "initrd": moved}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"]["kernel"]["url"] == "https://two.example.com/file"
    other = {**moved, "checksum": "sha256:" + "3" * 64}
    for wrong in (
        {**other, "kernel": moved, "initrd": moved},
        {**moved, "kernel": other, "initrd": moved},
        {**moved, "kernel": moved, "initrd": other},
        {**moved, "kernel": moved},
        {**moved, "kernel": moved, "initrd": moved, "cmdline": "quiet"},
        {**moved, "kernel": moved, "initrd": moved, "format": "raw"},
    ):
        refused = await site.put(path, json={"spec": wrong})
        assert refused.status_code == 409, wrong
        assert refused.json()["users"] == ["RegionService default/kanto/booted"]
