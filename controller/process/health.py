"""The health page of a process: GET /healthz, /readyz and /metrics, over HTTP on loopback or a unix socket.

It has no dependencies, so that it answers even while everything else hangs, and shows nothing secret. ``/healthz`` is
200 while the event loop runs; ``/readyz`` is 503 with the reasons until all parts are ready, and while draining.

Clients are not known here, so each has little: a few seconds to send a request and take the answer, and so many pages
of metrics a second, 429 above that. All together have so many connections. One more closes the oldest, of those that
have not sent their request if there are any: a probe is answered whatever others hold open.

Not promised: an answer while connections are opened faster than the event loop reads from them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest

from controller.clock import Clock, SystemClock
from controller.errors import Unavailable
from controller.rate_limit import RateLimit, Reached, ignore_limit

_LONGEST_REQUEST = 8192
_TIMEOUT = 5.0
_MOST_CONNECTIONS = 100
_METRICS_PER_SECOND, _METRICS_BURST = 10.0, 50.0
"""A page of metrics takes about a millisecond."""


class HealthServer:
    """Serves the three pages until ``close``."""

    def __init__(
        self,
        address: str,
        reasons: Callable[[], Mapping[str, str]],
        registry: CollectorRegistry,
        *,
        clock: Clock | None = None,
        reached: Reached = ignore_limit,
    ) -> None:
        """``reasons`` returns why each part that is not ready is not; empty: ready. ``reached`` gets limits' names."""
        self._address = address
        self._reasons = reasons
        self._registry = registry
        self._clock = clock or SystemClock()
        self._reached = reached
        self._metrics = RateLimit(_METRICS_PER_SECOND, _METRICS_BURST, self._clock)
        self._unasked: dict[asyncio.StreamWriter, asyncio.Future[None]] = {}
        """Connections that have not sent their whole request, oldest first."""
        self._answered: dict[asyncio.StreamWriter, asyncio.Future[None]] = {}
        """Connections that have not taken their whole answer, oldest first."""
        self._server: asyncio.Server | None = None
        self.address = address
        """The address that it answers on; with the actual port after ``start``."""

    async def start(self) -> None:
        """Begin to answer. Raises Unavailable if the address is in use."""
        try:
            if self._address.startswith("unix:"):
                # A socket file that a killed process left behind is replaced by asyncio itself.
                path = self._address.removeprefix("unix:")
                self._server = await asyncio.start_unix_server(self._serve, path, limit=_LONGEST_REQUEST)
            else:
                host, _, port = self._address.rpartition(":")
                self._server = await asyncio.start_server(
                    self._serve, host.strip("[]"), int(port), limit=_LONGEST_REQUEST
                )
                self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"
        except OSError as error:
            raise Unavailable(f"cannot answer health on {self._address}: {error.strerror}") from error

    async def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._make_room()
        answering = self._unasked[writer] = asyncio.ensure_future(self._exchange(reader, writer))
        deadline = asyncio.ensure_future(self._clock.sleep(_TIMEOUT))
        try:
            await asyncio.wait({answering, deadline}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self._reached("health_seconds")
        finally:
            # A client that has not taken its answer by now does not get the rest of it.
            writer.transport.abort()
            for task in (answering, deadline):
                task.cancel()
            await asyncio.gather(answering, deadline, return_exceptions=True)
            self._unasked.pop(writer, None)
            self._answered.pop(writer, None)

    def _make_room(self) -> None:
        """Close the oldest connection where there are as many as may be."""
        if len(self._unasked) + len(self._answered) >= _MOST_CONNECTIONS:
            some = self._unasked or self._answered
            some.pop(next(iter(some))).cancel()
            self._reached("health_connections")

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # A client that disconnects or sends no valid request gets no answer.
            head = await reader.readuntil(b"\r\n\r\n")
            self._answered[writer] = self._unasked.pop(writer)
            method, target, *_ = head.split(b"\r\n", 1)[0].split(b" ")
            status, kind, body = self._answer(method, target.split(b"?")[0])
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n"
                % (status, kind, len(body), b"Retry-After: 1\r\n" if status.startswith(b"429") else b"")
            )
            if method != b"HEAD":
                writer.write(body)
            writer.close()
            await writer.wait_closed()

    def _answer(self, method: bytes, path: bytes) -> tuple[bytes, bytes, bytes]:
        if method not in (b"GET", b"HEAD"):
            return b"405 Method Not Allowed", b"text/plain", b"GET only\n"
        match path:
            case b"/healthz":
                return b"200 OK", b"text/plain", b"ok\n"
            case b"/readyz":
                reasons = dict(self._reasons())
                body = json.dumps({"ready": not reasons, "reasons": reasons}).encode() + b"\n"
                return b"503 Service Unavailable" if reasons else b"200 OK", b"application/json", body
            case b"/metrics":
                if self._metrics.wait(""):
                    self._reached("metrics")
                    return b"429 Too Many Requests", b"text/plain", b"too many requests\n"
                return b"200 OK", b"text/plain; version=0.0.4; charset=utf-8", generate_latest(self._registry)
        return b"404 Not Found", b"text/plain", b"/healthz /readyz /metrics\n"
