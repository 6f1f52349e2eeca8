"""Reads the NUMA cells of a host from the kernel, for host facts: their hardware threads and memory.

Memory in huge pages is counted separately from the rest, as the kernel does. A test gives another
``root`` to describe another host.
"""

from __future__ import annotations

from pathlib import Path

from controller.agent.host.cpu_lists import parse_cpus
from controller.model.node import NumaCell

MIB_KIB = 1024
PAGE = "hugepages-2048kB"
"""The huge pages that are offered; the host keeps pages of other sizes."""


def read_host_cells(root: Path) -> list[NumaCell]:
    """Return the cells as the kernel reports them, all threads shared; one cell if it reports none."""
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


def _meminfo_mib(path: Path) -> int:
    for line in path.read_text().splitlines():
        if "MemTotal:" in line:
            return int(line.split()[-2]) // MIB_KIB
    return 0
