"""Small clusters and requests drawn by hypothesis: every dimension, NUMA cells, missing domains and labels."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from controller.model.flavor import MachineShare
from controller.model.node import Capacity
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import CellFacts, NodeFacts, Request

AXES = ("power", "rack", "node", "room")


def cell(number: int, *, cpus: int = 4, memory: int = 4096, pinned: int = 2, huge: int = 1024) -> CellFacts:
    """A NUMA cell; its pinned cpus are numbered from 100 times the cell's number."""
    numbers = tuple(range(100 * number, 100 * number + pinned))
    total = Capacity(vcpus=cpus, memory_mib=memory, pinned_cpus=pinned, hugepages_mib=huge)
    return CellFacts(number, total, Capacity(), numbers, numbers)


def machine(name: str, *cells: CellFacts, disk: int = 100, **facts: Any) -> NodeFacts:
    """A node that has what its cells have."""
    total = Capacity(
        vcpus=sum(each.total.vcpus for each in cells),
        pinned_cpus=sum(each.total.pinned_cpus for each in cells),
        memory_mib=sum(each.total.memory_mib for each in cells),
        hugepages_mib=sum(each.total.hugepages_mib for each in cells),
        disk_gib=disk,
        disk_iops=1000,
        disk_mibps=100,
        network_mbps=1000,
    )
    return NodeFacts(name, total, cells=cells, providers=frozenset({"libvirt"}), **facts)


@st.composite
def nodes(draw: st.DrawFn, most: int = 8, copies: int = 1) -> list[NodeFacts]:
    """Nodes with none, one or several cells, in few domains; each so many times."""
    made = []
    for number in range(draw(st.integers(1, most))):
        count = draw(st.integers(0, 3))
        told = [cell(at, cpus=draw(st.integers(1, 6)), pinned=draw(st.integers(0, 3))) for at in range(max(1, count))]
        node = machine(
            f"n{number}",
            *told,
            disk=draw(st.integers(5, 60)),
            schedulable=draw(st.integers(0, 7)) > 0,
            labels=draw(st.sampled_from([{}, {"room": "x"}, {"room": "y"}])),
            zones={
                axis: value
                for axis, value in (
                    ("power", draw(st.sampled_from(["A", "B", ""]))),
                    ("rack", draw(st.sampled_from(["r1", "r2", "r3"]))),
                )
                if value
            },
        )
        made.append(node if count else NodeFacts(**{**vars(node), "cells": ()}))
    return [
        NodeFacts(**{**vars(node), "name": f"{node.name}{'abcdefgh'[copy] if copy else ''}"})
        for node in made
        for copy in range(copies)
    ]


def rule(axis: str, mode: str, hard: bool) -> dict[str, Any]:
    """A rule as documents have it."""
    return {"axis": axis, "mode": mode, "hard": hard}


policies = st.builds(
    lambda rules, filters: SchedulePolicy.model_validate({"rules": rules, "node_label_filters": filters}),
    st.lists(
        st.builds(rule, st.sampled_from(AXES), st.sampled_from(["Affinity", "AntiAffinity"]), st.booleans()),
        max_size=3,
    ),
    st.sampled_from([{}, {}, {}, {"room": "x"}]),
)
needs = st.builds(
    lambda vcpus, pinned, memory, huge, disk, iops: Capacity(
        vcpus=vcpus / 100,
        pinned_cpus=pinned,
        memory_mib=memory,
        hugepages_mib=huge,
        disk_gib=disk,
        disk_iops=iops,
    ),
    st.sampled_from([0, 29, 50, 100, 300, 700]),
    st.sampled_from([0, 0, 1, 2, 5]),
    st.sampled_from([0, 256, 3000, 6000]),
    st.sampled_from([0, 0, 512, 1500]),
    st.integers(0, 10),
    st.sampled_from([0, 0, 300]),
)
SHARES = [MachineShare.PART] * 4 + [MachineShare.CELL, MachineShare.MACHINE]


kinds = st.tuples(policies, needs, st.sampled_from(SHARES))
"""What services have in common that ask for the same."""


@st.composite
def services(draw: st.DrawFn, of: st.SearchStrategy[tuple[SchedulePolicy, Capacity, MachineShare]]) -> list[Request]:
    """The requests of one service."""
    name = draw(st.sampled_from(["a", "b", "c"]))
    policy, need, share = draw(of)
    avoid = draw(st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"n0", "n1"})]))
    return [
        Request(f"{name}-{index}", name, index, need, "libvirt", policy, avoid, share)
        for index in range(draw(st.integers(1, 4)))
    ]
