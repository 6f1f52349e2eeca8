"""Placement alone: decisions per second on a cluster of 5,000 nodes, and how they grow with it.

One service's ten replicas at a time, the snapshot built once; a service is known only when its
turn comes. Beside each rate stands a plain numpy one of the same run, for scale: a mask over all
nodes and the fullest that fits, for each placement, without any rules. Rates are by cpu time of
the process, so that other work on the machine does not change them.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.figures import Figure
from controller.model.node import Capacity
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import NodeFacts, Placed, Request, Snapshot, place, share_of_node

NODES, PER_RACK, POWERS, NETWORKS = 5000, 50, 4, 8
SERVICES, REPLICAS = 1000, 10
TOTAL = Capacity(vcpus=128, memory_mib=524_288, disk_gib=8000, disk_iops=200_000, disk_mibps=8000, network_mbps=50_000)
FLAVORS = tuple(
    Capacity(vcpus=vcpus, memory_mib=memory, disk_gib=disk, disk_iops=iops)
    for vcpus, memory, disk, iops in (
        (0.5, 512, 4, 0),
        (1, 2048, 10, 0),
        (2, 4096, 20, 0),
        (2, 16_384, 20, 500),
        (4, 8192, 40, 0),
        (4, 16_384, 200, 2000),
        (8, 32_768, 80, 0),
        (16, 65_536, 160, 4000),
    )
)
POWER = {"axis": "power", "mode": "AntiAffinity"}
CASES: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("plain: power chosen, no other rule", 40_000, {"rules": [POWER]}),
    (
        "hard spread over racks",
        20_000,
        {"rules": [POWER, {"axis": "rack", "mode": "AntiAffinity", "hard": True}]},
    ),
    (
        "hard anti-affinity per node",
        20_000,
        {"rules": [POWER, {"axis": "node", "mode": "AntiAffinity", "hard": True}]},
    ),
    (
        "soft rules: spread over rooms, gather in a row",
        10_000,
        {"rules": [POWER, {"axis": "room", "mode": "AntiAffinity"}, {"axis": "row", "mode": "Affinity"}]},
    ),
    (
        "all nine fields at once",
        5000,
        {
            "cluster_filters": ["bench"],
            "cluster_label_filters": {"tier": "gold"},
            "node_filters": True,
            "node_label_filters": {"disk": "ssd"},
            "node_label_soft_anti_affinities": ["room"],
            "node_label_soft_affinities": ["row"],
            "node_label_hard_anti_affinities": ["chassis"],
            "node_label_hard_affinities": ["hall"],
            "rules": [POWER, {"axis": "rack", "mode": "AntiAffinity", "hard": True}],
        },
    ),
)


def run(database: str) -> Iterator[Figure]:
    """Every figure; ``database`` is not used, for there is none in it."""
    nodes = cluster(NODES)
    started = time.process_time()
    Snapshot(nodes)
    yield Figure("snapshot of 5,000 nodes built", "-", time.process_time() - started, "s")
    plain = baseline(nodes)
    yield Figure("numpy baseline: one mask and argmin over all nodes", "-", plain, "placements/s")
    for name, aim, policy in CASES:
        rate = measured(nodes, policy)
        yield Figure(name, "-", rate, "placements/s", aim, more=True, note=f"{rate / plain:.1f} x the baseline")
    yield drain(nodes)
    for count in (500, 5000, 50_000):
        few = nodes if count == NODES else cluster(count)
        for name, _, policy in (CASES[0], CASES[3]):
            cost = 1e6 / measured(few, policy, services=min(SERVICES, count // 2))
            yield Figure(f"{name.partition(':')[0]}, {count:,} nodes", "-", cost, "us/placement")


def cluster(count: int, closed_rack: int | None = None) -> list[NodeFacts]:
    """Racks of 50 nodes, each rack in one of 4 power and 8 network zones; 4 in 5 nodes have disk=ssd."""
    return [
        NodeFacts(
            f"floor-1-1-1-rack-{number // PER_RACK + 1}-server{number % PER_RACK + 1:02}",
            TOTAL,
            draining=number // PER_RACK == closed_rack,
            zones={
                "datacenter": "tokyo",
                "power": f"power-{number // PER_RACK % POWERS}",
                "network": f"network-{number // PER_RACK // POWERS % NETWORKS}",
                "rack": f"rack-{number // PER_RACK + 1}",
            },
            labels={
                "disk": "hdd" if number % 5 == 0 else "ssd",
                "room": f"room-{number // PER_RACK % 10}",
                "row": f"row-{number // PER_RACK // 10}",
                "hall": f"hall-{number // PER_RACK % 2}",
                "chassis": f"chassis-{number // 4}",
            },
            providers=frozenset({"libvirt"}),
        )
        for number in range(count)
    ]


def service(number: int, policy: dict[str, Any], nodes: list[NodeFacts], replicas: int = REPLICAS) -> list[Request]:
    """The requests of one service: a flavor and a policy object of its own, as a document gives them."""
    name = f"service-{number}"
    if policy.get("node_filters") is True:
        policy = {**policy, "node_filters": [node.name for node in nodes[number % 2 :: 2]]}
    made = SchedulePolicy.model_validate(policy)
    need = FLAVORS[number % len(FLAVORS)]
    return [Request(f"{name}-{index}", name, index, need, "libvirt", made) for index in range(replicas)]


def measured(nodes: list[NodeFacts], policy: dict[str, Any], services: int = SERVICES) -> float:
    """Placements per second of cpu time, all of ``services`` placed one after another."""
    snapshot = Snapshot(nodes)
    asked = [service(number, policy, nodes) for number in range(services)]
    placed = 0

    def all_of_them() -> None:
        nonlocal placed
        for requests in asked:
            placed += sum(isinstance(answer, Placed) for answer in place(snapshot, requests))

    seconds = _cpu(all_of_them)
    if placed != services * REPLICAS:
        raise AssertionError(f"placed {placed} of {services * REPLICAS}")
    return placed / seconds


def baseline(nodes: list[NodeFacts], placements: int = 3000) -> float:
    """The rate of the simplest thing in numpy: no rules, no spread, no reasons, no answers."""
    total = np.array([[128, 524_288, 8000, 200_000]] * len(nodes), dtype=np.float64)
    free = total.copy()
    needs = np.array([[need.vcpus, need.memory_mib, need.disk_gib, need.disk_iops] for need in FLAVORS])
    left = (free / total).sum(axis=1)

    def loop() -> None:
        for number in range(placements):
            need = needs[number // REPLICAS % len(needs)]
            fits = (free >= need).all(axis=1)
            chosen = int(np.where(fits, left, np.inf).argmin())
            free[chosen] -= need
            left[chosen] = (free[chosen] / total[chosen]).sum()

    return placements / _cpu(loop)


def drain(nodes: list[NodeFacts]) -> Figure:
    """A rack's Computes planned again, with the rack closed and each service's rules over what stays."""
    snapshot = Snapshot(nodes)
    rack = {node.name for node in nodes[:PER_RACK]}
    policy = {"rules": [POWER, {"axis": "rack", "mode": "AntiAffinity"}]}
    moving: list[Request] = []
    chooser = random.Random(1)
    for number in range(SERVICES):
        requests = service(number, policy, nodes)
        home = sorted(rack)[chooser.randrange(PER_RACK)]
        moving.append(requests[0])
        for request in requests[1:]:
            place(snapshot, [request])
        share = share_of_node(snapshot, home, requests[0])
        if share is not None:
            snapshot.take(home, share)
    answers: list[Any] = []

    def plan() -> None:
        snapshot.close(rack)
        answers.extend(place(snapshot, moving))

    seconds = _cpu(plan)
    if not all(isinstance(answer, Placed) and answer.node not in rack for answer in answers):
        raise AssertionError("the drain did not place everything outside the rack")
    return Figure(
        f"drain of a rack of {PER_RACK} nodes, {len(moving):,} Computes of as many services, planned",
        "-",
        seconds,
        "s",
        1.0,
    )


def _cpu(work: Callable[[], None]) -> float:
    """Seconds of this process's cpu time; the garbage of earlier cases is not counted."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started
