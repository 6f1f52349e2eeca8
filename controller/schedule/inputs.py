"""The inputs of placement: nodes with their NUMA cells, and the resources to place.

Amounts are ``Capacity`` outside this package. Inside, they are rows of whole numbers in the order of DIMENSIONS:
reading a field of a model costs more than a whole decision, so it is read once for each shape of request.

Design: J10
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from controller.model.compute import ComputeSpec
from controller.model.flavor import CpuMode, MachineShare
from controller.model.node import Capacity, Share
from controller.model.schedule_policy import SchedulePolicy

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

DIMENSIONS = (
    "vcpus",
    "pinned_cpus",
    "memory_mib",
    "hugepages_mib",
    "disk_gib",
    "disk_iops",
    "disk_mibps",
    "network_mbps",
)
"""Order of the columns of ``Snapshot.free``; units as in ``Capacity``, but vcpus in hundredths."""
CELL_DIMENSIONS = 4
"""The number of leading dimensions that are divided among NUMA cells."""
_amounts = attrgetter(*DIMENSIONS)


@dataclass(frozen=True, slots=True)
class CellFacts:
    """One NUMA cell of a node: what it has, what is taken of it, and which of its pinned cpus are free."""

    number: int
    total: Capacity
    taken: Capacity = field(default_factory=Capacity)
    free_cpus: tuple[int, ...] = ()
    pinned_cpus: tuple[int, ...] = ()
    """All of its pinned cpus, so that a released cpu is returned to its cell; empty: not reported."""


@dataclass(frozen=True)
class NodeFacts:
    """One node: what it has (``total``), what is taken of it, and where it is."""

    name: str
    total: Capacity
    taken: Capacity = field(default_factory=Capacity)
    state: str = "Up"
    schedulable: bool = True
    draining: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    """Axis to domain: ``{"rack": "floor-1-1-1-rack-1-1", ...}``; ``node`` may be left out."""
    providers: frozenset[str] = frozenset()
    cells: tuple[CellFacts, ...] = ()
    """NUMA cells, as far as the node has reported them."""


@dataclass(frozen=True)
class Request:
    """One resource to place. Requests of one service are placed in order of ``index``."""

    key: str
    service: str
    index: int
    need: Capacity
    provider: str = ""
    """Provider that the node must offer; empty: any."""
    policy: SchedulePolicy = field(default_factory=SchedulePolicy)
    avoid: frozenset[str] = frozenset()
    """Nodes that must not be chosen (a migration's source)."""
    machine_share: MachineShare = MachineShare.PART

    @classmethod
    def of(
        cls,
        spec: ComputeSpec,
        *,
        key: str,
        service: str,
        policy: SchedulePolicy | None = None,
        avoid: frozenset[str] = frozenset(),
    ) -> Request:
        """Return the request for a Compute; ``policy`` replaces its own."""
        return cls(
            key=key,
            service=service,
            index=spec.index,
            need=need_of(spec),
            provider=spec.provider,
            policy=policy or spec.schedule_policy,
            avoid=avoid,
            machine_share=spec.sizes.machine_share,
        )


@dataclass(frozen=True)
class Present:
    """An existing resource of a service: its node, what it asked for, and its share of the node."""

    index: int
    node: str
    need: Capacity
    machine_share: MachineShare
    share: Share
    to: str = ""
    """The node that it is moving to. It counts there too, and has a share of it."""
    to_share: Share = field(default_factory=Share)


def need_of(spec: ComputeSpec) -> Capacity:
    """Return what a Compute takes of its node: its sizes and its extra disks."""
    sizes = spec.sizes
    pinned = sizes.cpu_mode is CpuMode.PINNED
    return Capacity(
        vcpus=0 if pinned else sizes.vcpus * sizes.cpu_percent / 100,
        pinned_cpus=sizes.vcpus if pinned else 0,
        memory_mib=0 if sizes.huge_pages else sizes.memory_mib,
        hugepages_mib=sizes.memory_mib if sizes.huge_pages else 0,
        disk_gib=sizes.disk_gib + sum(disk.size_gib for disk in spec.disks),
        disk_iops=sizes.disk_iops,
        disk_mibps=sizes.disk_mibps,
        network_mbps=sizes.network_mbps,
    )


def sizes_of(spec: ComputeSpec) -> tuple[Capacity, MachineShare]:
    """Return what decides the share that a Compute takes of its node."""
    return need_of(spec), spec.sizes.machine_share


def columns(capacity: Capacity) -> tuple[int, ...]:
    """Return a capacity as a row in the order of DIMENSIONS."""
    vcpus, *others = _amounts(capacity)
    return (round(100 * vcpus), *others)


def capacity_of(row: Sequence[int] | Ints) -> Capacity:
    """Return the capacity of a row in the order of DIMENSIONS; the shorter row of a cell is accepted too."""
    sizes = {name: int(value) for name, value in zip(DIMENSIONS[1:], row[1:], strict=False)}
    return Capacity(vcpus=int(row[0]) / 100, **sizes)


def matrix(capacities: Iterable[Capacity]) -> Ints:
    """Return a row for each capacity."""
    rows = np.array([_amounts(capacity) for capacity in capacities], dtype=np.float64).reshape(-1, len(DIMENSIONS))
    rows[:, 0] *= 100
    return np.rint(rows).astype(np.int64)
