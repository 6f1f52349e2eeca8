"""A libvirt driver that works inside a private host, for tests that run outside of it."""

from __future__ import annotations

import asyncio

from controller.agent.drivers.base import Console, Driver, Listeners
from controller.agent.drivers.libvirt.driver import LibvirtDriver
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired, HostFacts, Machine, MachineEvent, MigrationTarget, Quarantined
from controller.agent.image_source.settings import ImageSettings
from controller.agent.image_source.source import ImageSource
from controller.clock import SystemClock
from controller.lab.guest import cache_folder
from tests.python.libvirt_host import HostLoop, PrivateHost


class HostedDriver(Driver):
    """Forwards every call to a ``LibvirtDriver`` on an event loop in the host's namespaces."""

    name = "libvirt"

    def __init__(self, host: PrivateHost, settings: LibvirtSettings) -> None:
        self._host = HostLoop(host.pid)
        self.inner = LibvirtDriver(settings, ImageSource(ImageSettings(folders=(cache_folder(),))), SystemClock())
        self._listeners = Listeners()
        self._closed = False

    async def open(self) -> None:
        loop = asyncio.get_running_loop()

        def notify(event: MachineEvent) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._listeners.notify, event)

        self.inner.events().listeners.append(notify)
        try:
            await self._host.do(self.inner.open())
        except BaseException:
            self._host.close()
            raise

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._host.do(self.inner.close())
            self._host.close()

    async def facts(self) -> HostFacts:
        return await self._host.do(self.inner.facts())

    async def observe(self) -> list[Machine]:
        return await self._host.do(self.inner.observe())

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        await self._host.do(self.inner.ensure(desired, run=run))

    async def stop(self, uid: str, *, timeout: float) -> None:
        await self._host.do(self.inner.stop(uid, timeout=timeout))

    async def remove(self, uid: str, *, timeout: float) -> None:
        await self._host.do(self.inner.remove(uid, timeout=timeout))

    async def quarantine(self, uid: str) -> None:
        await self._host.do(self.inner.quarantine(uid))

    async def quarantined(self) -> list[Quarantined]:
        return await self._host.do(self.inner.quarantined())

    async def purge(self, key: str) -> None:
        await self._host.do(self.inner.purge(key))

    async def prepare_incoming(self, desired: Desired) -> None:
        await self._host.do(self.inner.prepare_incoming(desired))

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        await self._host.do(self.inner.migrate(uid, target))

    async def repair_migration(self, uid: str) -> bool:
        return await self._host.do(self.inner.repair_migration(uid))

    async def resume(self, desired: Desired) -> None:
        await self._host.do(self.inner.resume(desired))

    async def limits(self, uid: str) -> Limits:
        return await self._host.do(self.inner.limits(uid))

    async def console(self, uid: str) -> Console:
        return _HostedConsole(self._host, await self._host.do(self.inner.console(uid)))

    def events(self) -> Listeners:
        return self._listeners


class _HostedConsole(Console):
    def __init__(self, host: HostLoop, inner: Console) -> None:
        self._host = host
        self._inner = inner

    async def read(self) -> bytes:
        return await self._host.do(self._inner.read())

    async def write(self, data: bytes) -> None:
        await self._host.do(self._inner.write(data))

    async def close(self) -> None:
        await self._host.do(self._inner.close())
