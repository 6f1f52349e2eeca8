"""The health page under clients that send half a request, do not read, come too often or too many."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Counted

from controller.clock import VirtualClock
from controller.process import health as health_module
from controller.process.health import HealthServer
from tests.python.eventually import eventually


@dataclass
class Health:
    port: int
    clock: VirtualClock
    met: Counter[str]

    async def connect(self, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
        writer.write(sent)
        return reader, writer

    async def get(self, path: bytes) -> bytes:
        reader, writer = await self.connect(b"GET %s HTTP/1.1\r\n\r\n" % path)
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def health(clock: VirtualClock) -> AsyncIterator[Health]:
    met: Counter[str] = Counter()
    registry = CollectorRegistry()
    large = Counted("large", "A page of some megabytes.", ["name"], registry=registry)
    for number in range(1000):
        large.labels("x" * 10_000 + str(number)).inc()
    server = HealthServer("127.0.0.1:0", dict, registry, clock=clock, reached=lambda name: met.update([name]))
    await server.start()
    yield Health(int(server.address.rpartition(":")[2]), clock, met)
    await server.close()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n"])
async def test_half_a_request_ends(health: Health, sent: bytes) -> None:
    reader, writer = await health.connect(sent)
    await eventually(lambda: health.clock._sleepers)
    await health.clock.advance(6)
    async with asyncio.timeout(60):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    assert health.met == {"health_seconds": 1}
    writer.close()


async def test_a_reader_of_metrics_that_stops_is_disconnected(health: Health) -> None:
    reader, writer = await health.connect(b"GET /metrics HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(60):
        await reader.readuntil(b"\r\n\r\n")
    await health.clock.advance(6)
    size = 0
    async with asyncio.timeout(60):
        with suppress(ConnectionResetError):
            while data := await reader.read(1 << 16):
                size += len(data)
    assert size < 10_000 * 1000 * 2, "the rest of the answer is not kept for it"
    assert health.met == {"health_seconds": 1}
    writer.close()


async def test_pages_of_metrics_are_limited_and_health_is_not(health: Health) -> None:
    statuses = Counter([(await health.get(b"/metrics"))[:12] for _ in range(52)])
    assert statuses == {b"HTTP/1.1 200": 50, b"HTTP/1.1 429": 2}
    refused = await health.get(b"/metrics")
    assert b"\r\nRetry-After: 1\r\n" in refused
    assert refused.endswith(b"too many requests\n")
    assert (await health.get(b"/healthz")).startswith(b"HTTP/1.1 200")
    await health.clock.advance(1)
    assert (await health.get(b"/metrics")).startswith(b"HTTP/1.1 200")


async def test_connections_of_others_do_not_fail_a_probe(health: Health) -> None:
    """100 idle connections had every probe refused, and with a reset, because its request was not read."""
    async with AsyncExitStack() as stack:
        idle = []
        for _ in range(100):
            reader, writer = await health.connect(b"GET")
            stack.callback(writer.close)
            idle.append(reader)
        await eventually(lambda: len(health.clock._sleepers) >= 100)
        for _ in range(5):
            assert (await health.get(b"/healthz")).startswith(b"HTTP/1.1 200")
        assert health.met == {"health_connections": 1}
        await is_closed(idle[0])
        assert not idle[1].at_eof(), "the oldest one makes room"


async def test_readers_that_stop_make_room_once_all_have_asked(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_MOST_CONNECTIONS", 3)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            reader, writer = await health.connect(b"GET /metrics HTTP/1.1\r\n\r\n")
            stack.callback(writer.close)
            async with asyncio.timeout(60):
                assert b"200" in await reader.readline()
        for _ in range(5):
            assert (await health.get(b"/readyz")).startswith(b"HTTP/1.1 200")
        assert health.met == {"health_connections": 1}


async def is_closed(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(60):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
