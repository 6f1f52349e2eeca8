"""The nodes, flavors and policies of the churn: uneven racks, shared power, NUMA cells, every sort of rule."""

from __future__ import annotations

from controller.model.flavor import MachineShare
from controller.model.node import Capacity
from controller.schedule import (
    CellFacts,
    NodeFacts,
)

Rule = dict[str, object]


def rule(axis: str, mode: str = "AntiAffinity", *, hard: bool = True, value: str | None = None) -> Rule:
    return {"axis": axis, "mode": mode, "hard": hard, "value": value}


POLICIES: tuple[dict[str, object], ...] = (
    {},
    {},
    {"rules": [rule("power", hard=False)]},
    {"rules": [rule("rack")]},
    {"rules": [rule("node")]},
    {"rules": [rule("power", hard=False), rule("node")]},
    {"rules": [rule("network", hard=False), rule("rack", hard=False)]},
    {"rules": [rule("rack", "Affinity", hard=False)]},
    {"rules": [rule("rack", "Affinity"), rule("node", hard=False)]},
    {"rules": [rule("network", "Affinity"), rule("rack", hard=False)]},
    {"rules": [rule("power", "Affinity", value="A")]},
    {"rules": [rule("room", hard=False)]},
    {"rules": [rule("datacenter", "Affinity"), rule("rack")]},
    {"node_label_filters": {"disk": "ssd"}, "rules": [rule("power", hard=False)]},
    {"node_label_hard_affinities": ["room"], "node_label_soft_anti_affinities": ["bench"]},
    {
        "ClusterFilters": ["tokyo1"],
        "ClusterLabelFilters": {"tier": "gold"},
        "NodeFilters": [f"r{rack}-{number}" for rack in (1, 2, 3) for number in (1, 2, 3)],
        "NodeLabelFilters": {"disk": "ssd"},
        "NodeLabelSoftUntiAffinities": ["room"],
        "NodeLabelSoftAffinities": ["hall"],
        "NodeLabelHardUntiAffinities": ["bench"],
        "NodeLabelHardAffinities": ["disk"],
    },
)
PART, CELL, MACHINE = MachineShare.PART, MachineShare.CELL, MachineShare.MACHINE
FLAVORS: tuple[tuple[Capacity, MachineShare], ...] = (
    (Capacity(vcpus=0.29, memory_mib=512, disk_gib=4), PART),
    (Capacity(vcpus=1, memory_mib=2048, disk_gib=8, network_mbps=100), PART),
    (Capacity(vcpus=2, memory_mib=3000, disk_gib=10, disk_iops=300), PART),
    (Capacity(vcpus=4, memory_mib=6000, disk_gib=20, disk_mibps=40), PART),
    (Capacity(vcpus=7, memory_mib=12000, disk_gib=20), PART),  # larger than a cell
    (Capacity(pinned_cpus=1, hugepages_mib=1024, disk_gib=8), PART),
    (Capacity(pinned_cpus=2, memory_mib=1500, disk_gib=8, network_mbps=300), PART),
    (Capacity(pinned_cpus=5, hugepages_mib=3000, disk_gib=8), PART),  # over several cells
    (Capacity(vcpus=1, memory_mib=1024, disk_gib=4), CELL),
    (Capacity(vcpus=2, memory_mib=1024, disk_gib=4), MACHINE),
)


def fleet() -> list[NodeFacts]:
    """::

    datacenter:  d1                                                  d2
    rack:        r1 (6)        r2 (5)         r3 (4)                 r4 (3)
    power:       A             B              A+B                    A
    network:     l1            l2             l1                     l3 (one node: none)

    Nodes take turns: without cells, with one, two, and four NUMA cells.
    """
    power, network = ("A", "B", "A+B", "A"), ("l1", "l2", "l1", "l3")
    made = []
    for at, size in enumerate((6, 5, 4, 3)):
        for number in range(1, size + 1):
            zones = {"datacenter": "d2" if at == 3 else "d1", "rack": f"r{at + 1}", "power": power[at]}
            if (at, number) != (3, 3):
                zones["network"] = network[at]
            labels = {"disk": "hdd" if number == 4 else "ssd", "hall": "h1" if at < 2 else "h2"}
            if number < 6:
                labels |= {"room": "xyz"[(at + number) % 3], "bench": f"b{number}"}
            made.append(_machine(f"r{at + 1}-{number}", (0, 1, 2, 4)[(at + number) % 4], zones, labels))
    return made


def _machine(name: str, cells: int, zones: dict[str, str], labels: dict[str, str]) -> NodeFacts:
    parts = max(cells, 1)
    inside = Capacity(vcpus=12 // parts, pinned_cpus=8 // parts, memory_mib=24000 // parts, hugepages_mib=8192 // parts)
    told = []
    for number in range(cells):
        cpus = tuple(range(100 * number, 100 * number + inside.pinned_cpus))
        told.append(CellFacts(number, inside, Capacity(), cpus, cpus))
    sizes = dict(zip(Capacity.model_fields, (12, 8, 24000, 8192, 120, 1500, 200, 1000), strict=True))
    providers = frozenset({"libvirt"} if name.endswith("2") else {"libvirt", "memory"})
    return NodeFacts(name, Capacity(**sizes), zones=zones, labels=labels, providers=providers, cells=tuple(told))
