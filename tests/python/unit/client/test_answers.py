"""What a server refuses is raised as the error that it was on the server."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from controller import errors
from controller.client import Client
from controller.client.answers import error_of
from controller.errors import Problem, ResourceError
from controller.model import registry
from controller.root.api import problems

KEY = registry.get("Region").key("kanto")
RAISED: list[ResourceError] = [
    errors.InvalidInput([Problem("spec.floor", "is required"), Problem("", "nothing")]),
    errors.Unauthenticated("who"),
    errors.Forbidden("no"),
    errors.NotFound("gone"),
    errors.Conflict("in use", users=["RegionService default/kanto/web"], user_count=30),
    errors.VersionsGone("old"),
    errors.PreconditionFailed("stale"),
    errors.TooLarge("long"),
    errors.NoRoom("full", {"no memory": 3}),
    errors.AddressesExhausted("none left"),
    errors.TooManyRequests("often"),
    errors.Unavailable("away"),
    errors.TimedOut("late"),
]


def client_of(handler: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://api", token="t", transport=httpx.MockTransport(handler))


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: error.code)
def test_errors_survive_the_way_through_http(raised: ResourceError) -> None:
    answer = problems.response(raised, "r1")
    seen = error_of(answer.status_code, bytes(answer.body).decode(), answer.headers)
    assert type(seen) is type(raised)
    assert {name: value for name, value in vars(seen).items() if name != "args"} == vars(raised)


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (502, "<html>bad gateway</html>", errors.TemporaryError),
        (418, "teapot", errors.PermanentError),
        (500, json.dumps({"code": "internal", "detail": "ours"}), errors.InternalError),
        (400, json.dumps({"code": "never_heard_of", "detail": "?"}), errors.PermanentError),
        (400, "[1]", errors.PermanentError),
    ],
)
def test_strange_answers_fall_back_on_their_status(status: int, text: str, expected: type[ResourceError]) -> None:
    assert type(error_of(status, text, {})) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (httpx.ConnectError("refused"), errors.Unavailable),
        (httpx.ReadTimeout("slow"), errors.TimedOut),
        (httpx.RemoteProtocolError("cut"), errors.Unavailable),
    ],
)
def test_failures_of_the_connection_are_ours(failure: Exception, expected: type[ResourceError]) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise failure

    with client_of(handler) as client, pytest.raises(expected):
        client.get(KEY)


def test_an_answer_that_is_no_json_is_temporary() -> None:
    with client_of(lambda request: httpx.Response(200, text="<html>")) as client, pytest.raises(errors.TemporaryError):
        client.get(KEY)


def test_lists_ask_page_after_page_for_every_parent_and_project() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        last = "after" in request.url.params
        page = {"items": [{"name": "b" if last else "a"}], "next_after": None if last else "x/a", "resource_version": 1}
        return httpx.Response(200, json=page)

    with client_of(handler) as client:
        found = client.list("RegionService", labels=["env=lab"], fields={"status": "Active"}, page_size=1)
        assert [item["name"] for item in found] == ["a", "b"]
    query = "label=env%3Dlab&field=status%3DActive&project=%2A&limit=1"
    assert asked == [
        f"http://api/v1/regions/-/services?{query}",
        f"http://api/v1/regions/-/services?{query}&after=x%2Fa",
    ]


def test_the_token_and_the_condition_are_sent() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t"
        assert request.headers["if-match"] == '"42"'
        assert json.loads(request.content) == {"kind": "Region", "name": "kanto"}
        return httpx.Response(200, json={"name": "kanto"})

    with client_of(handler) as client:
        assert client.put({"kind": "Region", "name": "kanto"}, if_match=42) == {"name": "kanto"}


def test_a_watch_is_taken_up_where_it_broke_off() -> None:
    streams = [
        '{"verb": "Bookmark", "resource_version": 5}\n{"verb": "Created", "resource_version": 6, "resource": {}}\n',
        '{"verb": "Updated", "resource_version": 7, "resource": {}}\n{"verb": "Gone", "detail": "too slow"}\n',
    ]
    since: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        since.append(request.url.params.get("since"))
        return httpx.Response(200, text=streams[len(since) - 1])

    seen: list[str] = []
    with client_of(handler) as client, pytest.raises(errors.VersionsGone, match="too slow"):
        seen.extend(change["verb"] for change in client.follow(["Region"]))
    assert since == [None, "6"]


def test_following_gives_up_when_nobody_answers_twice() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with client_of(handler) as client, pytest.raises(errors.Unavailable):
        next(client.follow())
