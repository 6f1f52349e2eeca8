"""What a machine is kept to: limits that follow from its sizes and from what was assigned to it (design I1, I3-I5).

What the scheduler reserved is what the machine gets. A pure function, one for all drivers: the
libvirt driver applies the answer and reads it back, the in-memory driver writes it down.

- Shared: every vcpu may run on the shared threads of the machine's cells, and has ``cpu_percent`` of
  one thread at most; the machine as a whole, the hypervisor's own threads included, has the sum. At
  100 % no cap is set: a vcpu is one thread and cannot have more.
- Pinned: one thread for each vcpu. The hypervisor's threads run on the same ones, for what is shared
  is promised to others to the last hundredth.
- Cell, Machine: all threads of the share, and no limits.
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
"""Percent of a thread that a vcpu cannot exceed by itself."""


@dataclass(frozen=True)
class Limits:
    """How one machine is kept to its share of a host. 0 where nothing is limited."""

    vcpus: tuple[tuple[int, ...], ...]
    """Hardware threads that each virtual cpu may run on."""
    emulator: tuple[int, ...]
    """Those that the rest of the hypervisor's process may run on."""
    cpu_percent: int = UNLIMITED
    """Time of each virtual cpu, in percent of a thread; the whole process has the sum. 100: not capped."""
    cells: tuple[int, ...] = ()
    """NUMA cells that its memory is in; none: any."""
    huge_pages: bool = False
    disk_iops: int = 0
    """Of all disks together (1/s)."""
    disk_mibps: int = 0
    """Of all disks together (MiB/s)."""
    nic_bytes: int = 0
    """Of each interface, each way (bytes/s): an equal part, so that the sum is never above."""

    @property
    def capped(self) -> bool:
        """Whether its cpu time must be limited."""
        return self.cpu_percent < UNLIMITED

    @property
    def weight(self) -> int:
        """Its part of the shared threads when all are busy, 100 for each thread: what cgroups take."""
        return max(2, min(10_000, self.cpu_percent * len(self.vcpus)))


def limits_of(desired: Desired, layout: Sequence[NumaCell]) -> Limits:
    """The limits of the machine on a host with those cells.

    Raises PermanentError when what was assigned is not on the host.
    """
    sizes = desired.spec.sizes
    cells = _cells(desired, layout)
    shared = {cpu for cell in cells for cpu in cell.cpus}
    own = tuple(sorted(desired.cpus))
    _check_given(desired, layout)
    if sizes.machine_share is not MachineShare.PART:
        threads = _some(desired, {*shared, *own})
    elif sizes.cpu_mode is CpuMode.PINNED:
        if len(own) != sizes.vcpus:
            raise PermanentError(f"{desired.name} has {sizes.vcpus} pinned vcpus and {len(own)} cpus assigned")
        return _with_devices(desired, tuple((cpu,) for cpu in own), own, UNLIMITED)
    else:
        threads = _some(desired, shared)
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
    """The cells that it is kept to; all of the host where none is named."""
    known = {cell.cell: cell for cell in layout}
    if unknown := sorted(set(desired.cells) - known.keys()):
        raise PermanentError(f"{desired.name} is assigned NUMA cell {unknown[0]}, which this node does not have")
    return [known[number] for number in desired.cells] or list(layout)


def _check_given(desired: Desired, layout: Sequence[NumaCell]) -> None:
    there = {cpu for cell in layout for cpu in (*cell.cpus, *cell.pinned_cpus)}
    if missing := sorted(set(desired.cpus) - there):
        raise PermanentError(f"{desired.name} is assigned cpu {missing[0]}, which this node does not give")


def _some(desired: Desired, threads: Iterable[int]) -> tuple[int, ...]:
    found = tuple(sorted(threads))
    if not found:
        where = f"cells {list(desired.cells)} of this node" if desired.cells else "this node"
        raise PermanentError(f"{desired.name} needs shared cpus, and {where} has none: all are pinned or reserved")
    return found
