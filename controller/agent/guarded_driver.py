"""Passes calls on to a driver while the node's state is its own, for the agent's core.

Every call that starts, moves or removes something raises Unavailable when the last look found the state away. A driver
with files of its own looks again before it changes them. Calls that only read are passed on as they are, so that what
runs is still reported.
"""

from __future__ import annotations

from controller.agent.drivers.base import Console, Driver, Listeners
from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired, HostFacts, Machine, MigrationTarget, Quarantined
from controller.agent.state_guard import StateGuard


class GuardedDriver(Driver):
    """A driver that does nothing to machines while the guard finds the state away."""

    def __init__(self, driver: Driver, guard: StateGuard) -> None:
        self.name = driver.name
        self._driver = driver
        self._guard = guard

    async def open(self) -> None:
        await self._driver.open()

    async def close(self) -> None:
        await self._driver.close()

    async def facts(self) -> HostFacts:
        return await self._driver.facts()

    async def observe(self) -> list[Machine]:
        return await self._driver.observe()

    async def limits(self, uid: str) -> Limits:
        return await self._driver.limits(uid)

    async def console(self, uid: str) -> Console:
        return await self._driver.console(uid)

    def events(self) -> Listeners:
        return self._driver.events()

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        self._guard.require()
        await self._driver.ensure(desired, run=run)

    async def stop(self, uid: str, *, timeout: float) -> None:
        self._guard.require()
        await self._driver.stop(uid, timeout=timeout)

    async def remove(self, uid: str, *, timeout: float) -> None:
        self._guard.require()
        await self._driver.remove(uid, timeout=timeout)

    async def quarantine(self, uid: str) -> None:
        self._guard.require()
        await self._driver.quarantine(uid)

    async def quarantined(self) -> list[Quarantined]:
        return await self._driver.quarantined()

    async def purge(self, key: str) -> None:
        self._guard.require()
        await self._driver.purge(key)

    async def prepare_incoming(self, desired: Desired) -> None:
        self._guard.require()
        await self._driver.prepare_incoming(desired)

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        self._guard.require()
        await self._driver.migrate(uid, target)

    async def repair_migration(self, uid: str) -> bool:
        self._guard.require()
        return await self._driver.repair_migration(uid)

    async def resume(self, desired: Desired) -> None:
        self._guard.require()
        await self._driver.resume(desired)
