"""Streams of mixed requests for 1,000 empty nodes, and how much of what is possible is placed of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import bound
from benchmarks.figures import Figure
from controller.model.node import Capacity
from controller.schedule import NodeFacts, Placed, Request, Snapshot, place
from controller.schedule.inputs import columns

SMALL = Capacity(vcpus=64, memory_mib=256 * 1024, disk_gib=4000, disk_iops=80_000, network_mbps=25_000)
MIDDLE = Capacity(vcpus=96, memory_mib=768 * 1024, disk_gib=4000, disk_iops=80_000, network_mbps=25_000)
LARGE = Capacity(vcpus=128, memory_mib=1024 * 1024, disk_gib=8000, disk_iops=160_000, network_mbps=50_000)

FLAVORS = tuple(
    Capacity(vcpus=vcpus, memory_mib=gib * 1024, disk_gib=disk, disk_iops=iops, network_mbps=network)
    for vcpus, gib, disk, iops, network in (
        (2, 4, 40, 500, 100),
        (4, 16, 80, 1000, 500),
        (8, 32, 100, 0, 0),
        (8, 64, 200, 8000, 0),
        (16, 32, 80, 0, 2500),
        (16, 64, 400, 4000, 1000),
    )
)
WEIGHTS = (30, 25, 15, 15, 10, 5)
SERVERS = {
    "small servers": (SMALL,),
    "middle servers": (MIDDLE,),
    "large servers": (LARGE,),
    "three sizes of servers": (SMALL, MIDDLE, LARGE),
}


@dataclass(frozen=True, slots=True)
class Packed:
    """Shares of the longest stream that the linear-programming bound allows."""

    asked: int
    before_first_refusal: float
    placed: float
    size: float
    """Of the stream's size, a request's size being its largest part of the cluster in any dimension."""


def nodes(*sizes: Capacity, count: int = 1000) -> list[NodeFacts]:
    """Nodes of those sizes in turn."""
    return [NodeFacts(f"n{number:04}", sizes[number % len(sizes)]) for number in range(count)]


def packed(on: list[NodeFacts], seed: int, flavors: tuple[Capacity, ...] = FLAVORS) -> Packed:
    """Place the stream of that seed, one request a service and one after another, without knowledge of the next."""
    stream = random.Random(seed).choices(flavors, WEIGHTS, k=40 * len(on))
    stream = stream[: bound.longest_prefix(on, stream)]
    snapshot = Snapshot(on)
    total = snapshot.total.sum(axis=0).tolist()
    placed, size, whole, first = 0, 0.0, 0.0, len(stream)
    for number, need in enumerate(stream):
        (answer,) = place(snapshot, [Request(f"s{number}-0", f"s{number}", 0, need)])
        part = max(amount / most for amount, most in zip(columns(need), total, strict=True) if most)
        whole += part
        if isinstance(answer, Placed):
            placed, size = placed + 1, size + part
        else:
            first = min(first, number)
    return Packed(len(stream), first / len(stream), placed / len(stream), size / whole)


def run(_: str) -> Iterator[Figure]:
    """Yield the figures; no database is used."""
    for name, sizes in SERVERS.items():
        found = packed(nodes(*sizes), seed=1)
        note = f"{found.placed:.1%} of {found.asked:,} requests; first refusal after {found.before_first_refusal:.1%}"
        yield Figure(f"packing, 1,000 nodes, {name}", "-", 100 * found.size, "%", 97, more=True, note=note)
