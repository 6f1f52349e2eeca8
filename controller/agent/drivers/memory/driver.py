"""Implements the whole contract of a driver and runs nothing.

FOR TESTS AND SCALE RUNS ONLY: ``facts().accelerator`` is ``memory``, so its machines are not taken
for real ones in any table. It passes the same contract suite as the libvirt driver, and shows in
few lines what that one promises.

Its machines are in a world, which outlives the driver as QEMU outlives the agent. A migration goes
through the states that libvirt shows. One difference: this process carries out the migration, so it
breaks off when the source's agent dies; ``open`` then cleans up, as a restarted libvirtd does.

The failing drivers for tests are in ``failing_drivers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from controller.agent.drivers.base import Console, Driver, Listeners
from controller.agent.drivers.limits import Limits, limits_of
from controller.agent.drivers.memory import migration, quarantine
from controller.agent.drivers.memory.console import EchoConsole
from controller.agent.drivers.memory.events import HostWatcher
from controller.agent.drivers.memory.world import (
    MemoryDisk,
    MemoryHost,
    MemoryHypervisors,
    MemoryMachine,
    MemoryWorld,
)
from controller.agent.drivers.types import (
    Desired,
    HostFacts,
    Machine,
    MachineState,
    MigrationTarget,
    PauseReason,
    Quarantined,
)
from controller.clock import Clock, SystemClock
from controller.errors import Conflict, InvalidInput, NotFound, Problem, TimedOut, Unavailable
from controller.model.node import Capacity, NumaCell

DEFAULT_CAPACITY = Capacity(vcpus=64, memory_mib=262144, disk_gib=4096)


class Phase(StrEnum):
    """Points of a migration at which failing drivers break it off."""

    COPY = "Copy"
    """Source RUNNING, target PAUSED by incoming."""
    SWITCH = "Switch"
    """Source PAUSED by migration, target PAUSED by incoming."""
    FINISH = "Finish"
    """Source PAUSED by migration, target PAUSED complete."""


class MemoryDriver(Driver):
    """Machines of one host of a world. Times are seconds on the clock; 0 means at once."""

    name = "Memory"

    def __init__(
        self,
        address: str = "memory:local",
        world: MemoryWorld | None = None,
        *,
        clock: Clock | None = None,
        capacity: Capacity = DEFAULT_CAPACITY,
        numa: Sequence[NumaCell] = (),
        start_seconds: float = 0,
        shutdown_seconds: float = 0,
        migration_seconds: float = 0,
        deadline: float = 120,
    ) -> None:
        self.address = address
        self.world = world if world is not None else MemoryHypervisors()
        self._clock = clock or SystemClock()
        self._capacity = capacity
        self._numa = tuple(numa)
        self._layout = self._numa or (_one_cell(capacity),)
        self._start_seconds = start_seconds
        self._shutdown_seconds = shutdown_seconds
        self._migration_seconds = migration_seconds
        self._deadline = deadline
        self._listeners = Listeners()
        self._consoles: set[str] = set()
        self._watcher = HostWatcher(self.world, address, self._listeners, self._clock)

    async def open(self) -> None:
        with self.world.edit(self.address) as (host,):
            interrupted = [
                (one.uid, one.peer) for one in host.machines.values() if one.migrating and not one.incomplete
            ]
        for uid, peer in interrupted:
            self._break_off(uid, peer)
        self._watcher.start()

    async def close(self) -> None:
        self._watcher.stop()

    async def facts(self) -> HostFacts:
        return HostFacts(capacity=self._capacity, numa=self._numa, accelerator="memory")

    async def observe(self) -> list[Machine]:
        return [
            Machine(
                uid=one.uid,
                name=one.name,
                revision=one.revision,
                state=one.state,
                pause_reason=one.pause_reason,
                migrating=one.migrating,
                persistent=not one.incomplete,
                reboots=one.reboots,
                taps=tuple(f"memory-{one.name}-{index}" for index in range(len(one.spec.interfaces))),
                cells=one.cells,
                cpus=one.cpus,
            )
            for one in self.world.read(self.address).machines.values()
        ]

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        self._check_image(desired)
        if run:
            limits_of(desired, self._layout)
        machine = self.world.read(self.address).machines.get(desired.uid)
        if machine is not None:
            if machine.incomplete or machine.migrating:
                raise Conflict(f"{desired.name} is being migrated")
            active = machine.state is not MachineState.STOPPED
            reboot = machine.state is MachineState.RUNNING and machine.reboots < desired.spec.reboots
            if active and (reboot or not run or machine.revision != desired.revision):
                await self.stop(desired.uid, timeout=desired.spec.shutdown_timeout)
            elif machine.state is MachineState.PAUSED:
                return
        with self.world.edit(self.address) as (host,):
            self._make_disks(host, desired, replace=False)
            machine = host.machines.get(desired.uid)
            if machine is None:
                machine = host.machines[desired.uid] = MemoryMachine(
                    desired.uid, desired.name, desired.revision, desired.spec
                )
            machine.revision, machine.spec = desired.revision, desired.spec
            machine.cells, machine.cpus = desired.cells, desired.cpus
        if run:
            await self._start(desired)

    async def stop(self, uid: str, *, timeout: float) -> None:
        self._machine(uid)
        await self._clock.sleep(min(timeout, self._shutdown_seconds))
        with self.world.edit(self.address) as (host,):
            machine = host.machines.get(uid)
            if machine is not None:
                machine.state, machine.pause_reason = MachineState.STOPPED, PauseReason.NONE

    async def remove(self, uid: str, *, timeout: float) -> None:
        machine = self.world.read(self.address).machines.get(uid)
        if machine is not None and machine.state is MachineState.RUNNING:
            await self.stop(uid, timeout=timeout)
        with self.world.edit(self.address) as (host,):
            host.machines.pop(uid, None)
            host.disks.pop(uid, None)

    async def quarantine(self, uid: str) -> None:
        quarantine.keep_aside(self.world, self.address, uid, self._clock.now())

    async def quarantined(self) -> list[Quarantined]:
        return quarantine.kept(self.world, self.address)

    async def purge(self, key: str) -> None:
        with self.world.edit(self.address) as (host,):
            host.quarantine.pop(key, None)

    async def prepare_incoming(self, desired: Desired) -> None:
        self._check_image(desired)
        limits_of(desired, self._layout)
        with self.world.edit(self.address) as (host,):
            if desired.uid in host.machines:
                raise Conflict(f"{desired.name} is on this host already")
            self._make_disks(host, desired, replace=True)

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        migration.begin(self.world, self.address, uid, target)
        try:
            await self._phase(Phase.COPY)
            migration.switch(self.world, self.address, uid, target)
            await self._phase(Phase.SWITCH)
            migration.complete(self.world, uid, target)
            await self._phase(Phase.FINISH)
            migration.finish(self.world, self.address, uid, target)
        except BaseException:
            self._break_off(uid, target.address)
            raise

    async def repair_migration(self, uid: str) -> bool:
        machine = self.world.read(self.address).machines.get(uid)
        return machine is None or not machine.migrating

    async def resume(self, desired: Desired) -> None:
        limits_of(desired, self._layout)
        with self.world.edit(self.address) as (host,):
            machine = host.machines.get(desired.uid)
            if machine is None:
                raise NotFound(f"{desired.uid} is not on this host")
            if machine.state is MachineState.STOPPED or machine.incomplete:
                raise Conflict(f"{machine.name} cannot be resumed: {machine.state} {machine.pause_reason}")
            machine.state, machine.pause_reason, machine.migrating = MachineState.RUNNING, PauseReason.NONE, False
            machine.cells, machine.cpus = desired.cells, desired.cpus

    async def limits(self, uid: str) -> Limits:
        machine = self._machine(uid)
        if machine.state is MachineState.STOPPED:
            raise NotFound(f"{machine.name} does not run")
        bound = Desired(uid, machine.name, machine.revision, machine.spec, machine.cells, machine.cpus)
        return limits_of(bound, self._layout)

    async def console(self, uid: str) -> Console:
        machine = self._machine(uid)
        if uid in self._consoles:
            raise Conflict(f"the console of {machine.name} is in use")
        self._consoles.add(uid)
        return EchoConsole(f"memory console of {machine.name}, boot {machine.boots}\r\n", self._consoles, uid)

    def events(self) -> Listeners:
        return self._listeners

    def _check_image(self, desired: Desired) -> None:
        """Raise ImageInvalid for an image that cannot be used; a failing driver does."""

    async def _phase(self, phase: Phase) -> None:
        """Wait at one point of a migration; failing drivers raise here."""
        await self._clock.sleep(self._migration_seconds / len(Phase))

    async def _hang(self) -> None:
        """Wait until the driver's deadline. Raises TimedOut."""
        await self._clock.sleep(self._deadline)
        raise TimedOut(f"the hypervisor did not answer within {self._deadline:g} s")

    async def _start(self, desired: Desired) -> None:
        if self._machine(desired.uid).state is MachineState.RUNNING:
            return
        await self._clock.sleep(self._start_seconds)
        with self.world.edit(self.address) as (host,):
            machine = host.machines.get(desired.uid)
            if machine is None:
                raise Unavailable(f"{desired.name} disappeared while it was started")
            machine.state, machine.pause_reason = MachineState.RUNNING, PauseReason.NONE
            machine.reboots = desired.spec.reboots
            machine.boots += 1

    def _break_off(self, uid: str, peer: str) -> None:
        """End a migration early; failing drivers leave other states."""
        migration.break_off(self.world, self.address, uid, peer)

    def _make_disks(self, host: MemoryHost, desired: Desired, *, replace: bool) -> None:
        disk = host.disks.get(desired.uid)
        extra = tuple(one.name for one in desired.spec.disks)
        if len(set(extra)) != len(extra):
            raise InvalidInput([Problem("spec.disks", "two disks have one name")])
        if replace or disk is None or disk.image != desired.spec.image.checksum:
            machine = host.machines.get(desired.uid)
            if disk is not None and machine is not None and machine.revision > desired.revision:
                quarantine.keep_disk(host, machine, disk, self._clock.now())
            host.generations += 1
            host.disks[desired.uid] = MemoryDisk(desired.spec.image.checksum, host.generations, extra)
        else:
            disk.extra = extra

    def _machine(self, uid: str) -> MemoryMachine:
        machine = self.world.read(self.address).machines.get(uid)
        if machine is None:
            raise NotFound(f"{uid} is not on this host")
        return machine


def _one_cell(capacity: Capacity) -> NumaCell:
    """Return a whole host as one cell: the shared threads first, then those assigned one by one."""
    shared, every = int(capacity.vcpus), int(capacity.vcpus) + capacity.pinned_cpus
    return NumaCell(cell=0, cpus=tuple(range(shared)), pinned_cpus=tuple(range(shared, every)))
