"""Tokens, roles, projects and the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from controller.clock import VirtualClock
from controller.model.event import Event
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.root.api.conftest import SERVICE, Api
from tests.python.integration.root.api.test_services import made_by_the_controller

AsToken = Callable[..., Api]


async def outcomes(api: Api) -> list[tuple[str, str, str, str]]:
    records = (await api.get("/v1/audit-records", params={"limit": 1000})).json()["items"]
    specs = [record["spec"] for record in records]
    return [(one["token"], one["verb"], one["resource"], one["outcome"]) for one in specs]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer \xe9"])
async def test_who_is_not_known_gets_401(app: Starlette, header: str | None) -> None:
    async with Api(app, None) as client:
        headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
        answer = await client.get("/v1/regions", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_is_shown_once_works_and_ends(api: Api, app: Starlette, clock: VirtualClock) -> None:
    end = (clock.now() + timedelta(hours=1)).isoformat()
    made = await api.put("/v1/tokens/ci", json={"spec": {"role": "viewer", "expires_at": end}})
    assert made.status_code == 201
    secret = made.json()["observed"]["secret"]
    assert "secret" not in (await api.get("/v1/tokens/ci")).text
    async with Api(app, secret) as client:
        assert (await client.get("/v1/regions")).status_code == 200
        clock.shift(3601)
        assert (await client.get("/v1/regions")).status_code == 401


async def test_a_revoked_token_is_dead_at_once(api: Api, app: Starlette) -> None:
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


@pytest.mark.parametrize(
    ("role", "projects", "method", "path"),
    [
        ("viewer", (), "PUT", "/v1/regions/kanto"),
        ("viewer", (), "POST", "/v1/apply"),
        ("operator", ("blue",), "PUT", "/v1/regions/kanto"),
        ("operator", ("blue",), "PUT", "/v1/regions/kanto/services/web?project=default"),
        ("operator", ("blue",), "POST", "/v1/regions/kanto/services/web/scale?project=default"),
        ("operator", ("blue",), "POST", "/v1/clusters/tokyo1/nodes/server1/drain"),
        ("operator", (), "PUT", "/v1/tokens/ci"),
        ("operator", (), "PUT", "/v1/projects/blue"),
    ],
)
async def test_a_body_is_not_read_for_who_may_not_write_it(
    service: Api, as_token: AsToken, role: str, projects: tuple[str, ...], method: str, path: str
) -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"{}")
        yield b"{}"

    assert (await service.put("/v1/projects/blue", json={})).is_success
    async with as_token(role, *projects) as client:
        answer = await client.request(method, path, content=body(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert read == []


async def test_an_expiry_without_a_zone_is_refused(api: Api, site: Api) -> None:
    """It was accepted, and then each use of the token answered 500."""
    for path, spec in (
        ("/v1/tokens/ci", {"role": "viewer"}),
        ("/v1/clusters/tokyo1/join-tokens/server1", {"node": "server1"}),
    ):
        refused = await site.put(path, json={"spec": {**spec, "expires_at": "2030-01-01T00:00:00"}})
        assert refused.status_code == 422
        assert refused.json()["errors"] == [
            {
                "path": "spec.expires_at",
                "message": "must have a zone, for example 2030-01-01T00:00:00Z or +09:00 in place of Z,"
                ' not "2030-01-01T00:00:00"',
            }
        ]
        made = await site.put(path, json={"spec": {**spec, "expires_at": "2030-01-01T09:00:00+09:00"}})
        assert made.status_code == 201
        assert (await site.get(path)).json()["spec"]["expires_at"] == "2030-01-01T00:00:00Z"
        same = await site.put(path, json={"spec": {**spec, "expires_at": "2030-01-01T00:00:00Z"}})
        assert (same.status_code, same.headers["etag"]) == (200, made.headers["etag"])


_NEEDED = (
    "without token {} no valid token has role admin for all projects: create another one first "
    "(resourcectl token create NAME --role admin)"
)


async def test_the_last_admin_cannot_be_deleted(api: Api, app: Starlette, clock: VirtualClock) -> None:
    """Nobody could have created another token over the API."""
    ends = (clock.now() + timedelta(hours=1)).isoformat()
    for name, spec in (
        ("ops", {"role": "operator"}),
        ("shop", {"role": "admin", "projects": ["default"]}),
        ("brief", {"role": "admin", "expires_at": ends}),
    ):
        assert (await api.put(f"/v1/tokens/{name}", json={"spec": spec})).status_code == 201
    both = [{"kind": "Token", "name": name} for name in ("admin", "brief")]
    refused = await api.post("/v1/delete", json=both)
    assert (refused.status_code, refused.json()["detail"]) == (409, _NEEDED.format("admin"))
    planned = (await api.post("/v1/delete?dry_run=true", json=both)).json()
    assert [[one["message"] for one in step["refusals"]] for step in planned["changes"]] == [
        [_NEEDED.format("admin")],
        [_NEEDED.format("brief")],
    ]

    clock.shift(3600)  # only a valid token counts
    refused = await api.delete("/v1/tokens/admin")
    assert (refused.status_code, refused.json()["detail"]) == (409, _NEEDED.format("admin"))
    assert (await api.delete("/v1/tokens/brief")).status_code == 204

    secret = (await api.put("/v1/tokens/next", json={"spec": {"role": "admin"}})).json()["observed"]["secret"]
    assert (await api.delete("/v1/tokens/admin")).status_code == 204
    async with Api(app, secret) as client:
        assert (await client.delete("/v1/tokens/next")).status_code == 409
        assert (await client.delete("/v1/tokens/ops")).status_code == 204


async def test_writing_images_is_a_right_of_its_own(site: Api, app: Starlette) -> None:
    """Every operator could choose what all nodes read."""
    made = await site.put("/v1/tokens/ci", json={"spec": {"role": "operator"}})
    path, body = "/v1/regions/kanto/images/other", {"spec": {"url": "file:///a", "checksum": "sha256:" + "0" * 64}}
    async with Api(app, made.json()["observed"]["secret"]) as operator:
        writes: list[Callable[[], Awaitable[httpx.Response]]] = [
            lambda: operator.put(path, json=body),
            lambda: operator.put(path, json=body, params={"dry_run": "true"}),
            lambda: operator.apply({"kind": "Image", "name": "other", "region": "kanto", **body}),
            lambda: operator.post("/v1/delete", json=[{"kind": "Image", "name": "guest", "region": "kanto"}]),
            lambda: operator.delete("/v1/regions/kanto/images/guest"),
        ]
        for write in writes:
            answer = await write()
            assert answer.status_code == 403, answer.text
            assert "right images" in answer.text
        assert (await operator.get("/v1/regions/kanto/images/guest")).status_code == 200
        granted = {"spec": {"role": "operator", "rights": ["images"]}}
        assert (await site.put("/v1/tokens/ci", json=granted)).status_code == 200
        assert (await operator.put(path, json=body)).status_code == 201
        assert (await site.put("/v1/tokens/ci", json={"spec": {"role": "operator"}})).status_code == 200
        assert (await operator.delete(path)).status_code == 403


SECRET = "#cloud-config\npassword: Hunter2\n"


async def test_user_data_is_a_secret_for_who_may_not_write_it(service: Api, as_token: AsToken, db: Database) -> None:
    made_by_the_controller(db, user_data=SECRET)
    wanted = {**SERVICE, "spec": {**SERVICE["spec"], "compute": {**SERVICE["spec"]["compute"], "user_data": SECRET}}}
    planned = await service.apply(wanted, {**wanted, "name": "other"}, dry_run="true")
    assert planned.status_code == 200
    assert "Hunter2" not in planned.text
    written = await service.apply(wanted)
    assert "Hunter2" not in written.text
    path = "/v1/regions/kanto/services/web"
    reads = [path, "/v1/regions/-/services?project=*", f"{path}/revisions", "/v1/regions/kanto/computes/web-0"]
    more = ["/v1/regions/-/computes", "/v1/events", "/v1/topology", "/v1/audit-records"]
    async with as_token("viewer") as viewer, as_token("viewer", "default") as own, as_token("operator") as operator:
        for client in (viewer, own):
            for read in (*reads, *more):
                answer = await client.get(read)
                assert "Hunter2" not in answer.text, read
                assert read not in reads or "(secret)" in answer.text, read
            for field in ("spec.compute.user_data=x", f"spec.compute.user_data={SECRET}", "spec.compute=x", "spec=x"):
                assert (await client.get("/v1/regions/-/services", params={"field": field})).status_code == 403
            fields = {"field": f"Compute:spec.user_data={SECRET}"}
            assert (await client.get("/v1/topology", params=fields)).status_code == 403
        for client in (service, operator):
            for read in reads:
                assert "Hunter2" in (await client.get(read)).text, read
            found = await client.get("/v1/regions/-/services", params={"field": f"spec.compute.user_data={SECRET}"})
            assert [one["name"] for one in found.json()["items"]] == ["web"]
        shown = (await viewer.get(path)).json()
        refused = await operator.put(path, json={"spec": shown["spec"]})
        assert refused.status_code == 422, "what a viewer read is not written over what it did not see"
        assert (await service.get(path)).json()["spec"]["compute"]["user_data"] == SECRET
