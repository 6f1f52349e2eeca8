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
from ansible_collections.resource.infra.plugins.module_utils.client import ApiError, Client, Unreachable

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
    connections: t.ClassVar[set] = set()

    def do_GET(self):
        self.connections.add(self.client_address)
        if self.path == "/lines?label=a%3Db":
            self.answer(200, b'{"n": 1}\n{"n": 2}\n')
            return
        status, value = ANSWERS[self.path]
        self.answer(
            status, b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        )

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        heard = {"body": json.loads(body), "token": self.headers["Authorization"], "match": self.headers["If-Match"]}
        self.answer(201, json.dumps(heard).encode())

    def answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(name="client")
def fixture_client():
    Handler.connections = set()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}", "rs_secret", timeout=5)
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
