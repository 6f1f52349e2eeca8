"""Host facts: hardware threads, memory, NUMA cells and disk, and what of them the node offers (design G6, I1, I3).

The kernel says what there is, the settings what of it the service may use. Capacity and cells are
made from the same figures: without settings that say otherwise, the cells add up to the capacity.
A hardware thread is shared, or given one by one (``pinned_cpus``), or kept for the host, never two
of these. Memory in huge pages is counted apart from the rest, as the kernel does.

Reads only; each call reads anew. ``root`` lets a test show another host.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from controller.errors import InvalidInput, Problem
from controller.model.envelope import Part
from controller.model.node import Capacity, NumaCell

MIB_KIB = 1024
GIB = 1 << 30
PAGE = "hugepages-2048kB"
"""The huge pages that are offered. Pages of other sizes are left to the host."""


class CapacitySettings(Part):
    """What of the host the service may use."""

    reserve_vcpus: int = Field(default=0, ge=0, description="Hardware threads kept for the host.")
    reserve_memory_mib: int = Field(default=0, ge=0, description="Memory kept for the host (MiB).")
    reserve_disk_gib: int = Field(default=0, ge=0, description="Disk kept for the host (GiB).")
    pinned_cpus: str = Field(
        default="",
        description="Hardware threads given one by one (cpu_mode Pinned); the others' time is shared.",
        examples=["2-7,10-15"],
    )
    vcpus: int | None = Field(
        default=None, ge=0, description="Shared hardware threads to offer instead of what was found."
    )
    memory_mib: int | None = Field(default=None, ge=0, description="Memory to offer instead (MiB).")
    disk_gib: int | None = Field(default=None, ge=0, description="Disk to offer instead (GiB).")
    disk_iops: int = Field(default=0, ge=0, description="Reads and writes that the disks do (1/s); 0: none to give.")
    disk_mibps: int = Field(default=0, ge=0, description="Throughput of the disks (MiB/s); 0: none to give.")
    network_mbps: int = Field(
        default=0, ge=0, description="Throughput of the network, each way (Mbit/s); 0: none to give."
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
    """What the node offers, and the ground it stands on."""

    capacity: Capacity
    cells: tuple[NumaCell, ...]
    """What the scheduler is told of cells: all of them, or one or none where the settings pretend."""
    layout: tuple[NumaCell, ...]
    """The cells that there are: what machines are kept to."""


def read_offer(settings: CapacitySettings, state_folder: Path, root: Path = Path("/")) -> Offer:
    """What the node offers: what the host has less the reserves, or what the settings say.

    Disk is the whole file system of ``state_folder``, not what is free of it, and huge pages are all
    of them: what is taken is counted by the scheduler. Raises InvalidInput for settings that do not
    fit the host.
    """
    layout = read_cells(settings, root)
    folder = next(path for path in (state_folder, *state_folder.parents) if path.exists())
    disk = os.statvfs(folder)
    found_disk = max(0, disk.f_blocks * disk.f_frsize // GIB - settings.reserve_disk_gib)
    capacity = Capacity(
        vcpus=_given(settings.vcpus, sum(len(cell.cpus) for cell in layout)),
        pinned_cpus=sum(len(cell.pinned_cpus) for cell in layout),
        memory_mib=_given(settings.memory_mib, sum(cell.memory_mib for cell in layout)),
        hugepages_mib=sum(cell.hugepages_mib for cell in layout),
        disk_gib=_given(settings.disk_gib, found_disk),
        disk_iops=settings.disk_iops,
        disk_mibps=settings.disk_mibps,
        network_mbps=settings.network_mbps,
    )
    return Offer(capacity, _told(settings, layout, capacity), layout)


def read_cells(settings: CapacitySettings, root: Path = Path("/")) -> tuple[NumaCell, ...]:
    """The host's NUMA cells less pinned threads and reserves; one with everything where the kernel tells none.

    Reserves are taken off evenly, the lowest shared threads first. Raises InvalidInput when a pinned
    thread does not exist.
    """
    found = _found(root)
    pinned = set(parse_cpus(settings.pinned_cpus))
    there = {cpu for cell in found for cpu in cell.cpus}
    if missing := sorted(pinned - there):
        words = f"cpu {missing[0]} does not exist: the host has {format_cpus(sorted(there))}"
        raise InvalidInput([Problem("libvirt.capacity.pinned_cpus", words)])
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


def parse_cpus(text: str) -> tuple[int, ...]:
    """A list as the kernel writes it: ``0-3,8``. Raises ValueError."""
    cpus: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
            raise ValueError(f"{part!r} is no cpu and no range of cpus, like 2 or 2-7")
        if dash and int(last) < int(first):
            raise ValueError(f"{part!r} ends before it begins")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def format_cpus(cpus: Sequence[int]) -> str:
    """The list of ``cpus``, which are in order, as the kernel writes it."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def _told(settings: CapacitySettings, layout: tuple[NumaCell, ...], capacity: Capacity) -> tuple[NumaCell, ...]:
    """Cells that hold less than the node pretends to have would be limits that are none."""
    if settings.vcpus is None and settings.memory_mib is None:
        return layout
    if not capacity.pinned_cpus:
        return ()
    # One cell is no limit; the scheduler has to know which threads there are to give.
    one = NumaCell(
        cell=0,
        cpus=tuple(sorted(cpu for cell in layout for cpu in cell.cpus)),
        pinned_cpus=tuple(sorted(cpu for cell in layout for cpu in cell.pinned_cpus)),
        memory_mib=capacity.memory_mib,
        hugepages_mib=capacity.hugepages_mib,
    )
    return (one,)


def _found(root: Path) -> list[NumaCell]:
    """The cells as the kernel tells them, all threads shared."""
    cells = []
    for folder in (root / "sys/devices/system/node").glob("node[0-9]*"):
        number = int(folder.name.removeprefix("node"))
        cpus = parse_cpus((folder / "cpulist").read_text().strip())
        cells.append(_cell(number, cpus, folder / "meminfo", folder / "hugepages"))
    if not cells:
        online = parse_cpus((root / "sys/devices/system/cpu/online").read_text().strip())
        cells.append(_cell(0, online, root / "proc/meminfo", root / "sys/kernel/mm/hugepages"))
    return sorted(cells, key=lambda cell: cell.cell)


def _cell(number: int, cpus: tuple[int, ...], meminfo: Path, pages: Path) -> NumaCell:
    huge = {
        folder.name: int((folder / "nr_hugepages").read_text()) * _page_kib(folder.name) // MIB_KIB
        for folder in pages.glob("hugepages-*kB")
    }
    memory = max(0, _meminfo_mib(meminfo) - sum(huge.values()))
    return NumaCell(cell=number, cpus=cpus, memory_mib=memory, hugepages_mib=huge.get(PAGE, 0))


def _page_kib(name: str) -> int:
    return int(name.removeprefix("hugepages-").removesuffix("kB"))


def _given(fixed: int | None, found: int) -> int:
    return found if fixed is None else fixed


def _evenly(amount: int, rooms: Sequence[int]) -> list[int]:
    """How much to take of each room so that all give alike, as far as they have it."""
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


def _meminfo_mib(path: Path) -> int:
    for line in path.read_text().splitlines():
        if "MemTotal:" in line:
            return int(line.split()[-2]) // MIB_KIB
    return 0
