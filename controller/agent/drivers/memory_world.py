"""Hypervisors that only keep books: the ground that the in-memory drivers stand on.

FOR TESTS AND SCALE RUNS ONLY: nothing in here runs a virtual machine.

A world holds the hosts of one or more memory drivers by their migration address, so that drivers
migrate machines to each other. It outlives the drivers, as QEMU outlives an agent:
``MemoryHypervisors`` within a process, ``FolderHypervisors`` in a folder that several processes
share, one JSON file per host.

Ordering: ``edit`` is a transaction over the named hosts: others see all of it or nothing, also
when the process dies inside it. Edits of one world happen one after the other. Each edit that sets
a machine running while another host runs it is written down in ``double_runs``.

Not promised: speed of ``FolderHypervisors`` (it locks and rewrites files); use it for a few hosts.
"""

from __future__ import annotations

import copy
import fcntl
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from controller.agent.drivers.types import MachineState, PauseReason
from controller.model.compute import ComputeSpec


@dataclass
class MemoryMachine:
    """One row of the book: a machine that is said to be there."""

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
    """How often it was started; shows a restart that nobody should have made."""
    cells: tuple[int, ...] = ()
    cpus: tuple[int, ...] = ()
    """What it was last given of the host, as ``Desired``."""


@dataclass
class MemoryDisk:
    """The root disk of a machine and the names of the extra ones."""

    image: str
    """Checksum of the image that it was made from."""
    generation: int
    """Differs between any two root disks of a world."""
    extra: tuple[str, ...] = ()


@dataclass
class MemoryHost:
    """What one host has, by uid."""

    machines: dict[str, MemoryMachine] = field(default_factory=dict)
    disks: dict[str, MemoryDisk] = field(default_factory=dict)
    generations: int = 0

    def running(self) -> set[str]:
        """Uids of machines whose vcpus run."""
        return {uid for uid, machine in self.machines.items() if machine.state is MachineState.RUNNING}


Listener = Callable[[], None]


class MemoryWorld(ABC):
    """Hosts by migration address."""

    def __init__(self) -> None:
        self.unreachable: set[str] = set()
        """Addresses that migrations cannot reach (a cut cable)."""

    @abstractmethod
    def edit(self, *addresses: str) -> AbstractEdit:
        """Lock the named hosts, let the caller change them, keep the changes if no error came."""

    @abstractmethod
    def read(self, address: str) -> MemoryHost:
        """A copy of the host as it stands."""

    @abstractmethod
    def hosts(self) -> list[str]:
        """Addresses of all hosts that were ever opened."""

    @abstractmethod
    def double_runs(self) -> list[str]:
        """Each moment at which a machine was set running on a second host; must stay empty."""

    def running(self, uid: str) -> list[str]:
        """Addresses of the hosts that run the machine."""
        return [address for address in self.hosts() if uid in self.read(address).running()]

    def crash(self, address: str, uid: str) -> None:
        """The machine's process dies, nobody asked for it."""
        with self.edit(address) as (host,):
            host.machines[uid].state = MachineState.STOPPED
            host.machines[uid].pause_reason = PauseReason.NONE

    def power_cycle(self, address: str) -> None:
        """The host loses power and comes back: definitions and disks stay, nothing runs."""
        with self.edit(address) as (host,):
            for uid in [uid for uid, one in host.machines.items() if one.pause_reason is PauseReason.INCOMING]:
                del host.machines[uid]
            for machine in host.machines.values():
                machine.state, machine.pause_reason = MachineState.STOPPED, PauseReason.NONE
                machine.migrating = False


class AbstractEdit(ABC):
    """Context manager that ``edit`` returns: gives the hosts in the order of the addresses."""

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
        return MemoryHost({uid: copy.copy(one) for uid, one in host.machines.items()}, dict(host.disks))

    def hosts(self) -> list[str]:
        return sorted(self._hosts)

    def double_runs(self) -> list[str]:
        return list(self._double_runs)

    def running(self, uid: str) -> list[str]:
        return sorted(self._running.get(uid, ()))

    def listen(self, address: str, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after each edit of the host; returns how to stop that."""
        listeners = self._listeners.setdefault(address, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def host(self, address: str) -> MemoryHost:
        """The live host (for edits)."""
        return self._hosts.setdefault(address, MemoryHost())

    def settle(self, address: str, before: set[str]) -> None:
        """Take in what an edit changed."""
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
        # Callers check first and change last, so an error leaves nothing half changed.
        for address, before in zip(self._addresses, self._before, strict=True):
            self._world.settle(address, before)


class FolderHypervisors(MemoryWorld):
    """A world in a folder that processes share: a lock file, and a JSON file per host."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def edit(self, *addresses: str) -> AbstractEdit:
        return _FolderEdit(self, addresses)

    def read(self, address: str) -> MemoryHost:
        try:
            return _decode(json.loads(self._file(address).read_text()))
        except FileNotFoundError:
            return MemoryHost()

    def hosts(self) -> list[str]:
        return sorted(unquote(path.name[5:-5]) for path in self._folder.glob("host-*.json"))

    def double_runs(self) -> list[str]:
        path = self._folder / "double-runs"
        return path.read_text().splitlines() if path.exists() else []

    def stamp(self, address: str) -> int:
        """Changes when the host does; 0 while it is not there."""
        try:
            return self._file(address).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process out; let go by the kernel when this one dies."""
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def keep(self, hosts: dict[str, MemoryHost], before: dict[str, set[str]]) -> None:
        """Write the hosts, all or none: the new files are named in a journal first."""
        for address, host in hosts.items():
            for uid in host.running() - before[address]:
                elsewhere = [one for one in self.hosts() if one not in hosts and uid in self.read(one).running()]
                elsewhere += [one for one, other in hosts.items() if one != address and uid in other.running()]
                if elsewhere:
                    with (self._folder / "double-runs").open("a") as log:
                        log.write(f"{uid} runs on {sorted([address, *elsewhere])}\n")
        journal = {self._file(address).name: _encode(host) for address, host in hosts.items()}
        _write(self._folder / "journal", json.dumps(journal))
        self.replay()

    def replay(self) -> None:
        """Finish an edit that was decided; called under the lock, at the start of every edit too."""
        journal = self._folder / "journal"
        if not journal.exists():
            return
        for name, document in json.loads(journal.read_text()).items():
            _write(self._folder / name, json.dumps(document))
        journal.unlink()

    def _file(self, address: str) -> Path:
        return self._folder / f"host-{quote(address, safe='')}.json"


class _FolderEdit(AbstractEdit):
    def __init__(self, world: FolderHypervisors, addresses: tuple[str, ...]) -> None:
        self._world = world
        self._addresses = addresses
        self._lock = world.lock()

    def __enter__(self) -> tuple[MemoryHost, ...]:
        self._lock.__enter__()
        self._world.replay()
        self._hosts = {address: self._world.read(address) for address in self._addresses}
        self._before = {address: host.running() for address, host in self._hosts.items()}
        return tuple(self._hosts[address] for address in self._addresses)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            if kind is None:
                self._world.keep(self._hosts, self._before)
        finally:
            self._lock.__exit__(None, None, None)


def _write(path: Path, text: str) -> None:
    """Replace a file at once: readers see the old or the new text, never a part."""
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _encode(host: MemoryHost) -> dict[str, Any]:
    return {
        "machines": [
            {**vars(machine), "spec": machine.spec.model_dump(mode="json")} for machine in host.machines.values()
        ],
        "disks": {uid: vars(disk) for uid, disk in host.disks.items()},
        "generations": host.generations,
    }


def _decode(document: dict[str, Any]) -> MemoryHost:
    machines = [
        MemoryMachine(
            **{
                **row,
                "spec": ComputeSpec.model_validate(row["spec"]),
                "state": MachineState(row["state"]),
                "pause_reason": PauseReason(row["pause_reason"]),
                "cells": tuple(row.get("cells", ())),
                "cpus": tuple(row.get("cpus", ())),
            }
        )
        for row in document["machines"]
    ]
    disks = {
        uid: MemoryDisk(row["image"], row["generation"], tuple(row["extra"])) for uid, row in document["disks"].items()
    }
    return MemoryHost({machine.uid: machine for machine in machines}, disks, document["generations"])
