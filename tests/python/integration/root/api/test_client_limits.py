"""Requests of one token and one address, tokens that are not known, and watches have limits that say when to return."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from controller.client import AsyncClient
from controller.clock import VirtualClock
from controller.model import registry
from controller.model.access import TokenRole
from controller.rate_limit import Reached
from controller.root.api.app import create_app
from controller.root.api.bootstrap import ensure_default_project, first_token
from controller.root.api.client_limits import RequestLimits
from controller.root.api.settings import ApiSettings
from controller.store import resources, tokens
from controller.store.changes import Feed
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.eventually import eventually
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import SITE, Api
from tests.python.integration.root.api.serving import served, socket_in

LIMITS = RequestLimits(
    token_per_second=1,
    token_burst=5,
    address_per_second=10,
    address_burst=40,
    bad_tokens_per_second=0.5,
    bad_tokens_burst=3,
    watches_of_token=2,
)


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """One engine is enough: limits are above the store."""
    database = sqlite_databases.new(Tier.ROOT, clock)
    ensure_default_project(database)
    return database


@pytest.fixture
def met() -> Counter[str]:
    return Counter()


@pytest.fixture
def app(db: Database, clock: VirtualClock, met: Counter[str]) -> Starlette:
    settings = ApiSettings(limits=LIMITS)
    return create_app(db, Feed(db, clock), clock, settings, reached=lambda name: met.update([name]))


def client_at(app: Starlette, address: str, secret: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers={"Authorization": f"Bearer {secret}"})


def secret_of(db: Database, name: str) -> str:
    return db.write(lambda tx: tokens.create(tx, name, TokenRole.VIEWER)[1])


async def statuses(client: httpx.AsyncClient, number: int, path: str = "/v1/regions") -> Counter[int]:
    return Counter([(await client.get(path)).status_code for _ in range(number)])


async def test_a_token_has_its_share_and_others_have_theirs(
    api: Api, app: Starlette, db: Database, clock: VirtualClock, met: Counter[str]
) -> None:
    assert await statuses(api, 7) == {200: 5, 429: 2}
    refused = await api.get("/v1/regions")
    problem = refused.json()
    assert (problem["code"], problem["status"]) == ("too_many_requests", 429)
    assert int(refused.headers["retry-after"]) == 1
    assert met == {"requests_of_token": 3}
    async with client_at(app, "192.0.2.9", secret_of(db, "other")) as other:
        assert await statuses(other, 2) == {200: 2}
    clock.shift(2)
    assert await statuses(api, 3) == {200: 2, 429: 1}


async def test_a_refused_request_leaves_nothing_behind(api: Api) -> None:
    await statuses(api, 5)
    assert (await api.put("/v1/regions/kanto", json={})).status_code == 429
    assert (await api.get("/v1/audit-records")).status_code == 429


@pytest.mark.parametrize("path", ["/v1/regions", "/docs", "/nothing"])
async def test_an_address_has_its_share_whatever_it_asks_for(
    app: Starlette, db: Database, clock: VirtualClock, path: str
) -> None:
    async with client_at(app, "2001:db8::1", "x") as one, client_at(app, "2001:db8::2", "x") as same:
        await statuses(one, 40, path)
        refused = await same.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert refused.headers["x-request-id"]
    async with client_at(app, "2001:db8:1::1", secret_of(db, "other")) as other:
        assert await statuses(other, 1) == {200: 1}


async def test_unknown_tokens_are_not_looked_up_without_end_and_known_ones_go_on(
    api: Api, app: Starlette, db: Database, clock: VirtualClock, met: Counter[str]
) -> None:
    assert await statuses(api, 1) == {200: 1}
    async with client_at(app, "127.0.0.1", "rs_wrong") as guesser:
        assert await statuses(guesser, 5) == {401: 3, 429: 2}
        assert (await guesser.get("/v1/regions")).headers["retry-after"] == "2"
        assert await statuses(api, 1) == {200: 1}, "who shares the address goes on"
        clock.shift(2)
        assert await statuses(guesser, 2) == {401: 1, 429: 1}
    assert met == {"bad_tokens": 4}
    async with client_at(app, "192.0.2.9", secret_of(db, "other")) as elsewhere:
        assert await statuses(elsewhere, 1) == {200: 1}


async def test_watches_of_a_token_are_counted_until_they_end(
    api: Api, app: Starlette, db: Database, met: Counter[str], tmp_path: Path
) -> None:
    socket, secret = socket_in(tmp_path), api.headers["authorization"].removeprefix("Bearer ")
    async with (
        served(app, unix_socket=socket),
        AsyncClient(f"unix:{socket}", token=secret) as client,
        AsyncClient(f"unix:{socket}", token=secret_of(db, "other")) as other,
    ):
        first, second = client.watch(), client.watch()
        await anext(first)
        await anext(second)
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket))) as raw:
            refused = await raw.get("http://api/v1/watch", headers=dict(api.headers))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert "2 watches" in refused.json()["detail"]
        await anext(other.watch())
        await first.aclose()  # type: ignore[attr-defined]
        await eventually(lambda: app.state.services.limits.watches.count(_uid(db)) == 1)
    assert met["watches_of_token"] == 1


async def test_watches_of_all_tokens_together_are_counted_until_they_end(
    db: Database, clock: VirtualClock, met: Counter[str], tmp_path: Path
) -> None:
    """Tokens were counted one by one: twenty of them took every connection from all others."""
    settings = ApiSettings(limits=RequestLimits(watches_total=2))
    app = create_app(db, Feed(db, clock), clock, settings, reached=lambda name: met.update([name]))
    socket = socket_in(tmp_path)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served(app, unix_socket=socket))
        clients = [
            await stack.enter_async_context(AsyncClient(f"unix:{socket}", token=secret_of(db, name)))
            for name in ("one", "two", "three")
        ]
        first, second = clients[0].watch(), clients[1].watch()
        await anext(first)
        await anext(second)
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket))) as raw:
            headers = {"Authorization": f"Bearer {secret_of(db, 'four')}"}
            refused = await raw.get("http://api/v1/watch", headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert refused.json()["code"] == "too_many_requests"
        assert "all tokens together have 2 watches" in refused.json()["detail"]
        assert met == {"watches_total": 1}
        await first.aclose()  # type: ignore[attr-defined]
        await eventually(lambda: app.state.services.limits.watches.total == 1)
        await anext(clients[2].watch())


class Reader:
    """A client that reads no further than the head of its answer until it is to."""

    def __init__(self, app: Starlette, path: str, secret: str) -> None:
        self._reads_on = asyncio.Event()
        self._begun = asyncio.Event()
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"authorization", f"Bearer {secret}".encode())], "client": ("192.0.2.9", 1),
            "server": ("api", 80), "scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        self._answering = asyncio.ensure_future(app(scope, self._receive, self._send))
        self.body = b""

    async def begun(self) -> None:
        """Wait for the head of the answer."""
        await self._begun.wait()

    async def read_on(self) -> None:
        """Take the rest of the answer."""
        self._reads_on.set()
        await self._answering

    async def _receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("nothing more comes of this client")

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self._begun.set()
        await self._reads_on.wait()
        self.body += message.get("body", b"")


@pytest.mark.parametrize(
    ("limits", "label", "said"),
    [
        (RequestLimits(downloads_of_token=2), "downloads_of_token", "token reader has 2 downloads"),
        (RequestLimits(downloads_total=2), "downloads_total", "all tokens together have 2 downloads"),
    ],
)
async def test_topologies_and_snapshots_that_are_sent_are_counted_until_they_have_been(
    db: Database, clock: VirtualClock, met: Counter[str], limits: RequestLimits, label: str, said: str
) -> None:
    """A slow reader holds a file or a call to the cluster, and could have as many as it liked."""
    reached: Reached = lambda name: met.update([name])  # noqa: E731
    app = create_app(db, Feed(db, clock), clock, ApiSettings(limits=limits), FakeClusters(), reached)
    admin = first_token(db)
    async with Api(app, admin) as api:
        assert (await api.apply(*SITE)).status_code == 200
        secret = db.write(lambda tx: tokens.create(tx, "reader", "admin")[1])
        readers = [Reader(app, path, secret) for path in ("/v1/topology", "/v1/clusters/tokyo1/schedule-snapshot")]
        for reader in readers:
            await reader.begun()
        async with client_at(app, "192.0.2.9", secret) as more:
            for path in ("/v1/topology", "/v1/clusters/tokyo1/schedule-snapshot"):
                refused = await more.get(path)
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
                assert said in refused.json()["detail"]
            assert met == {label: 2}
            assert (await api.get("/v1/topology")).status_code == (200 if label == "downloads_of_token" else 429)
            for reader in readers:
                await reader.read_on()
                assert reader.body
            assert (await more.get("/v1/topology")).status_code == 200
            assert app.state.services.limits.downloads.total == 0


def _uid(db: Database) -> str:
    return db.read(lambda tx: resources.get(tx, registry.get("Token").key("admin"))).uid


async def test_a_revoked_token_is_looked_up_no_longer_than_others(api: Api, app: Starlette, db: Database) -> None:
    secret = secret_of(db, "revoked")
    async with client_at(app, "192.0.2.9", secret) as revoked:
        assert await statuses(revoked, 1) == {200: 1}
        assert (await api.delete("/v1/tokens/revoked")).status_code == 204
        assert await statuses(revoked, 5) == {401: 3, 429: 2}


async def test_refused_writes_beyond_a_rate_share_records_that_count_them(
    db: Database, clock: VirtualClock, met: Counter[str]
) -> None:
    limits = RequestLimits(refusals_per_second=0.1, refusals_burst=3)
    app = create_app(db, Feed(db, clock), clock, ApiSettings(limits=limits), reached=lambda name: met.update([name]))
    async with Api(app, first_token(db)) as api, client_at(app, "192.0.2.9", secret_of(db, "viewer")) as viewer:
        for number in range(20):
            assert (await viewer.put(f"/v1/regions/r{number}", json={})).status_code == 403
        for number in range(7):
            assert (await viewer.delete(f"/v1/regions/r{number}")).status_code == 403
        assert (await api.put("/v1/regions/R", json={})).status_code == 404, "others have records of their own"
        before = await refusals(api)
        assert Counter(one["token"] for one in before) == {"viewer": 3, "admin": 1}
        assert met == {"refused_writes": 24}

        running = asyncio.ensure_future(app.state.services.refusals.run())
        await clock.advance(61)

        async def is_written() -> bool:
            return len(await refusals(api)) == 5

        await eventually(is_written)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        together = [one for one in await refusals(api) if one not in before]
        assert [(one["token"], one["verb"], one["outcome"], one["count"]) for one in together] == [
            ("viewer", "several", "forbidden", 24)
        ]
        assert (await viewer.put("/v1/regions/again", json={})).status_code == 403
        assert len(await refusals(api)) == 6, "after a while each has its own again"


async def refusals(api: Api) -> list[dict[str, Any]]:
    answer = await api.get("/v1/audit-records")
    return [one["spec"] for one in answer.json()["items"] if one["spec"]["outcome"] != "ok"]


async def test_many_documents_are_refused_with_the_limit_and_count_as_requests(
    db: Database, clock: VirtualClock
) -> None:
    settings = ApiSettings(limits=RequestLimits(token_per_second=1, token_burst=10), documents_limit=100)
    async with Api(create_app(db, Feed(db, clock), clock, settings), first_token(db)) as api:
        regions = [{"kind": "Region", "name": f"r{number}"} for number in range(101)]
        for path in ("/v1/apply", "/v1/delete"):
            refused = await api.post(path, json=regions)
            assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
            assert "101 documents, at most 100" in refused.json()["detail"]
        assert (await api.apply(*regions[:100])).status_code == 200
        assert await statuses(api, 4) == {200: 2, 429: 2}, "3 requests, and 100 documents that count as 5"


@pytest.mark.parametrize(
    ("given", "field"),
    [("&".join(["label=a%3Db"] * 65), "query.label"), ("&".join(f"x{number}=1" for number in range(300)), "query")],
)
async def test_a_list_has_so_many_filters(api: Api, given: str, field: str) -> None:
    refused = await api.get(f"/v1/datacenters?{given}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == field
    good = "&".join(f"label=k{number}%3Db" for number in range(64))
    assert (await api.get(f"/v1/datacenters?{good}")).status_code == 200
