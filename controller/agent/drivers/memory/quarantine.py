"""Keeps disks of a memory world aside, for the in-memory driver."""

from __future__ import annotations

from datetime import datetime

from controller.agent.drivers.memory.world import MemoryDisk, MemoryHost, MemoryMachine, MemoryQuarantined, MemoryWorld
from controller.agent.drivers.types import Quarantined


def keep_aside(world: MemoryWorld, address: str, uid: str, at: datetime) -> None:
    """End the machine and keep its disk aside, in one edit."""
    with world.edit(address) as (host,):
        machine, disk = host.machines.pop(uid, None), host.disks.pop(uid, None)
        if disk is not None:
            _keep(host, uid, machine.name if machine is not None else "", disk, at)


def keep_disk(host: MemoryHost, machine: MemoryMachine, disk: MemoryDisk, at: datetime) -> None:
    """Keep the disk of a machine aside that stays and gets another one, in an edit of the host."""
    _keep(host, machine.uid, machine.name, disk, at)


def _keep(host: MemoryHost, uid: str, name: str, disk: MemoryDisk, at: datetime) -> None:
    host.quarantine[f"{uid}.{disk.generation}"] = MemoryQuarantined(uid, name, at.isoformat(), disk)


def kept(world: MemoryWorld, address: str) -> list[Quarantined]:
    """Return what the host keeps aside, oldest first."""
    found = [
        Quarantined(key, one.uid, one.name, datetime.fromisoformat(one.at))
        for key, one in world.read(address).quarantine.items()
    ]
    return sorted(found, key=lambda one: (one.at, one.key))
