# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client of every plugin of the collection.

It needs no installation: it uses Python's own connections, with the TLS settings of ``ansible.module_utils.urls``. It
follows no redirect and reads no ``.netrc``: only the given server receives the token. One connection is kept between
requests. Only a request that reads is retried, once, when the kept connection is closed: a write whose answer was
lost may have been done, and a second run of an idempotent play shows it.

A server that answers 429 has done nothing: the request is sent again after the pause that it asks for, and the error is
raised when all pauses of one request would be longer than two minutes.

Each answer of the API has the version of the API. A version that this collection does not know is an error before
anything is written: where the first request would be a write, a request that reads is sent before it.
"""

from __future__ import annotations

import datetime
import http.client
import json
import re
import socket
import ssl
import time
import typing as t
from urllib.parse import urlencode, urlsplit

Query = t.Any
"""A mapping of words, or pairs of them where a name comes twice."""


API_VERSION = "1"
"""The version of the API that this client uses; it grows with each incompatible change."""
_VERSION_HEADER = "X-Api-Version"


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = re.compile(
    r"accept|authorization|connection|host|user-agent|x-api-version|transfer-encoding|content-.*|if-.*", re.IGNORECASE
)
"""Headers that the client sets itself."""
_MOST_PAUSED = 120.0
"""Seconds that one request waits, all pauses together, for a server that says that it was asked too often."""


class ClientError(Exception):
    """The base of all errors of the client."""

    code = "client"


class Unreachable(ClientError):
    """Raised when no answer was received: wrong address, connection refused, TLS, or timeout."""

    code = "unreachable"


class OtherVersion(ClientError):
    """Raised when the API has another version than this collection."""

    code = "version"


class NotModified(ClientError):
    """Raised when nothing has changed since the answer with the given tag."""


class ApiError(ClientError):
    """Raised when the server refused; ``problems`` are ``{path, message}`` of the fields with errors."""

    def __init__(
        self, status: int, code: str, message: str, problems: t.Sequence[t.Mapping[str, str]] = (), **more: t.Any
    ) -> None:
        self.status, self.code, self.message, self.problems, self.more = status, code, message, list(problems), more
        super().__init__(str(self))

    def __str__(self) -> str:
        """One line that names each field with an error."""
        if self.problems:
            return "; ".join(
                f"{one['path']}: {one['message']}" if one.get("path") else one["message"] for one in self.problems
            )
        return with_users(self.message, self.more)


def with_users(message: str, refusal: t.Mapping[str, t.Any]) -> str:
    """Return the message of a refusal, with what blocks it."""
    users = [str(user) for user in refusal.get("users") or ()]
    if not users:
        return message
    left = int(refusal.get("user_count") or 0) - len(users)
    return f"{message}, used by {', '.join(users)}{f' and {left} more' if left > 0 else ''}"


class Client:
    """One API. ``timeout`` is in seconds, for connecting and for each read."""

    def __init__(
        self,
        api_url: str,
        token: t.Optional[str],
        *,
        timeout: float = 60,
        validate_certs: bool = True,
        ca_cert: t.Optional[str] = None,
        client_cert: t.Optional[str] = None,
        client_key: t.Optional[str] = None,
        headers: t.Optional[t.Mapping[str, t.Any]] = None,
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = pause
        if not api_url.startswith(("http://", "https://", "unix:/")):
            raise Unreachable(f"{api_url!r} is no address of an API: it must start with http://, https:// or unix:/")
        self._url, self._timeout = api_url.rstrip("/"), timeout
        self._validate_certs, self._ca_cert = validate_certs, ca_cert
        self._client_cert, self._client_key = client_cert, client_key
        if client_key and not client_cert:
            raise ClientError("client_key: needs client_cert, too")
        self._headers = {**checked_headers(headers or {}), "Accept": "application/json", "User-Agent": "resource.infra"}
        token = (token or "").strip()
        if not all("!" <= letter <= "~" for letter in token):  # else the error of the header would show it
            raise ClientError(
                "the token holds blanks or letters that no token has: is it the whole token, and only that?"
            )
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._base = "" if api_url.startswith("unix:") else urlsplit(self._url).path
        self._kept: t.Optional[http.client.HTTPConnection] = None
        self._met = False

    def request(
        self,
        method: str,
        path: str,
        *,
        query: t.Optional[Query] = None,
        body: t.Any = None,
        headers: t.Optional[t.Mapping[str, str]] = None,
    ) -> t.Tuple[int, t.Any]:
        """Return status and decoded body (None when it is empty); raises ApiError, OtherVersion, Unreachable."""
        raw, sent = None, dict(headers or {})
        if body is not None:
            raw = _json(body)
            sent.setdefault("Content-Type", "application/json")
        if method != "GET" and not self._met:
            self._exchange("GET", self._base + "/v1", None, {})
        status, content = self._exchange(method, _target(self._base + path, query), raw, sent)
        if not 200 <= status < 300:
            raise _refusal(status, content, self._url)
        return status, _decoded(content, self._url)

    def _exchange(
        self, method: str, target: str, raw: t.Optional[bytes], headers: t.Mapping[str, str]
    ) -> t.Tuple[int, bytes]:
        """Return status and content of an answer, after the pauses that the server asks for."""
        paused = 0.0
        while True:
            answer, content = self._exchange_once(method, target, raw, headers)
            seconds = _pause_of(answer, paused)
            if seconds is None:
                return answer.status, content
            self._pause(seconds)
            paused += seconds

    def _exchange_once(
        self, method: str, target: str, raw: t.Optional[bytes], headers: t.Mapping[str, str]
    ) -> t.Tuple[http.client.HTTPResponse, bytes]:
        """Return an answer and its content, over the kept connection."""
        kept, self._kept = self._kept, None
        answer = None
        if kept is not None:
            try:
                connection, answer = kept, self._send(kept, method, target, raw, headers)
            except Unreachable:
                kept.close()
                if method != "GET":
                    raise
        if answer is None:
            connection = self._connection()
            answer = self._send(connection, method, target, raw, headers)
        content = self._read(answer.read)
        if answer.will_close:
            connection.close()
        else:
            self._kept = connection
        return answer, content

    def stream(self, path: str, *, query: t.Optional[Query] = None, tag: str = "") -> t.Iterator[bytes]:
        """Yield the lines of an NDJSON answer as they arrive; ``tag`` is that of a stored answer.

        Raises ApiError, NotModified, OtherVersion, Unreachable (also half-way).
        """
        sent = {"Accept": "application/x-ndjson", **({"If-None-Match": f'"{tag}"'} if tag else {})}
        paused = 0.0
        while True:
            connection = self._connection()
            answer = self._send(connection, "GET", _target(self._base + path, query), None, sent)
            seconds = _pause_of(answer, paused)
            if seconds is None:
                break
            self._read(answer.read)
            connection.close()
            self._pause(seconds)
            paused += seconds
        try:
            if answer.status == 304:
                raise NotModified(path)
            if not 200 <= answer.status < 300:
                raise _refusal(answer.status, self._read(answer.read), self._url)
            while line := self._read(answer.readline):
                yield line
        finally:
            connection.close()

    def close(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.startswith("unix:"):
            return _UnixConnection(self._url[len("unix:") :], self._timeout)
        try:
            parts = urlsplit(self._url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise self._unreachable(error) from error
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        from ansible.module_utils.urls import make_context  # costs 30 ms, for TLS only

        try:
            context = make_context(cafile=self._ca_cert, validate_certs=self._validate_certs)
            self._show_certificate(context)
        except (OSError, ValueError) as error:
            raise Unreachable(f"ca_cert {self._ca_cert}: {error}") from error
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=context)

    def _show_certificate(self, context: ssl.SSLContext) -> None:
        """Have the context show the client's certificate, when there is one; raises Unreachable."""
        if not self._client_cert:
            return
        try:
            # A key with a passphrase is refused: OpenSSL would ask for it on the terminal.
            context.load_cert_chain(self._client_cert, self._client_key or None, password="")
        except (OSError, ValueError) as error:
            key = f", client_key {self._client_key}" if self._client_key else ""
            raise Unreachable(f"client_cert {self._client_cert}{key}: {error}") from error

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        raw: t.Optional[bytes],
        headers: t.Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, target, body=raw, headers={**self._headers, **headers})
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise self._unreachable(error) from error
        version = answer.getheader(_VERSION_HEADER)
        if version not in (None, API_VERSION):
            connection.close()
            raise OtherVersion(
                f"{self._url} speaks version {version} of the API, this collection speaks version {API_VERSION}: "
                "install the collection that came with the API"
            )
        self._met = True
        return answer

    def _read(self, read: t.Callable[[], bytes]) -> bytes:
        try:
            return read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self._url} did not answer within {self._timeout:g} s")
        return Unreachable(f"{self._url} cannot be reached: {error or type(error).__name__}")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def headers_of(value: t.Any) -> t.Mapping[str, t.Any]:
    """Return the option ``headers``, a map or the JSON text of one; raises ClientError, which shows no value."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            value = None
    elif value is None:
        value = {}
    if not isinstance(value, t.Mapping):
        raise ClientError("headers: must be a map, or in RESOURCE_HEADERS a JSON object")
    return value


def checked_headers(headers: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
    """Return extra headers; raises ClientError, which shows no value and no impossible name: both may be a secret."""
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ClientError("headers: there is a name that no header can have")
        if _OWN_HEADERS.fullmatch(name):
            raise ClientError(f"headers: {name}: this header cannot be set here")
        if not isinstance(value, (str, int, float)) or not all(" " <= letter <= "~" for letter in str(value)):
            raise ClientError(f"headers: {name}: the value must be one line of ASCII text")
    return {name: str(value) for name, value in headers.items()}


def _json(body: t.Any) -> bytes:
    """Return the body as sent; times, which YAML parses unquoted texts into, become texts again."""
    try:
        return json.dumps(body, default=_text_of_time).encode()
    except (TypeError, ValueError) as error:
        raise ClientError(f"what is to be sent cannot be written as JSON: {error}") from error


def _text_of_time(value: t.Any) -> str:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"{value!r} is no value of a document")


def _target(path: str, query: t.Optional[Query]) -> str:
    pairs = list(query.items() if isinstance(query, t.Mapping) else query or ())
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _decoded(content: bytes, url: str) -> t.Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise Unreachable(f"{url} answered with what is no JSON: is it the API?") from error


def _pause_of(answer: http.client.HTTPResponse, paused: float) -> t.Optional[float]:
    """Return after how many seconds the request is to be sent again; None: the answer stands.

    At least one second: a server that says 0 would be asked without end.
    """
    if answer.status != 429:
        return None
    told = (answer.getheader("Retry-After") or "").strip()
    seconds = max(1.0, float(told)) if told.isascii() and told.isdigit() and len(told) < 10 else 1.0
    return seconds if paused + seconds <= _MOST_PAUSED else None


def _refusal(status: int, content: bytes, url: str) -> ApiError:
    """Return the error of an answer; one without a problem document is classified by its status."""
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "code" not in told:
        text = " ".join(content.decode(errors="replace").split())[:200]
        if status in (404, 405, 410, 501):
            text = f"{text}{_strange(url)}"
        return ApiError(status, "unknown", f"the server answered {status}: {text}")
    more = {key: told[key] for key in ("users", "user_count", "reasons") if key in told}
    code, detail = str(told["code"]), str(told.get("detail", ""))
    if code == "unknown_path":
        detail += _strange(url)
    return ApiError(status, code, detail, told.get("errors") or (), **more)


def _strange(url: str) -> str:
    return f" ({url} does not offer what this collection asks for: is it the API, and of version v1?)"
