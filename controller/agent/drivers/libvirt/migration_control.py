"""Sends a machine for the driver, and ends and repairs migrations in which QEMU hangs.

libvirt's call does not return while QEMU hangs, so the machine is checked at an interval while it is
sent. ``migration`` describes the faults of QEMU and has the calls that repair them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from controller.agent.drivers.libvirt import migration
from controller.agent.drivers.libvirt.domain_control import DomainControl
from controller.agent.drivers.libvirt.domain_observer import DomainObserver
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.types import Machine, MachineState, MigrationTarget
from controller.clock import Clock
from controller.errors import Conflict, ResourceError, TimedOut

HANG_CHECK_SECONDS = 1.0
"""Between two checks whether a migration in progress hangs."""


class MigrationControl:
    """Migrations from this host."""

    def __init__(
        self, settings: LibvirtSettings, observer: DomainObserver, control: DomainControl, clock: Clock
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._control = control
        self._clock = clock

    async def send(self, uid: str, target: MigrationTarget) -> None:
        """Send the machine; return when it does not run here any more. Raises Conflict, TimedOut, Unavailable."""
        watch = asyncio.create_task(self._end_hangs(uid))
        try:
            await self._control.connection.call(
                f"migrate {uid} to {target.node}",
                lambda connect: migration.send(connect, uid, target, self._settings),
                timeout=self._settings.migration_timeout,
            )
        except TimedOut:
            await self._observer.jobs.call(f"abort the migration of {uid}", lambda c: migration.abort(c, uid))
            raise
        finally:
            watch.cancel()
        machine, _ = await self._observer.observe(uid)
        if machine is not None and machine.state is not MachineState.STOPPED:
            raise Conflict(f"{uid} is still on this node after its migration ({machine.state})")

    async def repair(self, uid: str) -> bool:
        """Repair what a migration that broke off has left; return True when nothing is left to do."""
        machine = await self._end_hang(uid)
        if machine is None:
            return True
        if machine.state is MachineState.RUNNING and not machine.migrating:
            await self._control.change("activate the disks of", uid, migration.activate_disks)
        return not machine.migrating

    async def _end_hangs(self, uid: str) -> None:
        while True:
            await self._clock.sleep(HANG_CHECK_SECONDS)
            with suppress(ResourceError):  # the next check repeats it
                await self._end_hang(uid)

    async def _end_hang(self, uid: str) -> Machine | None:
        """End the machine's migration if QEMU hangs in it; return the machine as it was before."""
        machine, _ = await self._observer.observe(uid)
        if machine is not None and machine.migrating and machine.state is MachineState.PAUSED:
            await self._control.change("end the migration of", uid, migration.end_cancelled)
        return machine
