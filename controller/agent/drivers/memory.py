"""MemoryDriver: a driver that follows the whole contract and runs nothing.

FOR TESTS AND SCALE RUNS ONLY: ``facts().accelerator`` says ``memory``, so that no table can take
its machines for real ones. It passes the same contract suite as the libvirt driver, and documents
with few words what that one promises.

Its machines live in a world (``memory_world``), which outlives the driver as QEMU outlives the
agent. A migration passes through the very states that libvirt shows (recovery table of the
design), each in a transaction of its own, so that a kill between any two of them leaves what a
kill leaves there. One difference: the migration is carried by this process, so the death of the
source's agent breaks it off; ``open`` then clears it up, as a restarted libvirtd does.

Failing variants by name are in ``memory_failures``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from controller.agent.drivers.base import Console, Driver, Listeners
from controller.agent.drivers.limits import Limits, limits_of
from controller.agent.drivers.memory_world import (
    FolderHypervisors,
    MemoryDisk,
    MemoryHost,
    MemoryHypervisors,
    MemoryMachine,
    MemoryWorld,
)
from controller.agent.drivers.types import (
    Desired,
    Event,
    HostFacts,
    Machine,
    MachineEvent,
    MachineState,
    MigrationTarget,
    PauseReason,
)
from controller.clock import Clock, SystemClock
from controller.errors import Conflict, InvalidInput, NotFound, Problem, TimedOut, Unavailable
from controller.model.node import Capacity, NumaCell

DEFAULT_CAPACITY = Capacity(vcpus=64, memory_mib=262144, disk_gib=4096)

FOLDER_POLL = 0.2
"""Seconds between two looks at a host's file; other processes' edits show up by it."""


class Phase(StrEnum):
    """Points of a migration at which failing variants break it."""

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
        self._seen: dict[str, MachineState] = {}
        self._consoles: set[str] = set()
        self._unlisten = contextlib.ExitStack()

    async def open(self) -> None:
        with self.world.edit(self.address) as (host,):
            broken_off = [(one.uid, one.peer) for one in host.machines.values() if one.migrating and not _incoming(one)]
        for uid, peer in broken_off:
            self._break_off(uid, peer)
        self._seen = {uid: machine.state for uid, machine in self.world.read(self.address).machines.items()}
        if isinstance(self.world, MemoryHypervisors):
            self._unlisten.callback(self.world.listen(self.address, self._changed))
        elif isinstance(self.world, FolderHypervisors):
            task = asyncio.create_task(self._poll(self.world))
            self._unlisten.callback(task.cancel)

    async def close(self) -> None:
        self._unlisten.close()

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
                persistent=not _incoming(one),
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
            if _incoming(machine) or machine.migrating:
                raise Conflict(f"{desired.name} is being migrated")
            active = machine.state is not MachineState.STOPPED
            reboot = machine.state is MachineState.RUNNING and machine.reboots < desired.spec.reboots
            if active and (reboot or not run or machine.revision != desired.revision):
                await self.stop(desired.uid, timeout=desired.spec.shutdown_timeout)
            elif machine.state is MachineState.PAUSED:
                return
        with self.world.edit(self.address) as (host,):
            self._make_disks(host, desired, anew=False)
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

    async def remove(self, uid: str, *, timeout: float, delete_disks: bool = True) -> None:
        machine = self.world.read(self.address).machines.get(uid)
        if machine is not None and machine.state is MachineState.RUNNING:
            await self.stop(uid, timeout=timeout)
        with self.world.edit(self.address) as (host,):
            host.machines.pop(uid, None)
            if delete_disks:
                host.disks.pop(uid, None)

    async def prepare_incoming(self, desired: Desired) -> None:
        self._check_image(desired)
        limits_of(desired, self._layout)
        with self.world.edit(self.address) as (host,):
            if desired.uid in host.machines:
                raise Conflict(f"{desired.name} is here already")
            self._make_disks(host, desired, anew=True)

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        if target.address in self.world.unreachable or target.address not in self.world.hosts():
            raise Unavailable(f"{target.node} ({target.address}) cannot be reached")
        with self.world.edit(self.address, target.address) as (here, there):
            machine = here.machines.get(uid)
            if machine is None or machine.state is not MachineState.RUNNING or machine.migrating:
                raise Conflict(f"{uid} does not run here, or moves already")
            if uid not in there.disks or uid in there.machines:
                raise Conflict(f"{target.node} is not prepared for {uid}")
            machine.migrating, machine.peer = True, target.address
            there.machines[uid] = replace(
                machine, state=MachineState.PAUSED, pause_reason=PauseReason.INCOMING, peer=self.address
            )
        try:
            await self._carry(uid, target)
        except BaseException:
            self._break_off(uid, target.address)
            raise

    async def mend(self, uid: str) -> bool:
        machine = self.world.read(self.address).machines.get(uid)
        return machine is None or not machine.migrating

    async def resume(self, desired: Desired) -> None:
        limits_of(desired, self._layout)
        with self.world.edit(self.address) as (host,):
            machine = host.machines.get(desired.uid)
            if machine is None:
                raise NotFound(f"{desired.uid} is not on this host")
            if machine.state is MachineState.STOPPED or _incoming(machine):
                raise Conflict(f"{machine.name} cannot be resumed: {machine.state} {machine.pause_reason}")
            machine.state, machine.pause_reason, machine.migrating = MachineState.RUNNING, PauseReason.NONE, False
            machine.cells, machine.cpus = desired.cells, desired.cpus

    async def limits(self, uid: str) -> Limits:
        machine = self._machine(uid)
        if machine.state is MachineState.STOPPED:
            raise NotFound(f"{machine.name} does not run")
        kept = Desired(uid, machine.name, machine.revision, machine.spec, machine.cells, machine.cpus)
        return limits_of(kept, self._layout)

    async def console(self, uid: str) -> Console:
        machine = self._machine(uid)
        if uid in self._consoles:
            raise Conflict(f"the console of {machine.name} is in use")
        self._consoles.add(uid)
        return _EchoConsole(f"memory console of {machine.name}, boot {machine.boots}\r\n", self._consoles, uid)

    def events(self) -> Listeners:
        return self._listeners

    def _check_image(self, desired: Desired) -> None:
        """Raise ImageInvalid for an image that cannot be used; failing variants do."""

    async def _phase(self, phase: Phase) -> None:
        """Called at each point of a migration; failing variants raise here."""
        await self._clock.sleep(self._migration_seconds / len(Phase))

    async def _hang(self) -> None:
        """Wait in vain until the driver's deadline."""
        await self._clock.sleep(self._deadline)
        raise TimedOut(f"no answer within {self._deadline:g} s")

    async def _start(self, desired: Desired) -> None:
        if self._machine(desired.uid).state is MachineState.RUNNING:
            return
        await self._clock.sleep(self._start_seconds)
        with self.world.edit(self.address) as (host,):
            machine = host.machines.get(desired.uid)
            if machine is None:
                raise Unavailable(f"{desired.name} vanished while it was started")
            machine.state, machine.pause_reason = MachineState.RUNNING, PauseReason.NONE
            machine.reboots = desired.spec.reboots
            machine.boots += 1

    async def _carry(self, uid: str, target: MigrationTarget) -> None:
        await self._phase(Phase.COPY)
        with self.world.edit(self.address, target.address) as (here, there):
            source, copy = here.machines.get(uid), there.machines.get(uid)
            if source is None or copy is None or source.state is not MachineState.RUNNING or not _incoming(copy):
                raise Unavailable(f"the migration of {uid} to {target.node} broke off")
            source.state, source.pause_reason = MachineState.PAUSED, PauseReason.MIGRATION
        await self._phase(Phase.SWITCH)
        with self.world.edit(target.address) as (there,):
            copy = there.machines.get(uid)
            if copy is None or target.address in self.world.unreachable:
                raise Unavailable(f"the migration of {uid} to {target.node} broke off")
            copy.pause_reason = PauseReason.USER
        await self._phase(Phase.FINISH)
        with self.world.edit(self.address, target.address) as (here, there):
            copy = there.machines.get(uid)
            if copy is None:
                raise Unavailable(f"{uid} vanished from {target.node} at the finish")
            here.machines.pop(uid, None)
            copy.migrating = False

    def _break_off(self, uid: str, peer: str) -> None:
        """What the hypervisors do by themselves when a migration ends early."""
        with self.world.edit(self.address, peer) as (here, there):
            source, copy = here.machines.get(uid), there.machines.get(uid)
            if source is not None:
                source.migrating = False
            if copy is not None and copy.peer == self.address:
                copy.migrating = False
                if _incoming(copy) and (source is None or source.state is not MachineState.PAUSED):
                    del there.machines[uid]

    def _make_disks(self, host: MemoryHost, desired: Desired, *, anew: bool) -> None:
        disk = host.disks.get(desired.uid)
        extra = tuple(one.name for one in desired.spec.disks)
        if len(set(extra)) != len(extra):
            raise InvalidInput([Problem("spec.disks", "two disks have one name")])
        if anew or disk is None or disk.image != desired.spec.image.checksum:
            host.generations += 1
            host.disks[desired.uid] = MemoryDisk(desired.spec.image.checksum, host.generations, extra)
        else:
            disk.extra = extra

    def _machine(self, uid: str) -> MemoryMachine:
        machine = self.world.read(self.address).machines.get(uid)
        if machine is None:
            raise NotFound(f"{uid} is not on this host")
        return machine

    def _changed(self) -> None:
        """Tell the listeners what differs from what was last seen."""
        now = {uid: machine.state for uid, machine in self.world.read(self.address).machines.items()}
        before, self._seen = self._seen, now
        for uid in before.keys() | now.keys():
            old, new = before.get(uid, MachineState.STOPPED), now.get(uid, MachineState.STOPPED)
            if old is not new:
                self._listeners.tell(MachineEvent(_EVENTS[old, new], uid))

    async def _poll(self, world: FolderHypervisors) -> None:
        stamp = world.stamp(self.address)
        while True:
            await self._clock.sleep(FOLDER_POLL)
            if world.stamp(self.address) != stamp:
                stamp = world.stamp(self.address)
                self._changed()


_EVENTS = {
    (MachineState.STOPPED, MachineState.RUNNING): Event.STARTED,
    (MachineState.PAUSED, MachineState.RUNNING): Event.RESUMED,
    (MachineState.RUNNING, MachineState.PAUSED): Event.SUSPENDED,
    (MachineState.STOPPED, MachineState.PAUSED): Event.SUSPENDED,
    (MachineState.RUNNING, MachineState.STOPPED): Event.STOPPED,
    (MachineState.PAUSED, MachineState.STOPPED): Event.STOPPED,
}


def _one_cell(capacity: Capacity) -> NumaCell:
    """All of a host that has told of no cells: the shared threads first, then those given one by one."""
    shared, every = int(capacity.vcpus), int(capacity.vcpus) + capacity.pinned_cpus
    return NumaCell(cell=0, cpus=tuple(range(shared)), pinned_cpus=tuple(range(shared, every)))


def _incoming(machine: MemoryMachine) -> bool:
    return machine.pause_reason is PauseReason.INCOMING


class _EchoConsole(Console):
    """Greets, then gives back what is typed."""

    def __init__(self, greeting: str, users: set[str], uid: str) -> None:
        self._pending: asyncio.Queue[bytes] = asyncio.Queue()
        self._pending.put_nowait(greeting.encode())
        self._users = users
        self._uid = uid

    async def read(self) -> bytes:
        return await self._pending.get()

    async def write(self, data: bytes) -> None:
        self._pending.put_nowait(data)

    async def close(self) -> None:
        self._users.discard(self._uid)
        self._pending.put_nowait(b"")
