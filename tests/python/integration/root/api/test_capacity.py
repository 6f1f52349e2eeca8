"""GET .../capacity and .../schedule-snapshot: who may ask, what is answered, clusters that cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controller.model import document
from controller.root.api.app import create_app
from controller.root.api.settings import ApiSettings
from controller.store.changes import Feed
from controller.store.database import Database
from tests.python.integration.root.api.clusters import ClustersAway
from tests.python.integration.root.api.conftest import Api

CLUSTER = "/v1/clusters/tokyo1"


@pytest.mark.design("I1", "J4", "J10")
async def test_capacity_is_the_clusters_answer_for_every_flavor(site: Api, as_token: Callable[..., Api]) -> None:
    body = (await site.get(f"{CLUSTER}/capacity")).json()
    assert (body["cluster"], body["moving"]) == ("tokyo1", "rebuild")
    assert [flavor["name"] for flavor in body["flavors"]] == ["small"]
    assert body["flavors"][0]["after_loss"]["rack"]["domain"] == "rack-1"
    assert (await site.get(f"{CLUSTER}/capacity", params={"moving": "all"})).json()["moving"] == "all"
    async with as_token("viewer", "shop") as client:
        assert (await client.get(f"{CLUSTER}/capacity")).status_code == 200


@pytest.mark.design("J10")
async def test_a_snapshot_holds_the_flavors_beside_what_the_cluster_says(site: Api) -> None:
    answer = await site.get(f"{CLUSTER}/schedule-snapshot")
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["scheduling"] == {"version": 1, "nodes": [], "services": {}}
    assert [document.parse(each).name for each in body["flavors"]] == ["small"]
    assert (body["cluster"], body["as_of"] > 0) == ("tokyo1", True)


@pytest.mark.parametrize("bearer", [("viewer",), ("operator",), ("admin", "shop")], ids=str)
async def test_a_snapshot_is_for_admins_of_everything(
    site: Api, as_token: Callable[..., Api], bearer: tuple[str, ...]
) -> None:
    async with as_token(*bearer) as client:
        answer = await client.get(f"{CLUSTER}/schedule-snapshot")
    assert answer.status_code == 403
    assert "admin for all projects" in answer.json()["detail"]


@pytest.mark.parametrize("what", ["capacity", "schedule-snapshot"])
async def test_what_there_is_not_and_who_is_away(site: Api, db: Database, clock: Any, what: str) -> None:
    missing = await site.get(f"/v1/clusters/osaka1/{what}")
    assert (missing.status_code, missing.json()["detail"]) == (404, "Cluster osaka1 does not exist")
    away = create_app(db, Feed(db, clock), clock, ApiSettings(), ClustersAway())
    alone = create_app(db, Feed(db, clock), clock, ApiSettings())
    for app in (away, alone):
        async with Api(app, site.headers["authorization"].removeprefix("Bearer ")) as client:
            answer = await client.get(f"{CLUSTER}/{what}")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"


async def test_moving_is_one_of_two_words(site: Api) -> None:
    answer = await site.get(f"{CLUSTER}/capacity", params={"moving": "some"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "query.moving", "message": "must be rebuild or all"}]
