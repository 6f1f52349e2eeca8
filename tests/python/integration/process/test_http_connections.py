"""Slow clients of an HTTP API: each connection ends, whatever its client leaves out.

A real uvicorn on loopback with an application that echoes bodies; time is virtual, so that nothing waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from controller.clock import VirtualClock
from controller.process.connection_limits import ConnectionLimits
from controller.process.http_connections import Connections
from tests.python.eventually import eventually
from tests.python.ports import free_port

LIMITS = ConnectionLimits(body_bytes_per_second=1000, per_address=3)
LARGE = 8 << 20


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer /large with many bytes, /refused at once without reading, anything else with the length of its body."""
    size = 0
    while scope["path"] not in ("/refused", "/large"):
        message = await receive()
        if message["type"] != "http.request":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    body = b"x" * LARGE if scope["path"] == "/large" else str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Served:
    port: int
    clock: VirtualClock
    connections: Connections
    met: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def connection(self, sent: bytes = b"") -> AsyncIterator[Client]:
        before = len(self.connections)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
        await eventually(lambda: len(self.connections) > before)
        client = Client(reader, writer)
        try:
            await client.send(sent)
            yield client
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """What arrives until the server closes the connection."""
        async with asyncio.timeout(60):
            return await self.reader.read()

    async def answer(self) -> bytes:
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return await self.reader.readexactly(length)


@pytest.fixture
async def served(clock: VirtualClock) -> AsyncIterator[Served]:
    met: Counter[str] = Counter()
    connections = Connections(LIMITS, clock, lambda name: met.update([name]))
    port = free_port()
    config = uvicorn.Config(echo, port=port, http=connections.protocol(), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    tasks = [asyncio.ensure_future(server.serve()), asyncio.ensure_future(connections.run())]
    await eventually(lambda: server.started)
    yield Served(port, clock, connections, met)
    server.should_exit = True
    await tasks[0]
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)


HEAD = b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 100000\r\n\r\n"


async def passed(served: Served, seconds: float) -> None:
    """Let time pass, after what was sent has arrived."""
    for _ in range(20):
        await asyncio.sleep(0)
    await served.clock.advance(seconds)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: api\r\n"], ids=["none", "line", "headers"]
)
async def test_a_head_that_is_not_completed_ends_its_connection(served: Served, sent: bytes) -> None:
    async with served.connection(sent) as client:
        await passed(served, 9)
        assert len(served.connections) == 1, "not before its time"
        await passed(served, 3)
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
    assert served.met == {"head_seconds": 1}


async def test_a_head_that_drips_is_no_better(served: Served) -> None:
    async with served.connection(b"GET / HTTP/1.1\r\n") as client:
        for number in range(11):
            await client.send(b"X-%d: y\r\n" % number)
            await passed(served, 1)
        assert b" 408 " in await client.rest()


async def test_the_next_request_of_a_connection_has_the_same_time(served: Served) -> None:
    async with served.connection(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n") as client:
        assert await client.answer() == b"0"
        await passed(served, 30)
        assert len(served.connections) == 1, "one that waits for its next request is not slow"
        await client.send(b"GET / HTTP/1.1\r\n")
        await eventually(lambda: _head_begun(served))
        await passed(served, 12)
        assert b" 408 " in await client.rest()


async def test_a_body_that_is_not_completed_ends_its_connection(served: Served) -> None:
    async with served.connection(HEAD + b"x" * 10) as client:
        await passed(served, 19)
        assert len(served.connections) == 1
        await passed(served, 3)
        assert b" 408 " in await client.rest()
    assert served.met == {"body_seconds": 1}


async def test_a_body_that_is_fast_enough_takes_its_time(served: Served) -> None:
    async with served.connection(HEAD) as client:
        for _ in range(100):
            await client.send(b"x" * 1000)
            await passed(served, 1)
        assert await client.answer() == b"100000"


async def test_a_body_after_the_answer_buys_no_time(served: Served) -> None:
    async with served.connection(HEAD.replace(b" / ", b" /refused ")) as client:
        assert await client.answer() == b"0"
        with suppress(OSError):
            for _ in range(22):
                await client.send(b"x" * 4000)
                await passed(served, 1)
        await eventually(lambda: not len(served.connections))


async def test_a_client_that_does_not_read_is_disconnected(served: Served) -> None:
    async with served.connection(b"GET /large HTTP/1.1\r\nHost: api\r\n\r\n") as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await eventually(lambda: _unsent(served))
        await passed(served, 29)
        assert len(served.connections) == 1
        await passed(served, 3)
        await eventually(lambda: not len(served.connections))
    assert served.met == {"send_seconds": 1}


async def test_a_slow_reader_that_reads_gets_everything(served: Served) -> None:
    async with served.connection(b"GET /large HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n") as client:
        await client.reader.readuntil(b"\r\n\r\n")
        size, before = 0, LARGE
        while data := await client.reader.read(64 << 10):
            size += len(data)
            if size % (1 << 20) < len(data):
                await eventually(partial(_has_taken, served, before))
                before = _unsent(served)
                await passed(served, 20)
        assert size == LARGE


async def test_an_address_has_so_many_connections(served: Served) -> None:
    """A client that had sent its request got a reset: the socket was closed before the request was read."""
    async with served.connection(), served.connection(), served.connection():
        for sent in (b"", b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(sent)
            async with asyncio.timeout(60):
                await writer.drain()
                refused = await reader.read()
            assert refused.startswith(b"HTTP/1.1 429 ")
            assert b"\r\nRetry-After: " in refused
            writer.close()
    await eventually(lambda: not len(served.connections) and not served.connections.refusals._since)
    async with served.connection(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n") as client:
        assert await client.answer() == b"0"


async def test_a_refused_client_that_stays_is_disconnected(served: Served) -> None:
    async with served.connection(), served.connection(), served.connection():
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        async with asyncio.timeout(60):
            assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
        assert served.connections.refusals._since
        await passed(served, 2)
        await eventually(lambda: not served.connections.refusals._since)
        writer.close()


def _head_begun(served: Served) -> bool:
    return any(protocol._head_begun for protocol in served.connections._open.values())


def _unsent(served: Served) -> int:
    return sum(transport.get_write_buffer_size() for transport in served.connections._open)


def _has_taken(served: Served, before: int) -> bool:
    return _unsent(served) <= max(0, before - (64 << 10))
