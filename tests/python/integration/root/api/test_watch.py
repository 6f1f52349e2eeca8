"""GET /v1/watch and the console, through a real server on a unix socket (httpx cannot stream in-process)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from controller.client import AsyncClient
from controller.clock import SystemClock, VirtualClock
from controller.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated, Unavailable, VersionsGone
from controller.model import registry
from controller.root.api.app import create_app
from controller.root.api.client_limits import RequestLimits
from controller.root.api.settings import ApiSettings
from controller.store import changes, tokens
from controller.store.changes import Feed
from controller.store.database import Database, Transaction
from tests.python.eventually import eventually
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import SERVICE, Api
from tests.python.integration.root.api.serving import served, socket_in
from tests.python.integration.root.api.test_services import made_by_the_controller

Watch = AsyncIterator[dict[str, Any]]


@pytest.fixture
def app(db: Database, clock: VirtualClock, settings: ApiSettings, clusters: FakeClusters) -> Starlette:
    """The feed polls by the machine's clock; everything else uses the clock of the test."""
    limited = settings.model_copy(update={"limits": RequestLimits(consoles_of_token=3, consoles_total=4)})
    return create_app(db, Feed(db, SystemClock(), 0.02), clock, limited, clusters)


@pytest.fixture
async def client(app: Starlette, api: Api, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """An admin's client of the served app."""
    socket = socket_in(tmp_path)
    secret = api.headers["authorization"].removeprefix("Bearer ")
    async with served(app, unix_socket=socket), AsyncClient(f"unix:{socket}", token=secret) as made:
        yield made


async def next_change(watch: Watch) -> tuple[str, str]:
    """Return the next line that is not a bookmark."""
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


async def test_a_watch_hides_secrets_from_a_viewer(
    client: AsyncClient, service: Api, as_token: Callable[..., Api], tmp_path: Path
) -> None:
    secret = as_token("viewer").headers["authorization"].removeprefix("Bearer ")
    document = json.loads(json.dumps(SERVICE))
    document["spec"]["compute"]["user_data"] = "Hunter2"
    async with AsyncClient(f"unix:{tmp_path / 'api.sock'}", token=secret) as viewer:
        watches = [viewer.watch(["RegionService"]), client.watch(["RegionService"])]
        for watch in watches:
            await anext(watch)
        await client.put(document)
        seen = []
        async with asyncio.timeout(60):
            for watch in watches:
                line = await anext(watch)
                seen.append(line["resource"]["spec"]["compute"]["user_data"])
    assert seen == ["(secret)", "Hunter2"]


async def test_a_compacted_version_is_gone(client: AsyncClient, db: Database) -> None:
    for number in range(5):
        await client.put(region(f"r{number}"))
    db.write(lambda tx: changes.compact(tx, 1))
    with pytest.raises(VersionsGone):
        await anext(client.watch(["Region"], 1))


async def test_a_watch_of_which_nothing_changes_ends_at_the_expiry_of_its_token(
    client: AsyncClient, clock: VirtualClock, tmp_path: Path
) -> None:
    """It was found with the next change only."""
    async with AsyncClient(f"unix:{tmp_path / 'api.sock'}", token=await expiring(client, clock)) as other:
        ended = other.watch(["Region"])
        await anext(ended)
        async with asyncio.timeout(60):
            rest = asyncio.ensure_future(_all(ended))
            while not rest.done():
                await clock.advance(10)
            assert await rest == []


async def _all(watch: Watch) -> list[dict[str, Any]]:
    return [line async for line in watch]


async def expiring(client: AsyncClient, clock: VirtualClock) -> str:
    """Return the secret of a token of an operator that ends after a minute."""
    expiry = (clock.now() + timedelta(seconds=60)).isoformat()
    token = {"kind": "Token", "name": "ci", "spec": {"role": "operator", "expires_at": expiry}}
    return str((await client.put(token))["observed"]["secret"])


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
            assert [line async for line in ended] == [], "nothing more is sent, not even a bookmark"
        assert await next_change(kept) == ("Created", "a")


async def test_a_watch_ends_with_the_process(client: AsyncClient, app: Starlette) -> None:
    watch = client.watch(["Region"])
    await anext(watch)
    app.state.drain.stop()
    async with asyncio.timeout(60):
        assert [line async for line in watch] == []


async def test_the_feed_forgets_who_hung_up(client: AsyncClient, app: Starlette) -> None:
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
    name = "default/kanto/web-0"
    await eventually_closed(service, [("admin", verb, name, "ok") for verb in ("OpenConsole", "CloseConsole")])


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_console_ends_with_its_token_and_leaves_records(
    client: AsyncClient, service: Api, db: Database, clock: VirtualClock, tmp_path: Path, end: str
) -> None:
    """It went on until its user closed it."""
    made_by_the_controller(db)
    secret = await expiring(client, clock)
    key = registry.get("Compute").key("kanto", "web-0")
    async with (
        asyncio.timeout(60),
        AsyncClient(f"unix:{tmp_path / 'api.sock'}", token=secret) as other,
        other.console(key) as console,
    ):
        received = console.received()
        await console.send(b"hello")
        assert await anext(received) == b"hello"
        opened = await consoles(service)
        rest = asyncio.ensure_future(anext(received))
        if end == "revoked":
            await client.delete(registry.get("Token").key("ci"))
        while not rest.done():
            await clock.advance(10 if end == "expired" else 0)
        with pytest.raises(Unavailable, match="the token was revoked or has expired"):
            await rest
    assert opened == [("ci", "OpenConsole", "default/kanto/web-0", "ok")]
    await eventually_closed(service, [*opened, ("ci", "CloseConsole", "default/kanto/web-0", "unauthenticated")])


async def test_a_token_has_so_many_consoles_and_others_have_theirs(
    client: AsyncClient, service: Api, app: Starlette, db: Database, tmp_path: Path
) -> None:
    """All consoles of a cluster share one connection: one token took every call of it from all others."""
    made_by_the_controller(db)
    key = registry.get("Compute").key("kanto", "web-0")
    other_secret = db.write(lambda tx: tokens.create(tx, "other", "operator")[1])
    async with (
        asyncio.timeout(60),
        AsyncExitStack() as first,
        AsyncClient(f"unix:{tmp_path / 'api.sock'}", token=other_secret) as other,
    ):
        for _ in range(app.state.services.settings.limits.consoles_of_token):
            await first.enter_async_context(client.console(key))
        with pytest.raises(TooManyRequests, match="token admin has 3 consoles already"):
            async with client.console(key):
                pass
        async with other.console(key) as console:
            await console.send(b"hello")
            assert await anext(console.received()) == b"hello"
        await first.aclose()
        limits = app.state.services.limits
        await eventually(lambda: not limits.consoles._open)
        async with client.console(key):
            pass


async def test_all_tokens_together_have_so_many_consoles(
    client: AsyncClient, service: Api, app: Starlette, db: Database, tmp_path: Path
) -> None:
    """Only each token had a limit: ten of them took every call of the cluster's connection."""
    made_by_the_controller(db)
    key = registry.get("Compute").key("kanto", "web-0")
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        others = [
            await stack.enter_async_context(
                AsyncClient(
                    f"unix:{tmp_path / 'api.sock'}",
                    token=db.write(partial(_secret_of, name=f"other{number}")),
                )
            )
            for number in range(5)
        ]
        for other in others[:4]:
            await stack.enter_async_context(other.console(key))
        with pytest.raises(TooManyRequests, match="all tokens together have 4 consoles already") as refused:
            async with others[4].console(key):
                pass
        assert refused.value.retry_after == 5
        first = await consoles(service)
        assert {token for token, _, _, _ in first} == {f"other{number}" for number in range(4)}, "no record of it"
        await stack.aclose()
        await eventually(lambda: not app.state.services.limits.consoles.total)
        async with client.console(key):
            pass


def _secret_of(tx: Transaction, name: str) -> str:
    return tokens.create(tx, name, "operator")[1]


async def consoles(api: Api) -> list[tuple[str, str, str, str]]:
    """Return token, verb, resource and outcome of the records about consoles, sorted: the clock stands still."""
    records = (await api.get("/v1/audit-records", params={"limit": 1000})).json()["items"]
    specs = [record["spec"] for record in records]
    return sorted(
        (one["token"], one["verb"], one["resource"], one["outcome"])
        for one in specs
        if one["verb"] in ("OpenConsole", "CloseConsole")
    )


async def eventually_closed(api: Api, expected: list[tuple[str, str, str, str]]) -> None:
    async with asyncio.timeout(60):
        while (found := await consoles(api)) != sorted(expected):
            assert len(found) <= len(expected), found
            await asyncio.sleep(0)


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
    assert await consoles(service) == [
        ("admin", "OpenConsole", "default/kanto/web-9", "not_found"),
        ("token-viewer", "OpenConsole", "default/kanto/web-0", "forbidden"),
    ]
