"""Connections to an HTTP API: how long one may be half used, and how many there may be.

uvicorn alone waits without end for the rest of a request, and for a client that does not read its answer. Here each
connection is looked at about once a second, and closed when its client is too slow:

- the head of a request must be complete ``head_seconds`` after its beginning (or after the connection's),
- a body must arrive at ``body_bytes_per_second`` on average, with ``body_seconds`` in advance,
- of an answer the client must take ``_SEND_STEP`` bytes, or all that waits, in each ``send_seconds``.

Time in which the server itself does not read (the body waits for its handler) does not count against the client. Above
the limits of connections, a new one is answered 429 and closed (``http_refusals``).

Not promised: a bound on TLS handshakes below asyncio's own of 60 seconds. Websockets have their own pings.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from controller.clock import Clock
from controller.process.connection_limits import ConnectionLimits
from controller.process.http_refusals import Refusals, empty_answer
from controller.rate_limit import Reached, address_of, ignore_limit

_TICK = 1.0
_SEND_STEP = 16 << 10
_UNSENT_IN_KERNEL = 64 << 10
_UNSENT_IN_PROCESS = 32 << 10
"""Streams stop here until their client has taken some."""


class Connections:
    """The connections of one server; ``run`` must run at the same time."""

    def __init__(self, limits: ConnectionLimits, clock: Clock, reached: Reached = ignore_limit) -> None:
        """``reached`` is called with the name of each limit that a client meets."""
        self.limits = limits
        self.reached = reached
        self._clock = clock
        self._open: dict[asyncio.Transport, LimitedProtocol] = {}
        self._of_address: Counter[str] = Counter()
        self.refusals = Refusals()

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the class that uvicorn makes an object of for each connection (``uvicorn.Config(http=...)``)."""
        owner = self

        class Protocol(LimitedProtocol):
            connections_of = owner

        return Protocol

    async def run(self) -> None:
        """Close what is too slow, until cancelled."""
        before = self._clock.monotonic()
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            self.look(now - before)
            before = now

    def look(self, seconds: float) -> None:
        """Close each connection whose client was too slow, ``seconds`` after the last look."""
        self.refusals.look(seconds)
        for transport, protocol in list(self._open.items()):
            if transport.get_protocol() is not protocol and transport.is_closing():
                self.closed(transport)  # a websocket took it over, and it has ended
            elif transport.get_protocol() is protocol:
                protocol.look(seconds)

    def opened(self, transport: asyncio.Transport, protocol: LimitedProtocol) -> None:
        """Count a new connection, or refuse it."""
        address = _address(protocol)
        if len(self._open) >= self.limits.total or self._of_address[address] >= self.limits.per_address:
            self.reached("connections")
            self.refusals.refuse(transport, empty_answer(429, "Too Many Requests", "Retry-After: 5\r\n"))
            return
        self._open[transport] = protocol
        self._of_address[address] += 1

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self.refusals.closed(transport)
        protocol = self._open.pop(transport, None)
        if protocol is not None:
            address = _address(protocol)
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]


class LimitedProtocol(H11Protocol):
    """uvicorn's connection, which knows how long its client has kept it waiting."""

    connections_of: Connections

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = self.connections_of.limits
        self._head_begun = True
        self._head_seconds = self._body_seconds = self._send_seconds = 0.0
        self._body_bytes = 0
        self._unsent = 0
        """Bytes that waited for the client when it last took some."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_UNSENT_IN_PROCESS)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            # 64 KiB that are not sent yet, not megabytes: progress is seen, and slow readers cost less.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_IN_KERNEL)
        self.connections_of.opened(transport, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of.closed(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self.transport in self.connections_of.refusals:
            return
        request = self.cycle
        super().data_received(data)
        self._body_bytes += len(data)
        self._head_begun = self.conn.their_state is h11.IDLE
        if self.cycle is not request:
            self._head_seconds = self._body_seconds = 0.0
            self._body_bytes = 0

    def resume_writing(self) -> None:
        self._send_seconds = 0.0
        super().resume_writing()

    def look(self, seconds: float) -> None:
        """Close the connection if its client was too slow, ``seconds`` after the last look."""
        if self._sends_too_slowly(seconds):
            self.connections_of.reached("send_seconds")
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._head_too_slow(seconds):
            self._end("head_seconds")
        elif self._body_too_slow(seconds):
            self._end("body_seconds")

    def _sends_too_slowly(self, seconds: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent <= self._unsent - _SEND_STEP:
            self._send_seconds, self._unsent = 0.0, unsent
            return False
        self._unsent = max(self._unsent, unsent)
        self._send_seconds += seconds
        return self._send_seconds > self._limits.send_seconds

    def _head_too_slow(self, seconds: float) -> bool:
        if not self._head_begun or self.conn.their_state is not h11.IDLE:
            self._head_seconds = 0.0
            return False
        self._head_seconds += seconds
        return self._head_seconds > self._limits.head_seconds

    def _body_too_slow(self, seconds: float) -> bool:
        if self.conn.their_state is not h11.SEND_BODY or self.flow.read_paused:
            return False
        if self.cycle.waiting_for_100_continue and not self.cycle.response_complete:
            return False
        self._body_seconds += seconds
        # Bytes that come after the answer are of no use to anybody: they buy no time.
        bought = 0.0 if self.cycle.response_complete else self._body_bytes / self._limits.body_bytes_per_second
        return self._body_seconds > self._limits.body_seconds + bought

    def _end(self, limit: str) -> None:
        self.connections_of.reached(limit)
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(empty_answer(408, "Request Timeout"))
        self.transport.close()


def _address(protocol: LimitedProtocol) -> str:
    return address_of(protocol.client[0] if protocol.client else None)
