"""Memory drivers that fail, each in the one way that its name says.

FOR TESTS ONLY. Where a variant takes ``marker``, it fails only for machines whose name (or, for
images, whose image address) holds the marker; for the others it is the plain MemoryDriver.
"""

from __future__ import annotations

from typing import Any

from controller.agent.drivers.memory import MemoryDriver, Phase
from controller.agent.drivers.types import Desired, Machine, MachineState, MigrationTarget, PauseReason
from controller.errors import ImageInvalid, Unavailable


class MemoryDriverRefusesImage(MemoryDriver):
    """Images whose address holds the marker have a wrong checksum."""

    def __init__(self, *arguments: Any, marker: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._marker = marker

    def _check_image(self, desired: Desired) -> None:
        if self._marker in desired.spec.image.url:
            raise ImageInvalid(f"{desired.spec.image.url}: checksum is not {desired.spec.image.checksum}")


class MemoryDriverHangs(MemoryDriver):
    """``ensure`` of marked machines gives no answer; TimedOut after the driver's deadline."""

    def __init__(self, *arguments: Any, marker: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._marker = marker

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        if self._marker in desired.name:
            await self._hang()
        await super().ensure(desired, run=run)


class MemoryDriverFailsStart(MemoryDriver):
    """Marked machines are defined, but do not start, the first ``failures`` times."""

    def __init__(self, *arguments: Any, marker: str = "", failures: int = 1, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._marker = marker
        self._failures = failures

    async def _start(self, desired: Desired) -> None:
        if self._marker in desired.name and self._failures > 0:
            self._failures -= 1
            raise Unavailable(f"{desired.name} did not start")
        await super()._start(desired)


class MemoryDriverIgnoresShutdown(MemoryDriver):
    """Guests take no notice of ACPI: the power is cut after the whole timeout."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shutdown_seconds = float("inf")


class MemoryDriverAway(MemoryDriver):
    """The hypervisor does not answer while ``away`` is set."""

    away = True

    async def open(self) -> None:
        self._refuse()
        await super().open()

    async def observe(self) -> list[Machine]:
        self._refuse()
        return await super().observe()

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        self._refuse()
        await super().ensure(desired, run=run)

    async def remove(self, uid: str, *, timeout: float, delete_disks: bool = True) -> None:
        self._refuse()
        await super().remove(uid, timeout=timeout, delete_disks=delete_disks)

    def _refuse(self) -> None:
        if self.away:
            raise Unavailable("the hypervisor is away")


class MemoryDriverFailsMigration(MemoryDriver):
    """Migrations break off while memory is copied: the source runs on, the target has nothing."""

    failing_phase = Phase.COPY
    failures = 1 << 30
    """How many migrations fail before one works."""

    async def _phase(self, phase: Phase) -> None:
        await super()._phase(phase)
        if phase is self.failing_phase and self.failures > 0:
            self.failures -= 1
            raise Unavailable(f"the migration broke off at {phase}")


class MemoryDriverFailsMigrationAtSwitch(MemoryDriverFailsMigration):
    """The source is PAUSED by migration, the target incomplete: the source must be resumed."""

    failing_phase = Phase.SWITCH


class MemoryDriverHangsAtSwitch(MemoryDriverFailsMigrationAtSwitch):
    """The source stays PAUSED in a job that has no end, and runs on once it is mended."""

    def _break_off(self, uid: str, peer: str) -> None:
        with self.world.edit(self.address, peer) as (here, there):
            there.machines.pop(uid, None)
            here.machines[uid].migrating = True

    async def mend(self, uid: str) -> bool:
        with self.world.edit(self.address) as (here,):
            machine = here.machines[uid]
            machine.state, machine.pause_reason, machine.migrating = MachineState.RUNNING, PauseReason.NONE, False
        return await super().mend(uid)


class MemoryDriverFailsMigrationAtFinish(MemoryDriverFailsMigration):
    """Both are PAUSED and the target is complete: the migration must be finished."""

    failing_phase = Phase.FINISH


class MemoryDriverRollsBackAtFinish(MemoryDriverFailsMigrationAtFinish):
    """The target's libvirtd dies at the finish: the source runs on, the target keeps a definition."""

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        try:
            await super().migrate(uid, target)
        except Unavailable:
            with self.world.edit(self.address, target.address) as (here, there):
                source, copy = here.machines[uid], there.machines[uid]
                copy.state, copy.pause_reason = MachineState.STOPPED, PauseReason.NONE
                source.state, source.pause_reason = MachineState.RUNNING, PauseReason.NONE
            raise
