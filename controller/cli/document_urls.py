"""Texts from web servers, for ``-f URL``: within limits of size, time and redirects.

The time is that of the whole exchange, whatever the server does in it: a head that arrives byte by byte keeps no limit
between two bytes. So the exchange runs in an event loop of its own, which ends it. Only the system's resolver of names
is outside of it, and has limits of its own.

A URL is nobody's API: the request carries no token, and the server is verified with the system's authorities (or those
of SSL_CERT_FILE). Names and passwords in a URL go to its own server only. They are never printed, and neither is the
query, in which signed URLs have their secrets.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

from controller.cli.exit_codes import UsageProblem
from controller.errors import ResourceError, TemporaryError, TimedOut, TooLarge, Unavailable

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 32 * 1024 * 1024
"""As much as the API accepts in one request."""
MOST_SECONDS = 60.0
"""For one URL: from the first connection to the last byte, with its redirects."""
MOST_REDIRECTS = 5
_SILENT_SECONDS = 15.0
"""How long a server may take to accept a connection, or to send the next part."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)


def is_url(name: str) -> bool:
    """Return whether a value of ``-f`` is a URL and not a path."""
    return _SCHEME.match(name) is not None


def shown(url: str) -> str:
    """Return the URL as it may be printed: without name, password, query and fragment."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def fetch(
    url: str,
    transport: httpx.AsyncBaseTransport | None = None,  # None: the network
    most_seconds: float = MOST_SECONDS,
) -> str:
    """Return the text at the URL. Not for use inside an event loop.

    Raises UsageProblem for what is not there or not a document, TooLarge, and TimedOut or Unavailable where another
    try may succeed.
    """
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx does without its own command line
    import httpx

    try:
        body = asyncio.run(_fetched(url, transport, most_seconds))
    except TimeoutError as error:
        raise TimedOut(f"-f {shown(url)}: took longer than {most_seconds:g} s") from error
    except httpx.TimeoutException as error:
        raise TimedOut(f"-f {shown(url)}: the server did not answer within {_SILENT_SECONDS:g} s") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise UsageProblem(f"-f {shown(url)}: is not a valid URL") from error
    except httpx.TransportError as error:
        raise _unreachable(url, error) from error
    except httpx.DecodingError as error:
        raise UsageProblem(f"-f {shown(url)}: the content is not encoded as the server says") from error
    if _PAGE.match(body):
        raise _page(url)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageProblem(f"-f {shown(url)}: is not UTF-8 text") from error


async def _fetched(url: str, transport: httpx.AsyncBaseTransport | None, most_seconds: float) -> bytes:
    """Return the content; raises TimeoutError when the time is over."""
    import httpx

    headers = {"Accept": "application/yaml, application/json, text/plain, */*;q=0.5", "User-Agent": "resource-service"}
    headers["Accept-Encoding"] = "gzip"
    timeout, authorities = httpx.Timeout(_SILENT_SECONDS), _authorities()
    async with (
        asyncio.timeout(most_seconds),
        httpx.AsyncClient(headers=headers, timeout=timeout, transport=transport, verify=authorities) as client,
    ):
        return await _followed(client, url)


async def _followed(client: httpx.AsyncClient, url: str) -> bytes:
    """Return the content of the URL, or of the one that it leads to."""
    request = client.build_request("GET", url)
    _check_scheme(url.partition(":")[0], url)
    if not request.url.host:
        raise UsageProblem(f"-f {shown(url)}: is not a valid URL")
    for _ in range(MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True)
        try:
            if response.next_request is None:
                return await _content(response, url)
        finally:
            await response.aclose()
        following = response.next_request
        _check_scheme(following.url.scheme, url, "leads to another address: ")
        if request.url.scheme == "https" and following.url.scheme != "https":
            raise UsageProblem(f"-f {shown(url)}: leads from https to http, which is not followed")
        request = following
    raise UsageProblem(f"-f {shown(url)}: has more than {MOST_REDIRECTS} redirects")


async def _content(response: httpx.Response, url: str) -> bytes:
    if response.status_code != HTTPStatus.OK:
        raise _refused(url, response.status_code)
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html":
        raise _page(url)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):  # what is packed several times may become far larger than the limit
        raise UsageProblem(f"-f {shown(url)}: content encoding {encoding!r} is not supported")
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > MOST_BYTES:
            raise TooLarge(f"-f {shown(url)}: is larger than {MOST_BYTES // 1024**2} MiB")
    return bytes(content)


def _authorities() -> ssl.SSLContext:
    """Return the system's certificate authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    return ssl.create_default_context()


def _check_scheme(scheme: str, url: str, how: str = "") -> None:
    if scheme.lower() not in ("http", "https"):
        raise UsageProblem(f"-f {shown(url)}: {how}scheme {scheme!r} is not supported; use http or https")


def _refused(url: str, status: int) -> ResourceError:
    phrase = {known.value: f" {known.phrase}" for known in HTTPStatus}.get(status, "")
    message = f"-f {shown(url)}: the server answered {status}{phrase}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return TemporaryError(message)
    return UsageProblem(message)


def _page(url: str) -> ResourceError:
    return UsageProblem(f"-f {shown(url)}: is an HTML page, not a document; give the URL of the raw file")


def _unreachable(url: str, error: httpx.TransportError) -> ResourceError:
    """Return what a failed connection means: a certificate does not get better by another try."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message or "certificate verify failed"
            return UsageProblem(f"-f {shown(url)}: the certificate of the server is not valid: {reason}")
        cause = cause.__cause__ or cause.__context__
    return Unavailable(f"-f {shown(url)}: the server cannot be reached: {error}")
