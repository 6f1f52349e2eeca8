"""The health page of a process: GET /healthz, /readyz and /metrics, over HTTP on loopback or a unix socket.

So small that it answers even while everything else is stuck, and so plain that it holds nothing
secret. ``/healthz`` is 200 while the event loop turns; ``/readyz`` is 503 with the reasons until all
parts are ready, and while draining.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, generate_latest

from controller.errors import Unavailable

_LONGEST_REQUEST = 8192
_TIMEOUT = 5.0


class HealthServer:
    """Serves the three pages until ``close``."""

    def __init__(self, address: str, reasons: Callable[[], Mapping[str, str]], registry: CollectorRegistry) -> None:
        """``reasons`` says what is not ready and why; empty: ready."""
        self._address = address
        self._reasons = reasons
        self._registry = registry
        self._server: asyncio.Server | None = None
        self.address = address
        """Where it answers; with the real port once started."""

    async def start(self) -> None:
        """Raises Unavailable when the address is taken."""
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
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _TIMEOUT)
            method, target, *_ = head.split(b"\r\n", 1)[0].split(b" ")
            status, kind, body = self._answer(method, target.split(b"?")[0])
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                % (status, kind, len(body))
            )
            if method != b"HEAD":
                writer.write(body)
            await asyncio.wait_for(writer.drain(), _TIMEOUT)
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that goes away or talks nonsense gets nothing
        finally:
            writer.close()

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
                return b"200 OK", b"text/plain; version=0.0.4; charset=utf-8", generate_latest(self._registry)
        return b"404 Not Found", b"text/plain", b"/healthz /readyz /metrics\n"
