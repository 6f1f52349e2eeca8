"""PUT, GET, LIST and DELETE of every kind that users make (A1, F1, F2)."""

from __future__ import annotations

import pytest

from controller.model import registry
from tests.python.integration.root_api.conftest import SERVICE, SITE, Api


@pytest.mark.design("A1", "F2", "G2")
async def test_a_rack_is_created_read_listed_and_deleted(api: Api) -> None:
    for document in SITE[1:3]:
        path = registry.get(document["kind"]).item_path.format(**document)
        created = await api.put(path, json=document)
        assert created.status_code == 201, created.text

    rack = {"spec": {"floor": "floor-1-1-1", "row": 2}}
    created = await api.put("/v1/datacenters/tokyo/racks/rack-1", json=rack)
    assert created.status_code == 201, created.text
    assert created.json()["spec"]["row"] == 2
    assert created.headers["etag"] == f'"{created.json()["resource_version"]}"'

    got = await api.get("/v1/datacenters/tokyo/racks/rack-1")
    assert got.json() == created.json()
    listed = await api.get("/v1/datacenters/tokyo/racks")
    assert listed.json()["items"] == [created.json()]
    assert listed.json()["resource_version"] == created.json()["resource_version"]

    gone = await api.delete("/v1/datacenters/tokyo/racks/rack-1")
    assert gone.status_code == 204, gone.text
    assert (await api.get("/v1/datacenters/tokyo/racks/rack-1")).status_code == 404


async def test_service_is_accepted_and_waits_for_its_controller(site: Api) -> None:
    answer = await site.put("/v1/regions/kanto/services/web", json=SERVICE)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "Initializing"
