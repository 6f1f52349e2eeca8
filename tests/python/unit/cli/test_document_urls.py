"""``-f URL``: what a server answers is a text, or one clear error; nothing secret is printed or sent."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from controller.cli import document_urls, documents
from controller.cli.exit_codes import ExitCode, UsageProblem, exit_code
from controller.errors import ResourceError, TimedOut, TooLarge

URL = "https://files.example.com/web.yaml"
TEXT = "kind: Region\nname: kantō\n"

Answer = Callable[[httpx.Request], httpx.Response]


def fetched(answer: Answer | httpx.Response, url: str = URL) -> str:
    """What is fetched from a server that answers so."""
    handler = answer if callable(answer) else lambda _: answer
    return document_urls.fetch(url, httpx.MockTransport(handler))


def refused(answer: Answer | httpx.Response, url: str = URL) -> ResourceError:
    with pytest.raises(ResourceError) as caught:
        fetched(answer, url)
    return caught.value


def test_a_text_comes_as_utf_8_whatever_the_server_calls_it() -> None:
    headers = {"content-type": "text/plain; charset=latin-1"}
    assert fetched(httpx.Response(200, content=TEXT.encode(), headers=headers)) == TEXT


def test_a_compressed_text_is_unpacked() -> None:
    packed = httpx.Response(200, content=gzip.compress(TEXT.encode()), headers={"content-encoding": "gzip"})
    assert fetched(packed) == TEXT


def test_the_request_has_no_token_and_asks_for_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESOURCE_TOKEN", "s3cret")
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text=TEXT)

    fetched(answer)
    (request,) = seen
    assert "authorization" not in request.headers
    assert "s3cret" not in str(request.headers)


def test_a_password_of_the_url_goes_to_its_own_server_only() -> None:
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[request.url.host] = request.headers.get("authorization")
        if request.url.host == "files.example.com":
            return httpx.Response(302, headers={"location": "https://other.example.com/web.yaml"})
        return httpx.Response(200, text=TEXT)

    assert fetched(answer, "https://ops:s3cret@files.example.com/web.yaml") == TEXT
    assert seen["files.example.com"] is not None
    assert seen["other.example.com"] is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ops:s3cret@files.example.com/a/web.yaml?token=s3cret#s3cret", "https://files.example.com/a/web.yaml"),
        ("https://files.example.com?token=s3cret@x/y", "https://files.example.com"),
        ("http://ops:s3@cret@[::1]:80/web.yaml", "http://[::1]:80/web.yaml"),
        ("https://files.example.com/a@b.yaml", "https://files.example.com/a@b.yaml"),
    ],
)
def test_what_is_printed_of_a_url_has_no_secrets(url: str, shown: str) -> None:
    assert document_urls.shown(url) == shown


def test_no_error_prints_a_secret() -> None:
    url = "https://ops:s3cret@files.example.com/web.yaml?token=s3cret"
    answers: list[Answer | httpx.Response] = [
        httpx.Response(404),
        httpx.Response(503),
        httpx.Response(200, content=b"\xff"),
        httpx.Response(200, text="<html>"),
        httpx.Response(302, headers={"location": "ftp://ops:s3cret@x/y?token=s3cret"}),
        _raising(httpx.ConnectError("connection refused")),
        _raising(httpx.ReadTimeout("")),
    ]
    for answer in answers:
        message = refused(answer, url).message
        assert "s3cret" not in message
        assert message.startswith("-f https://files.example.com/web.yaml: ")


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (httpx.Response(404), ExitCode.USAGE, "the server answered 404 Not Found"),
        (httpx.Response(401), ExitCode.USAGE, "the server answered 401 Unauthorized"),
        (httpx.Response(204), ExitCode.USAGE, "the server answered 204 No Content"),
        (httpx.Response(299), ExitCode.USAGE, "the server answered 299"),
        (httpx.Response(503), ExitCode.TRY_AGAIN, "the server answered 503 Service Unavailable"),
        (httpx.Response(429), ExitCode.TRY_AGAIN, "the server answered 429 Too Many Requests"),
        (
            httpx.Response(200, text="x", headers={"content-type": "text/html; charset=utf-8"}),
            ExitCode.USAGE,
            "is an HTML page, not a document; give the URL of the raw file",
        ),
        (
            httpx.Response(200, text="\n <!DOCTYPE html><html>", headers={"content-type": "text/plain"}),
            ExitCode.USAGE,
            "is an HTML page, not a document; give the URL of the raw file",
        ),
        (httpx.Response(200, content=b"name: \xff\xfe"), ExitCode.USAGE, "is not UTF-8 text"),
        (
            httpx.Response(200, stream=httpx.ByteStream(b"no gzip"), headers={"content-encoding": "gzip"}),
            ExitCode.USAGE,
            "the content is not encoded as the server says",
        ),
        (
            httpx.Response(200, stream=httpx.ByteStream(b"x"), headers={"content-encoding": "gzip, gzip"}),
            ExitCode.USAGE,
            "content encoding 'gzip, gzip' is not supported",
        ),
        (
            httpx.Response(302, headers={"location": "file:///etc/passwd"}),
            ExitCode.USAGE,
            "leads to another address: scheme 'file' is not supported; use http or https",
        ),
        (
            httpx.Response(302, headers={"location": "http://files.example.com/web.yaml"}),
            ExitCode.USAGE,
            "leads from https to http, which is not followed",
        ),
        (httpx.Response(302, headers={"location": "/web.yaml"}), ExitCode.USAGE, "has more than 5 redirects"),
    ],
)
def test_each_bad_answer_is_one_clear_error(answer: httpx.Response, code: ExitCode, message: str) -> None:
    def again(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    error = refused(again)
    assert error.message == f"-f {URL}: {message}"
    assert exit_code(error) == code


def _raising(error: Exception) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ReadTimeout("slow"), "the server did not answer within 15 s"),
        (httpx.ConnectError("[Errno -2] unknown"), "the server cannot be reached: [Errno -2] unknown"),
        (httpx.RemoteProtocolError("cut"), "the server cannot be reached: cut"),
    ],
)
def test_a_server_that_cannot_be_reached_may_be_tried_again(error: Exception, message: str) -> None:
    found = refused(_raising(error))
    assert found.message == f"-f {URL}: {message}"
    assert exit_code(found) == ExitCode.TRY_AGAIN


def test_redirects_are_followed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        step = int(request.url.params.get("step", "0"))
        if step < document_urls.MOST_REDIRECTS:
            return httpx.Response(307, headers={"location": f"/web.yaml?step={step + 1}"})
        return httpx.Response(200, text=TEXT)

    assert fetched(answer) == TEXT


def test_a_text_without_an_end_is_too_large() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for part in itertools.repeat(b"a" * 1024 * 1024):
            yield part

    error = refused(lambda _: httpx.Response(200, content=endless()))
    assert isinstance(error, TooLarge)
    assert error.message == f"-f {URL}: is larger than 32 MiB"


async def _never() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.Event().wait()


async def _silent(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _in_circles(request: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"location": "/x"}) if request.url.path != "/x" else await _silent(request)


@pytest.mark.parametrize(
    "answer", [_silent, _in_circles, lambda _: httpx.Response(200, content=_never())], ids=["head", "redirect", "body"]
)
def test_an_exchange_ends_with_the_time_wherever_it_is(answer: Answer) -> None:
    with pytest.raises(TimedOut, match=r"^-f https://files\.example\.com/web\.yaml: took longer than 0\.01 s$"):
        document_urls.fetch(URL, httpx.MockTransport(answer), most_seconds=0.01)


@pytest.mark.parametrize("url", ["ftp://x/y.yaml", "file:///etc/passwd", "S3://bucket/key"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(UsageProblem, match=r"scheme '(ftp|file|S3)' is not supported; use http or https"):
        documents.read([url])


@pytest.mark.parametrize("url", ["http://", "http://[::1/x", "http://files.example.com:port/x"])
def test_what_is_no_url_is_a_usage_problem(url: str) -> None:
    assert exit_code(refused(httpx.Response(200, text=TEXT), url)) == ExitCode.USAGE


def test_documents_of_urls_have_their_places_among_files() -> None:
    names = [f"{URL}?token=s3cret", "http://other.example.com/b.yaml"]
    read = documents.read(names, fetch=lambda url: TEXT if url.startswith("http:") else f"{TEXT}---\n{TEXT}")
    assert [source.place for source in read] == [f"{URL}[0]", f"{URL}[1]", "http://other.example.com/b.yaml[0]"]


def test_a_url_without_documents_says_so_without_its_secrets() -> None:
    with pytest.raises(UsageProblem, match=r"^-f https://files\.example\.com/web\.yaml: no documents found$"):
        documents.read([f"{URL}?token=s3cret"], fetch=lambda _: "")
