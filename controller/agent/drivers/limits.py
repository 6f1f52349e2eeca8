"""Computes the limits of a machine for drivers, from its sizes and from the cells and cpus assigned to it.

A machine gets what the scheduler reserved for it. A pure function, the same for all drivers: the
libvirt driver applies the limits and reads them back, the in-memory driver records them.

- Shared: every vcpu may run on the shared threads of the machine's cells, and has ``cpu_percent`` of
  one thread at most; the machine as a whole, the hypervisor's own threads included, has the sum. At
  100 % no cap is set: a vcpu is one thread and cannot use more.
- Pinned: one thread for each vcpu. The hypervisor's own threads run on the same threads, because the
  shared ones are promised to other machines completely.
- Cell, Machine: all threads of the share, and no limits.

Design: I1, I3, I4, I5
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.agent.drivers.types import Desired
from controller.errors import PermanentError
from controller.model.flavor import CpuMode, MachineShare
from controller.model.node import NumaCell

MBIT_BYTES = 1_000_000 // 8
UNLIMITED = 100
"""Percent of a thread that a vcpu can use at most, since it is one thread."""


@dataclass(frozen=True)
class Limits:
    """The limits of one machine on its host. 0 where nothing is limited."""

    vcpus: tuple[tuple[int, ...], ...]
    """Hardware threads that each virtual cpu may run on."""
    emulator: tuple[int, ...]
    """Hardware threads that the rest of the hypervisor's process may run on."""
    cpu_percent: int = UNLIMITED
    """Time of each virtual cpu, in percent of a thread; the whole process has the sum. 100: not capped."""
    cells: tuple[int, ...] = ()
    """NUMA cells that have its memory; none: any."""
    huge_pages: bool = False
    disk_iops: int = 0
    """Of all disks together (1/s)."""
    disk_mibps: int = 0
    """Of all disks together (MiB/s)."""
    nic_bytes: int = 0
    """Of each interface, each way (bytes/s): an equal part, so that the sum is never above."""

    @property
    def capped(self) -> bool:
        """Return whether its cpu time must be limited."""
        return self.cpu_percent < UNLIMITED

    @property
    def weight(self) -> int:
        """Return its part of the shared threads when all are busy: 100 for each thread, within the range of cgroups."""
        return max(2, min(10_000, self.cpu_percent * len(self.vcpus)))


def limits_of(desired: Desired, layout: Sequence[NumaCell]) -> Limits:
    """Return the limits of the machine on a host with those cells.

    Raises PermanentError when the host does not have the cells or cpus that were assigned.
    """
    sizes = desired.spec.sizes
    cells = _cells(desired, layout)
    shared = {cpu for cell in cells for cpu in cell.cpus}
    own = tuple(sorted(desired.cpus))
    _check_cpus(desired, layout)
    if sizes.machine_share is not MachineShare.PART:
        threads = _not_empty(desired, {*shared, *own})
    elif sizes.cpu_mode is CpuMode.PINNED:
        if len(own) != sizes.vcpus:
            raise PermanentError(f"{desired.name} has {sizes.vcpus} pinned vcpus and {len(own)} cpus assigned")
        return _with_devices(desired, tuple((cpu,) for cpu in own), own, UNLIMITED)
    else:
        threads = _not_empty(desired, shared)
    return _with_devices(desired, (threads,) * sizes.vcpus, threads, sizes.cpu_percent)


def _with_devices(
    desired: Desired, vcpus: tuple[tuple[int, ...], ...], emulator: tuple[int, ...], cpu_percent: int
) -> Limits:
    sizes, nics = desired.spec.sizes, len(desired.spec.interfaces)
    return Limits(
        vcpus=vcpus,
        emulator=emulator,
        cpu_percent=cpu_percent,
        cells=tuple(sorted(desired.cells)),
        huge_pages=sizes.huge_pages,
        disk_iops=sizes.disk_iops,
        disk_mibps=sizes.disk_mibps,
        nic_bytes=sizes.network_mbps * MBIT_BYTES // nics if nics else 0,
    )


def _cells(desired: Desired, layout: Sequence[NumaCell]) -> list[NumaCell]:
    """Return the cells that it is bound to; all cells of the host if none is assigned."""
    known = {cell.cell: cell for cell in layout}
    if unknown := sorted(set(desired.cells) - known.keys()):
        raise PermanentError(f"{desired.name} is assigned NUMA cell {unknown[0]}, which this node does not have")
    return [known[number] for number in desired.cells] or list(layout)


def _check_cpus(desired: Desired, layout: Sequence[NumaCell]) -> None:
    there = {cpu for cell in layout for cpu in (*cell.cpus, *cell.pinned_cpus)}
    if missing := sorted(set(desired.cpus) - there):
        raise PermanentError(f"{desired.name} is assigned cpu {missing[0]}, which this node does not offer")


def _not_empty(desired: Desired, threads: Iterable[int]) -> tuple[int, ...]:
    found = tuple(sorted(threads))
    if not found:
        where = f"cells {list(desired.cells)} of this node" if desired.cells else "this node"
        raise PermanentError(f"{desired.name} needs shared cpus, and {where} has none: all are pinned or reserved")
    return found
