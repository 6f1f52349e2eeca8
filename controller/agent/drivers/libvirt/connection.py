"""Calls libvirtd for the libvirt driver: every call in a worker thread, with a deadline.

libvirt's calls block, and a daemon that hangs blocks them for ever. So no call is made on the event
loop, each has a deadline, and keepalive breaks a connection whose daemon does not answer, which
frees the threads. The next call opens a broken connection again. Listeners get LOST both when it
breaks and when it is open again, because events between the two are lost.

Calls run concurrently. After TimedOut a call that libvirt had begun may still take effect; one that
still waited for a thread never does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import libvirt

from controller.agent.drivers.base import Listeners
from controller.agent.drivers.libvirt import events
from controller.agent.drivers.libvirt.failures import is_away, translate
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.types import Event, MachineEvent
from controller.errors import TimedOut, Unavailable

T = TypeVar("T")
THREADS = 32
"""Worker threads of one connection; each makes one call at a time."""

Describe = Callable[["libvirt.virDomain", int], MachineEvent | None]
"""Returns a machine's event for a domain's lifecycle event; None: not reported."""


class Connection:
    """A connection to one libvirtd, opened when a call needs it."""

    def __init__(
        self, settings: LibvirtSettings, listeners: Listeners | None = None, describe: Describe | None = None
    ) -> None:
        """``listeners`` get the events that ``describe`` returns; without ``describe`` no events are reported."""
        self._settings = settings
        self._listeners = listeners or Listeners()
        self._describe = describe
        self._lock = threading.Lock()
        self._connect: libvirt.virConnect | None = None
        self._closed = False
        self._was_lost = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="libvirt")

    async def open(self) -> None:
        """Connect. Raises Unavailable, TimedOut."""
        events.start()
        self._loop = asyncio.get_running_loop()
        await self.call("connect to libvirt", lambda connect: connect.getLibVersion())

    async def close(self) -> None:
        """Disconnect; machines stay as they are."""
        self._closed = True
        connect, self._connect = self._connect, None
        if connect is not None:
            await asyncio.get_running_loop().run_in_executor(self._pool, _close, connect)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def call(self, action: str, work: Callable[[libvirt.virConnect], T], *, timeout: float | None = None) -> T:
        """Run ``work`` with the connection in a worker thread.

        ``action`` names it in errors; ``timeout`` in seconds. Raises TimedOut, Unavailable, and the error
        that :func:`translate` returns for libvirt's.
        """
        if self._loop is None or self._closed:
            raise Unavailable(f"{action}: the driver is not open")
        seconds = timeout or self._settings.call_timeout
        abandoned = threading.Event()
        future = self._loop.run_in_executor(self._pool, self._work, action, work, abandoned)
        try:
            done, _ = await asyncio.wait({future}, timeout=seconds)
            if not done:
                raise TimedOut(f"{action}: libvirt did not answer within {seconds:.0f} s")
            return future.result()
        finally:
            if not future.done():
                abandoned.set()
                # The call goes on in its thread; its error has no receiver any more.
                future.add_done_callback(lambda late: late.cancelled() or late.exception())

    def _work(self, action: str, work: Callable[[libvirt.virConnect], T], abandoned: threading.Event) -> T:
        try:
            connect = self._current()
            if abandoned.is_set():
                # It waited for a daemon that hung: the request may be outdated by now (who may run).
                raise TimedOut(f"{action}: abandoned before libvirt answered")
            try:
                return work(connect)
            except libvirt.libvirtError as error:
                if is_away(error):
                    self._drop(connect)
                raise
        except libvirt.libvirtError as error:
            raise translate(error, action) from error

    def _current(self) -> libvirt.virConnect:
        with self._lock:
            if self._connect is not None and self._connect.isAlive():
                return self._connect
            connect = libvirt.open(self._settings.uri)
            _keep_alive(connect, self._settings)
            connect.registerCloseCallback(self._on_close, None)
            if self._describe is not None:
                connect.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, None)
            self._connect = connect
            reopened, self._was_lost = self._was_lost, False
        if reopened:
            self._notify(MachineEvent(Event.LOST))
        return connect

    def _drop(self, connect: libvirt.virConnect) -> None:
        with self._lock:
            if self._connect is not connect:
                return
            self._connect = None
            self._was_lost = True
        self._notify(MachineEvent(Event.LOST))

    def _on_close(self, connect: libvirt.virConnect, _reason: int, _opaque: object) -> None:
        self._drop(connect)

    def _on_lifecycle(
        self, _connect: libvirt.virConnect, domain: libvirt.virDomain, event: int, detail: int, _opaque: object
    ) -> None:
        described = None if self._describe is None else self._describe(domain, event)
        if described is not None:
            self._notify(described)

    def _notify(self, event: MachineEvent) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed() and not self._closed:
            loop.call_soon_threadsafe(self._listeners.notify, event)


def _keep_alive(connect: libvirt.virConnect, settings: LibvirtSettings) -> None:
    try:
        connect.setKeepAlive(settings.keepalive_interval, settings.keepalive_count)
    except libvirt.libvirtError as error:
        # A libvirt driver inside our own process (libvirt's test driver) has no daemon to probe.
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise


def _close(connect: libvirt.virConnect) -> None:
    try:
        connect.unregisterCloseCallback()
        connect.close()
    except libvirt.libvirtError:
        pass  # the daemon has ended before
