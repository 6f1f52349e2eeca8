"""What placement knows of a cluster at one moment, as arrays (J10).

A ``Snapshot`` is built once from the database and then used for many decisions: every placement
changes its counters in place, so the next decision sees it. Nodes stand in order of their names,
which makes every decision repeatable.

Not promised: that the snapshot is still true. The transaction that writes the placements takes
the capacity in the database, and that is what decides (I1).

Not safe for several threads at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from controller.model.compute import ComputeSpec
from controller.model.flavor import CpuMode, MachineShare
from controller.model.node import Capacity, Share
from controller.model.schedule_policy import AXES, SchedulePolicy

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


@dataclass(frozen=True)
class CellFacts:
    """One NUMA cell of a node: what it has, what is taken of it, and which of its pinned cpus are free."""

    number: int
    total: Capacity
    taken: Capacity = field(default_factory=Capacity)
    free_cpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class NodeFacts:
    """One node: what it has (``total``), what is taken of it, and where it stands."""

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
    """NUMA cells, as far as the node has told of them."""


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
    """Nodes not to take (a migration's source)."""
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
        """The request for a Compute; ``policy`` in place of its own."""
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
class Domains:
    """The domains of one axis: ``codes[i]`` is the domain of node ``i``, -1 where it has none."""

    codes: Ints
    names: tuple[str, ...]

    def code_of(self, name: str) -> int:
        """Number of the domain; -2, which no node has, for one that is unknown."""
        return self.names.index(name) if name in self.names else -2


def need_of(spec: ComputeSpec) -> Capacity:
    """What a Compute takes of its node: its sizes, with the extra disks."""
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
    """What decides the share that a Compute takes of its node."""
    return need_of(spec), spec.sizes.machine_share


def columns(capacity: Capacity) -> tuple[int, ...]:
    """A capacity in the order of DIMENSIONS."""
    return (round(100 * capacity.vcpus), *(getattr(capacity, name) for name in DIMENSIONS[1:]))


def capacity_of(row: Sequence[int]) -> Capacity:
    """The capacity of a row in the order of DIMENSIONS."""
    sizes = {name: int(value) for name, value in zip(DIMENSIONS[1:], row[1:], strict=True)}
    return Capacity(vcpus=int(row[0]) / 100, **sizes)


class Snapshot:
    """Nodes, and how many resources of each service stand on them."""

    def __init__(self, nodes: Iterable[NodeFacts], standing: Iterable[tuple[str, str]] = ()) -> None:
        """``standing`` names (service, node) once per resource that counts for the rules."""
        self.nodes: tuple[NodeFacts, ...] = tuple(sorted(nodes, key=lambda node: node.name))
        self.index = {node.name: number for number, node in enumerate(self.nodes)}
        self.total: Ints = _matrix(columns(node.total) for node in self.nodes)
        self.free: Ints = self.total - _matrix(columns(node.taken) for node in self.nodes)
        self.open: Mask = np.array(
            [node.state == "Up" and node.schedulable and not node.draining for node in self.nodes], dtype=np.bool_
        )
        self._domains: dict[str, Domains] = {}
        self._offers: dict[str, Mask] = {}
        self._standing: dict[str, Counter[int]] = {}
        for service, node in standing:
            self.count(service, node, 1)

    def __len__(self) -> int:
        return len(self.nodes)

    def domains(self, axis: str) -> Domains:
        """The domains of an axis: a zone of the nodes, or a label's values."""
        if axis not in self._domains:
            values = [_domain(node, axis) for node in self.nodes]
            names = sorted({value for value in values if value is not None})
            number = {name: code for code, name in enumerate(names)}
            codes = np.array([-1 if value is None else number[value] for value in values], dtype=np.int64)
            self._domains[axis] = Domains(codes, tuple(names))
        return self._domains[axis]

    def offers(self, provider: str) -> Mask:
        """Nodes that offer the provider."""
        if provider not in self._offers:
            self._offers[provider] = np.array([provider in node.providers for node in self.nodes], dtype=np.bool_)
        return self._offers[provider]

    def on_nodes(self, service: str) -> Ints:
        """How many resources of the service stand on each node."""
        counts = np.zeros(len(self.nodes), dtype=np.int64)
        for number, count in self._standing.get(service, {}).items():
            counts[number] = count
        return counts

    def count(self, service: str, node: str, by: int) -> None:
        """Count a resource of the service on the node in (``by`` 1) or out (-1)."""
        number = self.index.get(node)
        if number is not None:
            self._standing.setdefault(service, Counter())[number] += by

    def share_on(self, node: str, request: Request) -> Share | None:
        """What the request would take of that node; None when there is no room for it."""
        number = self.index.get(node)
        if number is None or (self.free[number] < columns(request.need)).any():
            return None
        return Share(size=request.need)

    def shortage(self, node: str, request: Request) -> str:
        """Of what the node has too little for the request: ``vcpus 2 of 4, memory_mib 512 of 1024``."""
        number = self.index.get(node)
        free = Capacity() if number is None else capacity_of(self.free[number].clip(min=0))
        need = request.need
        short = [name for name in DIMENSIONS if getattr(free, name) < getattr(need, name)]
        return ", ".join(f"{name} {getattr(free, name):g} of {getattr(need, name):g}" for name in short)

    def take(self, node: str, share: Share) -> None:
        """Take a share of the node."""
        self._change(node, share, -1)

    def give_back(self, node: str, share: Share) -> None:
        """Give a share of the node back."""
        self._change(node, share, 1)

    def _change(self, node: str, share: Share, sign: int) -> None:
        number = self.index.get(node)
        if number is not None:
            self.free[number] += sign * np.array(columns(share.size), dtype=np.int64)


def _matrix(rows: Iterable[tuple[int, ...]]) -> Ints:
    return np.array(list(rows), dtype=np.int64).reshape(-1, len(DIMENSIONS))


def _domain(node: NodeFacts, axis: str) -> str | None:
    if axis in AXES:
        return node.zones.get(axis) or (node.name if axis == "node" else None)
    return node.labels.get(axis)
