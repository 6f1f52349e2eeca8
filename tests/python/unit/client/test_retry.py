"""429 with Retry-After: the clients wait as long as it says, and give up after two minutes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from controller.client import AsyncClient, Client
from controller.errors import TooManyRequests
from controller.model import registry

KEY = registry.get("Region").key("kanto")


def server(refusals: int, headers: dict[str, str]) -> Callable[[httpx.Request], httpx.Response]:
    """A server that refuses so many requests, then answers."""
    left = [refusals]

    def answer(request: httpx.Request) -> httpx.Response:
        if left[0]:
            left[0] -= 1
            problem = {"code": "too_many_requests", "detail": "token ci sends too many requests"}
            return httpx.Response(429, json=problem, headers=headers)
        if request.url.path == "/v1/watch":
            return httpx.Response(200, text='{"verb": "Bookmark", "resource_version": 1}\n')
        return httpx.Response(200, json={"kind": "Region", "name": "kanto"})

    return answer


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 1),
        ({}, 1),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 1),
    ],
)
async def test_both_clients_wait_as_told(headers: dict[str, str], seconds: float) -> None:
    waits: list[float] = []

    async def pause(told: float) -> None:
        waits.append(told)

    with Client("http://api", transport=httpx.MockTransport(server(2, headers)), pause=waits.append) as client:
        assert client.get(KEY)["name"] == "kanto"
    with Client("http://api", transport=httpx.MockTransport(server(2, headers)), pause=waits.append) as client:
        assert [line["verb"] for line in client.watch()] == ["Bookmark"]
    async with AsyncClient("http://api", transport=httpx.MockTransport(server(2, headers)), pause=pause) as other:
        assert (await other.get(KEY))["name"] == "kanto"
    async with AsyncClient("http://api", transport=httpx.MockTransport(server(2, headers)), pause=pause) as other:
        assert [line["verb"] async for line in other.watch()] == ["Bookmark"]
    assert waits == [seconds] * 8


async def test_both_clients_give_up() -> None:
    waits: list[float] = []

    async def pause(told: float) -> None:
        waits.append(told)

    headers = {"Retry-After": "50"}
    with Client("http://api", transport=httpx.MockTransport(server(99, headers)), pause=waits.append) as client:
        for call in (lambda: client.get(KEY), lambda: list(client.watch())):
            with pytest.raises(TooManyRequests, match="token ci") as raised:
                call()
            assert raised.value.retry_after == 50
    async with AsyncClient("http://api", transport=httpx.MockTransport(server(99, headers)), pause=pause) as other:
        with pytest.raises(TooManyRequests):
            await other.get(KEY)
        with pytest.raises(TooManyRequests):
            await anext(other.watch())
    assert waits == [50.0] * 8


def test_a_server_that_says_only_429_was_asked_too_often() -> None:
    with (
        Client("http://api", transport=httpx.MockTransport(lambda _: httpx.Response(429)), pause=lambda _: None) as one,
        pytest.raises(TooManyRequests),
    ):
        one.get(KEY)
