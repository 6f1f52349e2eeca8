"""Keeps the hosts of in-memory drivers as records: the hypervisors that those drivers control.

FOR TESTS AND SCALE RUNS ONLY: nothing in this package runs a virtual machine.

A world has the hosts of one or more in-memory drivers by their migration address, so that drivers
migrate machines to each other. It outlives the drivers, as QEMU outlives an agent. This module has
the interface and ``MemoryHypervisors``, a world within one process; ``folder_world`` has one that
several processes share.

Ordering: ``edit`` is a transaction over the named hosts: others see all of it or nothing, also
when the process is killed inside it. Edits of one world happen one after the other. Each edit that
runs a machine while another host runs it is recorded in ``double_runs``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from controller.agent.drivers.types import MachineState, PauseReason
from controller.model.compute import ComputeSpec


@dataclass
class MemoryMachine:
    """The record of one machine."""

    uid: str
    name: str
    revision: int
    spec: ComputeSpec
    state: MachineState = MachineState.STOPPED
    pause_reason: PauseReason = PauseReason.NONE
    migrating: bool = False
    peer: str = ""
    """Address of the other host of a migration."""
    reboots: int = 0
    boots: int = 0
    """How often it was started; a test finds a needless restart by it."""
    cells: tuple[int, ...] = ()
    cpus: tuple[int, ...] = ()
    """The cells and cpus that it was last bound to, as in ``Desired``."""

    @property
    def incomplete(self) -> bool:
        """Whether a migration has not brought it completely yet."""
        return self.pause_reason is PauseReason.INCOMING


@dataclass
class MemoryDisk:
    """The root disk of a machine and the names of the extra ones."""

    image: str
    """Checksum of the image that it was created from."""
    generation: int
    """Differs between any two root disks of a world."""
    extra: tuple[str, ...] = ()


@dataclass
class MemoryQuarantined:
    """A disk that is kept aside."""

    uid: str
    name: str
    at: str
    """ISO 8601."""
    disk: MemoryDisk


@dataclass
class MemoryHost:
    """The machines and disks of one host by uid, and the disks that are kept aside by key."""

    machines: dict[str, MemoryMachine] = field(default_factory=dict)
    disks: dict[str, MemoryDisk] = field(default_factory=dict)
    quarantine: dict[str, MemoryQuarantined] = field(default_factory=dict)
    generations: int = 0

    def running(self) -> set[str]:
        """Return the uids of the machines whose vcpus run."""
        return {uid for uid, machine in self.machines.items() if machine.state is MachineState.RUNNING}


Listener = Callable[[], None]


class MemoryWorld(ABC):
    """The hosts, by migration address."""

    def __init__(self) -> None:
        self.unreachable: set[str] = set()
        """Addresses that migrations cannot reach (a broken cable)."""

    @abstractmethod
    def edit(self, *addresses: str) -> AbstractEdit:
        """Lock the named hosts for the caller to change; keep the changes unless the body raised."""

    @abstractmethod
    def read(self, address: str) -> MemoryHost:
        """Return a copy of the host."""

    @abstractmethod
    def hosts(self) -> list[str]:
        """Return the addresses of all hosts that a driver ever opened."""

    @abstractmethod
    def double_runs(self) -> list[str]:
        """Return each moment at which a machine began to run on a second host; must stay empty."""

    def running(self, uid: str) -> list[str]:
        """Return the addresses of the hosts that run the machine."""
        return [address for address in self.hosts() if uid in self.read(address).running()]

    def crash(self, address: str, uid: str) -> None:
        """End the machine's process as a crash does."""
        with self.edit(address) as (host,):
            host.machines[uid].state = MachineState.STOPPED
            host.machines[uid].pause_reason = PauseReason.NONE

    def power_cycle(self, address: str) -> None:
        """Restart the host as a power failure does: definitions and disks stay, nothing runs."""
        with self.edit(address) as (host,):
            for uid in [uid for uid, one in host.machines.items() if one.incomplete]:
                del host.machines[uid]
            for machine in host.machines.values():
                machine.state, machine.pause_reason = MachineState.STOPPED, PauseReason.NONE
                machine.migrating = False


class AbstractEdit(ABC):
    """The context manager that ``edit`` returns: it gives the hosts in the order of the addresses."""

    @abstractmethod
    def __enter__(self) -> tuple[MemoryHost, ...]: ...

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None: ...


class MemoryHypervisors(MemoryWorld):
    """A world within one process; used from the event loop's thread only."""

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[str, MemoryHost] = {}
        self._running: dict[str, set[str]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._double_runs: list[str] = []

    def edit(self, *addresses: str) -> AbstractEdit:
        return _MemoryEdit(self, addresses)

    def read(self, address: str) -> MemoryHost:
        host = self._hosts.get(address)
        if host is None:
            return MemoryHost()
        machines = {uid: copy.copy(one) for uid, one in host.machines.items()}
        return MemoryHost(machines, dict(host.disks), dict(host.quarantine))

    def hosts(self) -> list[str]:
        return sorted(self._hosts)

    def double_runs(self) -> list[str]:
        return list(self._double_runs)

    def running(self, uid: str) -> list[str]:
        return sorted(self._running.get(uid, ()))

    def listen(self, address: str, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after each edit of the host; return the function that ends that."""
        listeners = self._listeners.setdefault(address, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def host(self, address: str) -> MemoryHost:
        """Return the host itself, for an edit."""
        return self._hosts.setdefault(address, MemoryHost())

    def record_edit(self, address: str, before: set[str]) -> None:
        """Record which machines an edit started and stopped, and call the listeners."""
        now = self._hosts[address].running()
        for uid in before - now:
            self._running[uid].discard(address)
        for uid in now - before:
            others = self._running.setdefault(uid, set())
            others.add(address)
            if len(others) > 1:
                self._double_runs.append(f"{uid} runs on {sorted(others)}")
        for listener in list(self._listeners.get(address, ())):
            listener()


class _MemoryEdit(AbstractEdit):
    def __init__(self, world: MemoryHypervisors, addresses: tuple[str, ...]) -> None:
        self._world = world
        self._addresses = addresses
        self._before: list[set[str]] = []

    def __enter__(self) -> tuple[MemoryHost, ...]:
        hosts = tuple(self._world.host(address) for address in self._addresses)
        self._before = [host.running() for host in hosts]
        return hosts

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        # Callers check first and change last, so an error leaves no half of a change.
        for address, before in zip(self._addresses, self._before, strict=True):
            self._world.record_edit(address, before)
