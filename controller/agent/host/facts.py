"""Host facts: processors, memory, NUMA cells and disk, read from the kernel (design G6, I1).

Reads only; each call reads anew. ``root`` lets a test show another host.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from controller.model.envelope import Part
from controller.model.node import Capacity, NumaCell

MIB_KIB = 1024
GIB = 1 << 30


class CapacitySettings(Part):
    """What of the host the service may use."""

    reserve_vcpus: int = Field(default=0, ge=0, description="Hardware threads kept for the host.")
    reserve_memory_mib: int = Field(default=0, ge=0, description="Memory kept for the host (MiB).")
    reserve_disk_gib: int = Field(default=0, ge=0, description="Disk kept for the host (GiB).")
    vcpus: int | None = Field(default=None, ge=0, description="Hardware threads to offer instead of what was found.")
    memory_mib: int | None = Field(default=None, ge=0, description="Memory to offer instead (MiB).")
    disk_gib: int | None = Field(default=None, ge=0, description="Disk to offer instead (GiB).")


def read_capacity(settings: CapacitySettings, state_folder: Path, root: Path = Path("/")) -> Capacity:
    """What the node offers: what the host has less the reserves, or what the settings say.

    Disk is the whole file system of ``state_folder``, not what is free of it: what is taken is
    counted by the scheduler.
    """
    folder = next(path for path in (state_folder, *state_folder.parents) if path.exists())
    disk = os.statvfs(folder)
    memory = _meminfo_mib(root / "proc/meminfo")
    return Capacity(
        vcpus=_offer(settings.vcpus, len(_online(root)), settings.reserve_vcpus),
        memory_mib=_offer(settings.memory_mib, memory, settings.reserve_memory_mib),
        disk_gib=_offer(settings.disk_gib, disk.f_blocks * disk.f_frsize // GIB, settings.reserve_disk_gib),
    )


def read_numa(root: Path = Path("/")) -> tuple[NumaCell, ...]:
    """NUMA cells; one cell with everything where the kernel tells none."""
    cells = []
    for folder in (root / "sys/devices/system/node").glob("node[0-9]*"):
        number = int(folder.name.removeprefix("node"))
        cpus = _parse_cpu_list((folder / "cpulist").read_text())
        cells.append(NumaCell(cell=number, cpus=cpus, memory_mib=_meminfo_mib(folder / "meminfo")))
    if not cells:
        return (NumaCell(cell=0, cpus=_online(root), memory_mib=_meminfo_mib(root / "proc/meminfo")),)
    return tuple(sorted(cells, key=lambda cell: cell.cell))


def _offer(fixed: int | None, found: int, reserve: int) -> int:
    return fixed if fixed is not None else max(0, found - reserve)


def _online(root: Path) -> tuple[int, ...]:
    return _parse_cpu_list((root / "sys/devices/system/cpu/online").read_text())


def _meminfo_mib(path: Path) -> int:
    for line in path.read_text().splitlines():
        if "MemTotal:" in line:
            return int(line.split()[-2]) // MIB_KIB
    return 0


def _parse_cpu_list(text: str) -> tuple[int, ...]:
    cpus: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
