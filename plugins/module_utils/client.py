# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client of every plugin of the collection.

On ansible's own ``open_url`` machinery, so that nothing has to be installed. It never follows a redirect and
never reads ``.netrc``: the token goes to the server that was named, and to no other. Nothing is tried again
here: a write whose answer was lost may have been done, and a second run of an idempotent play tells.
"""

from __future__ import annotations

import http.client
import json
import typing as t
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import Request

Query = t.Any
"""A mapping of words, or pairs of them where a name comes twice."""


class ClientError(Exception):
    """The base of what the client raises."""


class Unreachable(ClientError):
    """Raised when no answer came: wrong address, refused, TLS, or too late."""


class ApiError(ClientError):
    """Raised when the server refused; ``problems`` are ``{path, message}`` where fields are at fault."""

    def __init__(
        self, status: int, code: str, message: str, problems: t.Sequence[t.Mapping[str, str]] = (), **more: t.Any
    ) -> None:
        self.status, self.code, self.message, self.problems, self.more = status, code, message, list(problems), more
        super().__init__(str(self))

    def __str__(self) -> str:
        """One line that names each field at fault."""
        if self.problems:
            return "; ".join(
                f"{one['path']}: {one['message']}" if one.get("path") else one["message"] for one in self.problems
            )
        users = [str(user) for user in self.more.get("users") or ()]
        if users:
            left = int(self.more.get("user_count") or 0) - len(users)
            return f"{self.message}, used by {', '.join(users)}{f' and {left} more' if left > 0 else ''}"
        return self.message


class Client:
    """One API. ``timeout`` is in seconds, for connecting and for each read."""

    def __init__(
        self,
        api_url: str,
        token: str | None,
        *,
        timeout: float = 60,
        validate_certs: bool = True,
        ca_cert: str | None = None,
    ) -> None:
        self._url, self._timeout = api_url.rstrip("/"), timeout
        socket = None
        if api_url.startswith("unix:"):
            self._url, socket = "http://localhost", api_url[len("unix:") :]
        elif not api_url.startswith(("http://", "https://")):
            raise Unreachable(f"{api_url!r} is no address of an API: it must start with http://, https:// or unix:")
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = Request(
            headers=headers,
            use_proxy=False,
            timeout=timeout,
            validate_certs=validate_certs,
            ca_path=ca_cert,
            unix_socket=socket,
            follow_redirects="none",
            http_agent="resource.infra",
            use_netrc=False,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: t.Any = None,
        headers: t.Mapping[str, str] | None = None,
    ) -> tuple[int, t.Any]:
        """Status and decoded body (None when it is empty); raises ApiError, Unreachable."""
        raw, sent = None, dict(headers or {})
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with self._answer(method, path, query, raw, sent) as answer:
            content = self._read(answer.read)
            return answer.status, _decoded(content, self._url)

    def stream(self, path: str, *, query: Query | None = None) -> t.Iterator[bytes]:
        """The lines of an NDJSON answer as they come; raises ApiError, Unreachable (also half-way)."""
        with self._answer("GET", path, query, None, {"Accept": "application/x-ndjson"}) as answer:
            while line := self._read(answer.readline):
                yield line

    def _answer(
        self, method: str, path: str, query: Query | None, raw: bytes | None, headers: t.Mapping[str, str]
    ) -> t.Any:
        pairs = query.items() if isinstance(query, t.Mapping) else query or ()
        encoded = urlencode(list(pairs))
        url = f"{self._url}{path}{'?' if encoded else ''}{encoded}"
        try:
            return self._http.open(method, url, data=raw, headers=dict(headers))
        except HTTPError as error:
            with error:
                content = self._read(error.read)
            raise _refusal(error.code, content) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error

    def _read(self, read: t.Callable[[], bytes]) -> bytes:
        try:
            return read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        reason: object = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return Unreachable(f"{self._url} did not answer within {self._timeout:g} s")
        return Unreachable(f"{self._url} cannot be reached: {reason or type(reason).__name__}")


def _decoded(content: bytes, url: str) -> t.Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise Unreachable(f"{url} answered with what is no JSON: is it the API?") from error


def _refusal(status: int, content: bytes) -> ApiError:
    """The error that an answer stands for; an answer that is no problem of ours falls back on its status."""
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "code" not in told:
        text = " ".join(content.decode(errors="replace").split())[:200]
        return ApiError(status, "unknown", f"the server answered {status}: {text}")
    more = {key: told[key] for key in ("users", "user_count", "reasons") if key in told}
    return ApiError(status, str(told["code"]), str(told.get("detail", "")), told.get("errors") or (), **more)
