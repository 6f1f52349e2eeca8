"""GET /v1/watch and the console, through a real server on a unix socket (httpx cannot stream in-process)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from controller.client import AsyncClient
from controller.clock import SystemClock, VirtualClock
from controller.errors import Forbidden, NotFound, Unauthenticated, VersionsGone
from controller.model import registry
from controller.root.api.app import create_app
from controller.root.api.settings import ApiSettings
from controller.store import changes
from controller.store.changes import Feed
from controller.store.database import Database
from tests.python.eventually import eventually
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import Api
from tests.python.integration.root.api.serving import served, socket_in
from tests.python.integration.root.api.test_services import made_by_the_controller

Watch = AsyncIterator[dict[str, Any]]


@pytest.fixture
def app(db: Database, clock: VirtualClock, settings: ApiSettings, clusters: FakeClusters) -> FastAPI:
    """The feed polls by the machine's clock; everything else stands on the test's."""
    return create_app(db, Feed(db, SystemClock(), 0.02), clock, settings, clusters)


@pytest.fixture
async def client(app: FastAPI, api: Api, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """An admin's client of the served app."""
    socket = socket_in(tmp_path)
    secret = api.headers["authorization"].removeprefix("Bearer ")
    async with served(app, unix_socket=socket), AsyncClient(f"unix:{socket}", token=secret) as made:
        yield made


async def next_change(watch: Watch) -> tuple[str, str]:
    """The next line that is no bookmark."""
    async with asyncio.timeout(60):
        async for line in watch:
            if line["verb"] != "Bookmark":
                return line["verb"], line["resource"]["name"]
    raise AssertionError("the stream ended")


def region(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Region", "name": name, "labels": labels}


async def test_a_list_and_a_watch_from_it_miss_nothing(client: AsyncClient, api: Api) -> None:
    await client.put(region("a"))
    since = (await api.get("/v1/regions")).json()["resource_version"]
    await client.put(region("b"))
    watch = client.watch(["Region"], since)
    assert await next_change(watch) == ("Created", "b"), "from the log"
    await client.put(region("a", env="lab"))
    assert await next_change(watch) == ("Updated", "a"), "as it happens"
    await client.delete(registry.get("Region").key("b"))
    assert await next_change(watch) == ("Deleted", "b")


async def test_without_since_a_watch_begins_now_with_a_bookmark(client: AsyncClient) -> None:
    await client.put(region("before"))
    watch = client.watch(["Region"])
    first = await anext(watch)
    assert first["verb"] == "Bookmark"
    await client.put(region("after"))
    assert await next_change(watch) == ("Created", "after")


async def test_bookmarks_follow_what_is_not_told(client: AsyncClient) -> None:
    watch = client.watch(["Rack"])
    first = await anext(watch)
    await client.put(region("a"))
    second = await anext(watch)
    assert (second["verb"], second["resource_version"]) == ("Bookmark", first["resource_version"] + 1)


async def test_what_stops_matching_a_label_is_told_as_deleted(client: AsyncClient) -> None:
    watch = client.watch(["Region"], labels=["env=lab"])
    await anext(watch)
    await client.put(region("other", env="prod"))
    await client.put(region("mine", env="lab"))
    assert await next_change(watch) == ("Created", "mine")
    await client.put(region("mine", env="prod"))
    assert await next_change(watch) == ("Deleted", "mine")


async def test_a_projects_token_is_told_its_own_only(
    client: AsyncClient, service: Api, as_token: Callable[..., Api], tmp_path: Path
) -> None:
    await service.apply({"kind": "Project", "name": "shop"})
    secret = as_token("viewer", "shop").headers["authorization"].removeprefix("Bearer ")
    async with AsyncClient(f"unix:{tmp_path / 'api.sock'}", token=secret) as shop:
        watch = shop.watch(["GlobalService"])
        await anext(watch)
        for project in ("default", "shop"):
            spec = {"domain": f"{project}.example.com"}
            await client.put({"kind": "GlobalService", "name": project, "project": project, "spec": spec})
        assert await next_change(watch) == ("Created", "shop")
        with pytest.raises(Forbidden):
            await anext(shop.watch(["Token"]))


async def test_a_compacted_version_is_gone(client: AsyncClient, db: Database) -> None:
    for number in range(5):
        await client.put(region(f"r{number}"))
    db.write(lambda tx: changes.compact(tx, 1))
    with pytest.raises(VersionsGone):
        await anext(client.watch(["Region"], 1))


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_watch_ends_with_its_token(client: AsyncClient, clock: VirtualClock, tmp_path: Path, end: str) -> None:
    expiry = (clock.now() + timedelta(seconds=60)).isoformat()
    token = {"kind": "Token", "name": "ci", "spec": {"role": "viewer", "expires_at": expiry}}
    secret = (await client.put(token))["observed"]["secret"]
    async with AsyncClient(f"unix:{tmp_path / 'api.sock'}", token=secret) as other:
        ended, kept = other.watch(["Region"]), client.watch(["Region"])
        await anext(ended)
        await anext(kept)
        if end == "revoked":
            await client.delete(registry.get("Token").key("ci"))
        else:
            clock.shift(60)
        await client.put(region("a"))
        async with asyncio.timeout(60):
            assert [line async for line in ended] == [], "nothing more is told, be it a bookmark"
        assert await next_change(kept) == ("Created", "a")


async def test_a_watch_ends_with_the_process(client: AsyncClient, app: FastAPI) -> None:
    watch = client.watch(["Region"])
    await anext(watch)
    app.state.drain.stop()
    async with asyncio.timeout(60):
        assert [line async for line in watch] == []


async def test_the_feed_forgets_who_hung_up(client: AsyncClient, app: FastAPI) -> None:
    watch = client.watch(["Region"])
    await anext(watch)
    subscribers = app.state.services.feed._subscribers
    await client.put(region("a"))
    await eventually(lambda: len(subscribers) == 1)
    await watch.aclose()  # type: ignore[attr-defined]
    await eventually(lambda: not subscribers)


async def test_the_console_carries_bytes_both_ways(client: AsyncClient, service: Api, db: Database) -> None:
    made_by_the_controller(db)
    key = registry.get("Compute").key("kanto", "web-0")
    async with asyncio.timeout(60), client.console(key) as console:
        received = console.received()
        await console.send(b"hello\x00\xff")
        assert await anext(received) == b"hello\x00\xff"
        await console.send(b"exit")
        assert [data async for data in received] == []


async def test_the_console_is_refused_as_everything_else(
    client: AsyncClient, service: Api, as_token: Callable[..., Api], db: Database, tmp_path: Path
) -> None:
    made_by_the_controller(db)
    key = registry.get("Compute").key("kanto", "web-0")
    viewer = as_token("viewer").headers["authorization"].removeprefix("Bearer ")
    url = f"unix:{tmp_path / 'api.sock'}"
    for token, expected in ((viewer, Forbidden), ("wrong", Unauthenticated)):
        async with AsyncClient(url, token=token) as other:
            with pytest.raises(expected):
                async with other.console(key):
                    pass
    with pytest.raises(NotFound):
        async with client.console(registry.get("Compute").key("kanto", "web-9")):
            pass
