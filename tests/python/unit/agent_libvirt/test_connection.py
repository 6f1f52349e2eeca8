"""The connection's deadlines, against libvirt's own test driver."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from controller.agent.drivers.base import Listeners
from controller.agent.drivers.libvirt import connection as module
from controller.agent.drivers.libvirt.connection import Connection
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.types import Event, MachineEvent
from controller.errors import NotFound, PermanentError, TimedOut, Unavailable
from tests.python.eventually import eventually


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    settings = LibvirtSettings(uri="test:///default", call_timeout=30)
    connection = Connection(settings, Listeners(), lambda domain, event: None)
    await connection.open()
    yield connection
    await connection.close()


class Gate:
    """Holds worker threads until it is opened; opened at the latest when the test ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open = threading.Event()
        self._calls: list[asyncio.Future[object]] = []

    async def hold(self, count: int) -> None:
        inside = threading.Semaphore(0)

        def wait(_connect: object) -> None:
            inside.release()
            self._open.wait()

        self._calls += [asyncio.ensure_future(self._connection.call("hold", wait)) for _ in range(count)]
        for _ in range(count):
            await eventually(lambda: inside.acquire(blocking=False))

    async def open(self) -> None:
        self._open.set()
        await asyncio.gather(*self._calls)


@pytest.fixture
async def gate(connection: Connection) -> AsyncIterator[Gate]:
    gate = Gate(connection)
    yield gate
    await gate.open()


async def test_a_late_call_is_timed_out_and_others_go_on(connection: Connection) -> None:
    opened = threading.Event()
    with pytest.raises(TimedOut, match="sleep"):
        await connection.call("sleep", lambda connect: opened.wait(), timeout=0.05)
    assert await connection.call("count", lambda connect: connect.numOfDomains()) == 1
    opened.set()


async def test_a_call_that_waited_for_a_thread_past_its_deadline_never_runs(connection: Connection, gate: Gate) -> None:
    ran: list[str] = []
    await gate.hold(module.THREADS)
    with pytest.raises(TimedOut):
        await connection.call("start", lambda connect: ran.append("late"), timeout=0.05)
    await gate.open()
    await connection.call("after", lambda connect: ran.append("after"))
    assert ran == ["after"]


async def test_a_cancelled_call_that_waited_never_runs(connection: Connection, gate: Gate) -> None:
    ran: list[str] = []
    await gate.hold(module.THREADS)
    waiting = asyncio.ensure_future(connection.call("start", lambda connect: ran.append("late")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await gate.open()
    await connection.call("after", lambda connect: ran.append("after"))
    assert ran == ["after"]


async def test_libvirts_errors_are_ours(connection: Connection) -> None:
    with pytest.raises(NotFound, match="look: "):
        await connection.call("look", lambda connect: connect.lookupByName("nobody"))
    with pytest.raises(PermanentError):
        await connection.call("define", lambda connect: connect.defineXML("<domain>"))


async def test_events_come_on_the_loop() -> None:
    seen: list[MachineEvent] = []
    loop_thread = threading.current_thread()
    listeners = Listeners()
    listeners.listeners.append(lambda event: seen.append(event) if threading.current_thread() is loop_thread else None)
    connection = Connection(
        LibvirtSettings(uri="test:///default"), listeners, lambda domain, event: MachineEvent(Event.STOPPED, "u")
    )
    await connection.open()
    await connection.call("destroy", lambda connect: connect.lookupByName("test").destroy())
    await eventually(lambda: seen)
    assert seen[0] == MachineEvent(Event.STOPPED, "u")
    await connection.close()


async def test_nothing_runs_before_open_and_after_close() -> None:
    connection = Connection(LibvirtSettings(uri="test:///default"), Listeners(), lambda domain, event: None)
    with pytest.raises(Unavailable):
        await connection.call("look", lambda connect: 1)
    await connection.open()
    await connection.close()
    with pytest.raises(Unavailable):
        await connection.call("look", lambda connect: 1)


async def test_no_libvirtd_is_unavailable() -> None:
    settings = LibvirtSettings(uri="qemu+unix:///system?socket=/nonexistent/libvirt-sock")
    connection = Connection(settings, Listeners(), lambda domain, event: None)
    with pytest.raises(Unavailable):
        await connection.open()
    await connection.close()
