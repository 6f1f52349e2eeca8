# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against answers that a server can give, and against none."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t

import pytest
from ansible_collections.resource.infra.plugins.module_utils.client import (
    ApiError,
    Client,
    ClientError,
    OtherVersion,
    Unreachable,
)

ANSWERS = {
    "/good": (200, {"name": "r1"}),
    "/empty": (204, None),
    "/moved": (302, None),
    "/no-json": (200, "hello"),
    "/bad": (422, {"code": "invalid", "detail": "2 problems", "errors": [{"path": "spec.units", "message": "is 0"}]}),
    "/used": (409, {"code": "conflict", "detail": "Rack r1 is in use", "users": ["Node n1"], "user_count": 3}),
    "/proxy": (502, "Bad gateway"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the table; ``/lines`` is a stream that says which token came."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait for the delayed acknowledgement of its head
    connections: t.ClassVar[set] = set()
    version: t.ClassVar[str] = "1"  # or None
    written: t.ClassVar[list] = []
    refusals: t.ClassVar[int] = 0

    def do_GET(self):
        self.connections.add(self.client_address)
        if self.refused():
            return
        if self.path == "/lines?label=a%3Db":
            self.answer(200, b'{"n": 1}\n{"n": 2}\n')
            return
        status, value = ANSWERS.get(self.path, (404, "nothing"))
        self.answer(
            status, b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        )

    def do_PUT(self):
        if self.refused():
            return
        self.written.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        heard = {"body": json.loads(body), "token": self.headers["Authorization"], "match": self.headers["If-Match"]}
        if "X-Site" in self.headers:
            heard["site"] = self.headers["X-Site"]
        self.answer(201, json.dumps(heard).encode())

    retry_after = "50"

    def refused(self):
        if Handler.refusals == 0 or self.path == "/v1":
            return False
        Handler.refusals -= 1
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.answer(429, b'{"code": "too_many_requests", "detail": "token ci sends too many requests"}')
        return True

    def answer(self, status, content):
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", self.retry_after)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "http://127.0.0.1:1/")
        if self.version is not None:
            self.send_header("X-Api-Version", self.version)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(name="client")
def fixture_client():
    Handler.connections, Handler.version, Handler.written, Handler.refusals = set(), "1", [], 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}", "rs_secret", timeout=60)
        yield client
        client.close()
        server.shutdown()
        thread.join()


def test_answers_are_decoded_over_one_connection(client):
    assert client.request("GET", "/good") == (200, {"name": "r1"})
    assert client.request("GET", "/empty") == (204, None)
    assert len(Handler.connections) == 1


def test_body_token_and_headers_are_sent(client):
    status, heard = client.request("PUT", "/x", body={"a": [1]}, headers={"If-Match": '"4"'})
    assert (status, heard) == (201, {"body": {"a": [1]}, "token": "Bearer rs_secret", "match": '"4"'})


def test_client_waits_as_told_and_gives_up(client):
    pauses = []
    client._pause = pauses.append
    Handler.refusals = 2
    assert client.request("PUT", "/x", body={})[0] == 201
    Handler.refusals = 2
    assert list(client.stream("/lines", query=[("label", "a=b")])) == [b'{"n": 1}\n', b'{"n": 2}\n']
    assert pauses == [50.0] * 4
    Handler.refusals = 6
    for call in (lambda: client.request("GET", "/good"), lambda: list(client.stream("/good"))):
        with pytest.raises(ApiError, match="token ci sends too many requests"):
            call()
    assert pauses == [50.0] * 8
    assert Handler.written == ["/x"]


def test_client_is_not_told_to_ask_without_end(client, monkeypatch):
    pauses = []
    client._pause = pauses.append
    monkeypatch.setattr(Handler, "retry_after", "0")
    Handler.refusals = 1
    assert client.request("PUT", "/x", body={})[0] == 201
    assert pauses == [1.0]


def test_other_version_is_refused_before_anything_is_written(client):
    Handler.version = "2"
    calls = [lambda: client.request("GET", "/good"), lambda: client.request("PUT", "/x", body={})]
    calls.append(lambda: list(client.stream("/lines", query=[("label", "a=b")])))
    for call in calls:
        with pytest.raises(OtherVersion, match="speaks version 2 of the API, this collection speaks version 1"):
            call()
    assert Handler.written == []


@pytest.mark.parametrize("version", ["1", None])
def test_own_version_or_none_is_taken_and_asked_for_once(client, version):
    Handler.version = version
    assert [client.request("PUT", "/x", body={})[0] for _count in range(2)] == [201, 201]
    assert len(Handler.connections) == 1


@pytest.mark.parametrize("token", ["rs_secret\n", " rs_secret"])
def test_blanks_around_a_token_are_no_part_of_it(client, token):
    other = Client(client._url, token)
    assert other.request("PUT", "/x", body={})[1]["token"] == "Bearer rs_secret"
    other.close()


@pytest.mark.parametrize("token", ["rs_secret\nX: y", "rs secret", "rs_s\u00e9cret"])
def test_token_that_can_be_none_is_refused_and_not_shown(token):
    with pytest.raises(ClientError) as caught:
        Client("http://127.0.0.1:1", token).request("GET", "/good")
    assert "cret" not in str(caught.value)
    assert "the token holds" in str(caught.value)


def test_stream_gives_lines(client):
    assert list(client.stream("/lines", query=[("label", "a=b")])) == [b'{"n": 1}\n', b'{"n": 2}\n']


def test_refusal_names_each_field(client):
    with pytest.raises(ApiError) as caught:
        client.request("GET", "/bad")
    assert (caught.value.status, caught.value.code, str(caught.value)) == (422, "invalid", "spec.units: is 0")


def test_conflict_names_the_users(client):
    with pytest.raises(ApiError) as caught:
        client.request("GET", "/used")
    assert str(caught.value) == "Rack r1 is in use, used by Node n1 and 2 more"


@pytest.mark.parametrize(("path", "words"), [("/proxy", "answered 502: Bad gateway"), ("/moved", "answered 302")])
def test_other_answers_are_refusals_and_redirects_are_not_followed(client, path, words):
    with pytest.raises(ApiError) as caught:
        client.request("GET", path)
    assert words in str(caught.value)


def test_answer_that_is_no_json_is_told(client):
    with pytest.raises(Unreachable) as caught:
        client.request("GET", "/no-json")
    assert "no JSON" in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "unix:/nowhere.sock"])
def test_no_server_is_unreachable(url):
    with pytest.raises(Unreachable) as caught:
        Client(url, None).request("GET", "/good")
    assert str(caught.value).startswith(f"{url} cannot be reached")


def test_address_must_be_one():
    with pytest.raises(Unreachable):
        Client("ftp://x", None)


def test_further_headers_are_sent(client):
    more = Client(client._url, "rs_secret", timeout=60, headers={"X-Site": "tokyo"})
    assert more.request("PUT", "/x", body={})[1]["site"] == "tokyo"
    more.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "s3cret"},
        {"X-A": "s3cret\r\nX-B: 1"},
        {"X A": "s3cret"},
        {"X-A": ["s3cret"]},
        {"X-A:s3cret=": "="},
    ],
)
def test_impossible_headers_are_refused_without_their_values(headers):
    with pytest.raises(ClientError, match="headers: ") as refused:
        Client("http://127.0.0.1:1", "rs_secret", headers=headers)
    assert "s3cret" not in str(refused.value)


def test_a_key_without_a_certificate_is_refused():
    with pytest.raises(ClientError, match="client_cert"):
        Client("https://127.0.0.1:1", "rs_secret", client_key="/x")
