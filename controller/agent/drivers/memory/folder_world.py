"""Keeps the hosts of in-memory drivers in a folder that several processes share, for tests of processes.

FOR TESTS AND SCALE RUNS ONLY. Machines outlive the agents' processes here, as QEMU outlives an
agent. Each host is a JSON file; a lock file keeps edits one after the other; an edit of several
hosts is written to a journal first, so that a killed process has made all of it or nothing.

Not promised: speed (it locks and rewrites files); use it for a few hosts.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from controller.agent.drivers.memory.world import (
    AbstractEdit,
    MemoryDisk,
    MemoryHost,
    MemoryMachine,
    MemoryQuarantined,
    MemoryWorld,
)
from controller.agent.drivers.types import MachineState, PauseReason
from controller.model.compute import ComputeSpec
from controller.model.moments import STORED


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
        """Return a number that changes with the host; 0 while it does not exist."""
        try:
            return self._file(address).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock out every other process; the kernel releases the lock when this process ends."""
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def commit(self, hosts: dict[str, MemoryHost], before: dict[str, set[str]]) -> None:
        """Write all of the hosts or none: the journal has the new files first."""
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
        """Finish an edit that is in the journal; called under the lock, also at the start of every edit."""
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
                self._world.commit(self._hosts, self._before)
        finally:
            self._lock.__exit__(None, None, None)


def _write(path: Path, text: str) -> None:
    """Replace a file atomically: readers get the old or the new text, never a part."""
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _encode(host: MemoryHost) -> dict[str, Any]:
    return {
        "machines": [
            {**vars(machine), "spec": machine.spec.model_dump(mode="json")} for machine in host.machines.values()
        ],
        "disks": {uid: vars(disk) for uid, disk in host.disks.items()},
        "quarantine": {key: {**vars(one), "disk": vars(one.disk)} for key, one in host.quarantine.items()},
        "generations": host.generations,
    }


def _decode(document: dict[str, Any]) -> MemoryHost:
    machines = [
        MemoryMachine(
            **{
                **row,
                "spec": ComputeSpec.model_validate(row["spec"], context=STORED),
                "state": MachineState(row["state"]),
                "pause_reason": PauseReason(row["pause_reason"]),
                "cells": tuple(row.get("cells", ())),
                "cpus": tuple(row.get("cpus", ())),
            }
        )
        for row in document["machines"]
    ]
    disks = {uid: _disk(row) for uid, row in document["disks"].items()}
    quarantine = {
        key: MemoryQuarantined(row["uid"], row["name"], row["at"], _disk(row["disk"]))
        for key, row in document.get("quarantine", {}).items()
    }
    return MemoryHost({machine.uid: machine for machine in machines}, disks, quarantine, document["generations"])


def _disk(row: Mapping[str, Any]) -> MemoryDisk:
    return MemoryDisk(row["image"], row["generation"], tuple(row["extra"]))
