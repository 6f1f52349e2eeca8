"""In-memory drivers that fail, each in the one way that its name describes.

FOR TESTS ONLY. A driver that takes ``marker`` fails only for machines whose name (or, for images,
whose image address) contains the marker; for the others it is the plain MemoryDriver.
"""

from __future__ import annotations

from typing import Any

from controller.agent.drivers.memory.driver import MemoryDriver, Phase
from controller.agent.drivers.types import Desired, Machine, MachineState, MigrationTarget, PauseReason
from controller.errors import ImageInvalid, Unavailable
from controller.model.image_url import shown_url


class MemoryDriverRefusesImage(MemoryDriver):
    """Images whose address contains the marker have a wrong checksum."""

    def __init__(self, *arguments: Any, marker: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._marker = marker

    def _check_image(self, desired: Desired) -> None:
        if self._marker in desired.spec.image.url:
            url = shown_url(desired.spec.image.url)
            raise ImageInvalid(f"{url} does not have the checksum that the Image says")


class MemoryDriverHangs(MemoryDriver):
    """``ensure`` of marked machines does not answer and raises TimedOut after the driver's deadline."""

    def __init__(self, *arguments: Any, marker: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._marker = marker

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        if self._marker in desired.name:
            await self._hang()
        await super().ensure(desired, run=run)


class MemoryDriverFailsStart(MemoryDriver):
    """Marked machines are defined and do not start the first ``failures`` times."""

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
    """Guests ignore ACPI: the power is cut after the whole timeout."""

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

    async def remove(self, uid: str, *, timeout: float) -> None:
        self._refuse()
        await super().remove(uid, timeout=timeout)

    async def quarantine(self, uid: str) -> None:
        self._refuse()
        await super().quarantine(uid)

    def _refuse(self) -> None:
        if self.away:
            raise Unavailable("the hypervisor is away")


class MemoryDriverFailsMigration(MemoryDriver):
    """Migrations break off while memory is copied: the source still runs, the target has nothing."""

    failing_phase = Phase.COPY
    failures = 1 << 30
    """How many migrations fail before one succeeds."""

    async def _phase(self, phase: Phase) -> None:
        await super()._phase(phase)
        if phase is self.failing_phase and self.failures > 0:
            self.failures -= 1
            raise Unavailable(f"the migration broke off at {phase}")


class MemoryDriverFailsMigrationAtSwitch(MemoryDriverFailsMigration):
    """The source is PAUSED by migration, the target incomplete: the source must be resumed."""

    failing_phase = Phase.SWITCH


class MemoryDriverHangsAtSwitch(MemoryDriverFailsMigrationAtSwitch):
    """The source stays PAUSED in a job that does not end, and runs again when it is repaired."""

    def _break_off(self, uid: str, peer: str) -> None:
        with self.world.edit(self.address, peer) as (here, there):
            there.machines.pop(uid, None)
            here.machines[uid].migrating = True

    async def repair_migration(self, uid: str) -> bool:
        with self.world.edit(self.address) as (here,):
            machine = here.machines[uid]
            machine.state, machine.pause_reason, machine.migrating = MachineState.RUNNING, PauseReason.NONE, False
        return await super().repair_migration(uid)


class MemoryDriverFailsMigrationAtFinish(MemoryDriverFailsMigration):
    """Both are PAUSED and the target is complete: the migration must be finished."""

    failing_phase = Phase.FINISH


class MemoryDriverRollsBackAtFinish(MemoryDriverFailsMigrationAtFinish):
    """The target's libvirtd dies in the last step: the source still runs, the target keeps a definition."""

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        try:
            await super().migrate(uid, target)
        except Unavailable:
            with self.world.edit(self.address, target.address) as (here, there):
                source, copy = here.machines[uid], there.machines[uid]
                copy.state, copy.pause_reason = MachineState.STOPPED, PauseReason.NONE
                source.state, source.pause_reason = MachineState.RUNNING, PauseReason.NONE
            raise
