"""Tokens, roles, projects and the audit trail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from controller.clock import VirtualClock
from controller.model.event import Event
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.root.api.conftest import SERVICE, Api

AsToken = Callable[..., Api]


async def outcomes(api: Api) -> list[tuple[str, str, str, str]]:
    records = (await api.get("/v1/audit-records", params={"limit": 1000})).json()["items"]
    specs = [record["spec"] for record in records]
    return [(one["token"], one["verb"], one["resource"], one["outcome"]) for one in specs]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer \xe9"])
async def test_who_is_not_known_gets_401(app: FastAPI, header: str | None) -> None:
    async with Api(app, None) as client:
        headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
        answer = await client.get("/v1/regions", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_is_shown_once_works_and_ends(api: Api, app: FastAPI, clock: VirtualClock) -> None:
    end = (clock.now() + timedelta(hours=1)).isoformat()
    made = await api.put("/v1/tokens/ci", json={"spec": {"role": "viewer", "expires_at": end}})
    assert made.status_code == 201
    secret = made.json()["observed"]["secret"]
    assert "secret" not in (await api.get("/v1/tokens/ci")).text
    async with Api(app, secret) as client:
        assert (await client.get("/v1/regions")).status_code == 200
        clock.shift(3601)
        assert (await client.get("/v1/regions")).status_code == 401


async def test_a_revoked_token_is_dead_at_once(api: Api, app: FastAPI) -> None:
    secret = (await api.put("/v1/tokens/ci", json={"spec": {"role": "viewer"}})).json()["observed"]["secret"]
    async with Api(app, secret) as client:
        assert (await client.get("/v1/regions")).status_code == 200
        assert (await api.delete("/v1/tokens/ci")).status_code == 204
        assert (await client.get("/v1/regions")).status_code == 401


async def test_rights_of_a_token_cannot_grow(api: Api) -> None:
    await api.put("/v1/tokens/ci", json={"spec": {"role": "viewer"}})
    grown = await api.put("/v1/tokens/ci", json={"spec": {"role": "admin"}})
    assert grown.status_code == 422
    assert grown.json()["errors"] == [{"path": "spec.role", "message": "cannot be changed, it is 'viewer'"}]
    named = await api.put("/v1/tokens/ci", json={"spec": {"role": "viewer", "description": "CI"}})
    assert named.status_code == 200
    assert "secret" not in named.json()["observed"]


async def test_join_tokens_show_their_secret_once_in_apply_too(site: Api) -> None:
    document = {"kind": "JoinToken", "name": "server1", "cluster": "tokyo1", "spec": {"node": "server1"}}
    first = (await site.apply(document)).json()["results"][0]
    assert first["secret"].startswith("rsj_")
    second = (await site.apply(document)).json()["results"][0]
    assert second["action"] == "unchanged"
    assert "secret" not in second


async def test_viewer_reads_and_operator_writes(service: Api, as_token: AsToken) -> None:
    async with as_token("viewer") as viewer, as_token("operator") as operator:
        assert (await viewer.get("/v1/regions/kanto")).status_code == 200
        for answer in (
            await viewer.put("/v1/regions/kansai", json={}),
            await viewer.delete("/v1/regions/kanto"),
            await viewer.apply({"kind": "Region", "name": "kansai"}),
            await viewer.post("/v1/clusters/tokyo1/nodes/server1/drain"),
            await viewer.put("/v1/regions/kansai", json={}, params={"dry_run": "true"}),
        ):
            assert answer.status_code == 403, answer.text
        assert (await operator.put("/v1/regions/kansai", json={})).status_code == 201
        for path in ("/v1/projects/shop", "/v1/tokens/more", "/v1/clusters/tokyo1/join-tokens/x"):
            body: dict[str, Any] = {"spec": {"role": "viewer"}} if "tokens/more" in path else {"spec": {}}
            if "join" in path:
                body = {"spec": {"node": "x"}}
            assert (await operator.put(path, json=body)).status_code == 403
        for path in ("/v1/tokens", "/v1/audit-records", "/v1/clusters/tokyo1/join-tokens"):
            assert (await operator.get(path)).status_code == 403


async def test_a_projects_token_sees_and_writes_its_own_only(service: Api, as_token: AsToken, db: Database) -> None:
    await service.apply({"kind": "Project", "name": "shop"}, {**SERVICE, "project": "shop"})
    about = [("1", "default/kanto/web-0"), ("2", "shop/kanto/web-0")]
    events = [
        Event.model_validate(
            {"name": name, "spec": {"resource_kind": "Compute", "resource": path, "reason": "Scheduled"}}
        )
        for name, path in about
    ]
    db.write(lambda tx: resources.insert(tx, events))
    async with as_token("operator", "shop") as shop:
        own = {"project": "shop"}
        assert (await shop.get("/v1/regions/kanto/services/web", params=own)).status_code == 200
        assert (await shop.get("/v1/regions/kanto/services/web")).status_code == 403
        assert (await shop.get("/v1/regions/kanto/services")).status_code == 403
        everything = (await shop.get("/v1/regions/-/services", params={"project": "*"})).json()["items"]
        assert [one["project"] for one in everything] == ["shop"]
        assert (await shop.get("/v1/flavors/small")).status_code == 200
        assert [one["name"] for one in (await shop.get("/v1/events")).json()["items"]] == ["2"]
        assert (await shop.get("/v1/events/1")).status_code == 404
        scaled = await shop.post("/v1/regions/kanto/services/web/scale", json={"replicas": 2}, params=own)
        assert scaled.status_code == 202
        assert (await shop.post("/v1/regions/kanto/services/web/scale", json={"replicas": 2})).status_code == 403
        assert (await shop.put("/v1/regions/kansai", json={})).status_code == 403
        mixed = await shop.apply({**SERVICE, "project": "shop"}, SERVICE)
        assert mixed.status_code == 403
        assert "RegionService default/kanto/web" in mixed.json()["detail"]


async def test_every_write_is_recorded_and_refused_ones_too(
    service: Api, as_token: AsToken, clock: VirtualClock
) -> None:
    api = service
    before = len(await outcomes(api))
    region = "/v1/regions/kanto"
    async with as_token("viewer") as viewer:
        writes: list[Callable[[], Awaitable[httpx.Response]]] = [
            lambda: viewer.delete(region),
            lambda: api.put(region, json={"spec": {"description": "East"}}),
            lambda: api.put(region, json={"spec": {"description": "East"}}),
            lambda: api.put(region, json={}, headers={"If-Match": "1"}),
            lambda: api.put(region, json={"spec": 1}, params={"dry_run": "true"}),
            lambda: api.apply({"kind": "Region", "name": "a"}),
            lambda: api.post("/v1/clusters/tokyo1/nodes/server1/cordon"),
            lambda: api.post(f"{region}/services/web/scale", json={"replicas": 0}),
            lambda: api.delete("/v1/regions/a"),
        ]
        for write in writes:
            clock.shift(1)
            await write()
    assert (await outcomes(api))[before:] == [
        ("token-viewer", "DeleteRegion", "kanto", "forbidden"),
        ("admin", "PutRegion", "kanto", "ok"),
        ("admin", "PutRegion", "kanto", "precondition_failed"),
        ("admin", "ApplyResources", "a", "ok"),
        ("admin", "CordonNode", "tokyo1/server1", "ok"),
        ("admin", "ScaleRegionService", "default/kanto/web", "invalid"),
        ("admin", "DeleteRegion", "a", "ok"),
    ]
    last = (await api.get("/v1/audit-records", params={"field": "spec.verb=CordonNode"})).json()["items"][0]
    assert last["spec"]["request_id"]
