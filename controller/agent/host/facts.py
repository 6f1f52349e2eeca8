"""Computes what a node offers of its host, for drivers: hardware threads, memory, NUMA cells and disk.

The kernel gives what exists, the settings what of it the service may use. Capacity and cells are
computed from the same figures: unless settings replace them, the cells add up to the capacity. A
hardware thread is shared, or assigned one by one (``pinned_cpus``), or reserved for the host, never
two of these. Memory in huge pages is counted separately, as the kernel does.

Reads only, and each call reads again. A test gives another ``root`` to describe another host.

Design: G6, I1, I3
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from controller.agent.host.cpu_lists import format_cpus, parse_cpus
from controller.agent.host.topology import read_host_cells
from controller.errors import InvalidInput, Problem
from controller.model.node import Capacity, NumaCell
from controller.process.settings import SettingsPart

GIB = 1 << 30


class CapacitySettings(SettingsPart):
    """The part of the host that the service may use."""

    reserve_vcpus: int = Field(default=0, ge=0, description="Hardware threads reserved for the host.")
    reserve_memory_mib: int = Field(default=0, ge=0, description="Memory reserved for the host (MiB).")
    reserve_disk_gib: int = Field(default=0, ge=0, description="Disk reserved for the host (GiB).")
    pinned_cpus: str = Field(
        default="",
        description="Hardware threads assigned one by one (cpu_mode Pinned); the time of the others is shared.",
        examples=["2-7,10-15"],
    )
    vcpus: int | None = Field(
        default=None, ge=0, description="Shared hardware threads to offer; default: those of the host."
    )
    memory_mib: int | None = Field(default=None, ge=0, description="Memory to offer (MiB); default: that of the host.")
    disk_gib: int | None = Field(default=None, ge=0, description="Disk to offer (GiB); default: that of the host.")
    disk_iops: int = Field(
        default=0, ge=0, description="Reads and writes that the disks can do (1/s); 0: none are offered."
    )
    disk_mibps: int = Field(default=0, ge=0, description="Throughput of the disks (MiB/s); 0: none is offered.")
    network_mbps: int = Field(
        default=0, ge=0, description="Throughput of the network, each way (Mbit/s); 0: none is offered."
    )

    @field_validator("pinned_cpus")
    @classmethod
    def _is_a_list(cls, text: str) -> str:
        cpus = parse_cpus(text)
        twice = sorted({cpu for cpu in cpus if cpus.count(cpu) > 1})
        if twice:
            raise ValueError(f"cpu {twice[0]} is named twice in {text!r}")
        return text


@dataclass(frozen=True)
class Offer:
    """What the node offers, and the host's layout that it comes from."""

    capacity: Capacity
    cells: tuple[NumaCell, ...]
    """Cells that are reported to the scheduler: all, or one or none where settings replace the capacity."""
    layout: tuple[NumaCell, ...]
    """The cells that exist: machines are bound to these."""


def read_offer(settings: CapacitySettings, state_folder: Path, root: Path = Path("/")) -> Offer:
    """Return what the node offers: the host less the reserves, or what the settings name instead.

    Disk is the whole file system of ``state_folder``, not its free part, and all huge pages count:
    the scheduler counts what is in use. Raises InvalidInput for settings that do not fit the host.
    """
    layout = read_cells(settings, root)
    folder = next(path for path in (state_folder, *state_folder.parents) if path.exists())
    disk = os.statvfs(folder)
    found_disk = max(0, disk.f_blocks * disk.f_frsize // GIB - settings.reserve_disk_gib)
    capacity = Capacity(
        vcpus=_override(settings.vcpus, sum(len(cell.cpus) for cell in layout)),
        pinned_cpus=sum(len(cell.pinned_cpus) for cell in layout),
        memory_mib=_override(settings.memory_mib, sum(cell.memory_mib for cell in layout)),
        hugepages_mib=sum(cell.hugepages_mib for cell in layout),
        disk_gib=_override(settings.disk_gib, found_disk),
        disk_iops=settings.disk_iops,
        disk_mibps=settings.disk_mibps,
        network_mbps=settings.network_mbps,
    )
    return Offer(capacity, _reported_cells(settings, layout, capacity), layout)


def read_cells(settings: CapacitySettings, root: Path = Path("/")) -> tuple[NumaCell, ...]:
    """Return the host's NUMA cells less pinned threads and reserves; one cell if the kernel reports none.

    Reserves are taken evenly from the cells, the lowest shared threads first. Raises InvalidInput
    when a pinned thread does not exist.
    """
    found = read_host_cells(root)
    pinned = set(parse_cpus(settings.pinned_cpus))
    there = {cpu for cell in found for cpu in cell.cpus}
    if missing := sorted(pinned - there):
        message = f"cpu {missing[0]} does not exist: the host has {format_cpus(sorted(there))}"
        raise InvalidInput([Problem("libvirt.capacity.pinned_cpus", message)])
    shared = [tuple(cpu for cpu in cell.cpus if cpu not in pinned) for cell in found]
    cpus_off = _evenly(settings.reserve_vcpus, [len(cpus) for cpus in shared])
    memory_off = _evenly(settings.reserve_memory_mib, [cell.memory_mib for cell in found])
    return tuple(
        NumaCell(
            cell=cell.cell,
            cpus=cpus[skip:],
            pinned_cpus=tuple(cpu for cpu in cell.cpus if cpu in pinned),
            memory_mib=cell.memory_mib - memory,
            hugepages_mib=cell.hugepages_mib,
        )
        for cell, cpus, skip, memory in zip(found, shared, cpus_off, memory_off, strict=True)
    )


def _reported_cells(
    settings: CapacitySettings, layout: tuple[NumaCell, ...], capacity: Capacity
) -> tuple[NumaCell, ...]:
    # The cells that exist may be smaller than a capacity from the settings; they would limit machines wrongly.
    if settings.vcpus is None and settings.memory_mib is None:
        return layout
    if not capacity.pinned_cpus:
        return ()
    # One cell limits nothing, and the scheduler must know which threads it can assign.
    one = NumaCell(
        cell=0,
        cpus=tuple(sorted(cpu for cell in layout for cpu in cell.cpus)),
        pinned_cpus=tuple(sorted(cpu for cell in layout for cpu in cell.pinned_cpus)),
        memory_mib=capacity.memory_mib,
        hugepages_mib=capacity.hugepages_mib,
    )
    return (one,)


def _override(setting: int | None, found: int) -> int:
    return found if setting is None else setting


def _evenly(amount: int, rooms: Sequence[int]) -> list[int]:
    """Return how much to take from each of ``rooms`` so that all give the same, as far as they have it."""
    taken = [0] * len(rooms)
    left = min(amount, sum(rooms))
    while left:
        able = [number for number, room in enumerate(rooms) if taken[number] < room]
        part = max(1, left // len(able))
        for number in able:
            more = min(part, rooms[number] - taken[number], left)
            taken[number] += more
            left -= more
    return taken
