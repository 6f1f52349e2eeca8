"""Every prefix of a service is even over every axis that soft rules spread over, wherever some order is.

Small sites, every order tried: a prefix is even over an axis when no other choice of domains with as many
resources has a smaller sum of squares. Where one order of nodes has every prefix even over every axis, placing has too,
also where the second look at a batch has moved the service. Elsewhere the first axis is as even as it can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.node import Capacity
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import NodeFacts, Placed, Request, Snapshot, place
from tests.python.unit.schedule import drawing
from tests.python.unit.schedule.clusters import rule

ONE = Capacity(vcpus=1)
Axes = Sequence[str]
axes = st.lists(st.sampled_from(["power", "network", "room"]), min_size=2, max_size=3, unique=True)


@st.composite
def sites(draw: st.DrawFn, most: int = 6) -> list[NodeFacts]:
    """Nodes of one to three vcpus; each axis has a domain for each of them."""
    return [
        NodeFacts(
            f"n{number}",
            Capacity(vcpus=draw(st.integers(1, 3))),
            zones={
                "power": draw(st.sampled_from("AB")),
                "network": draw(st.sampled_from("123")),
                "rack": f"r{number}",
            },
            labels={"room": draw(st.sampled_from("xy"))},
        )
        for number in range(draw(st.integers(2, most)))
    ]


def domain(node: NodeFacts, axis: str) -> str:
    return node.labels[axis] if axis == "room" else node.zones[axis]


def uneven(nodes: Mapping[str, NodeFacts], slots: Mapping[str, int], order: Sequence[str], axis: str) -> int:
    """The first prefix that is not even over the axis; 0: all are."""
    room = Counter[str]()
    for name, count in slots.items():
        room[domain(nodes[name], axis)] += count
    counts: Counter[str] = Counter()
    for length, name in enumerate(order, 1):
        own = domain(nodes[name], axis)
        if counts[own] > min(counts[each] for each in room if counts[each] < room[each]):
            return length
        counts[own] += 1
    return 0


def satisfiable(nodes: Mapping[str, NodeFacts], slots: Mapping[str, int], wanted: int, asked: Axes) -> bool:
    """Whether some order of nodes has every prefix even over every axis."""
    names = sorted(slots)
    rooms = [
        {
            each: sum(slots[name] for name in names if domain(nodes[name], axis) == each)
            for each in {domain(nodes[name], axis) for name in names}
        }
        for axis in asked
    ]

    @cache
    def goes_on(taken: tuple[int, ...]) -> bool:
        if sum(taken) == wanted:
            return True
        counts = [
            {
                each: sum(count for name, count in zip(names, taken, strict=True) if domain(nodes[name], axis) == each)
                for each in room
            }
            for axis, room in zip(asked, rooms, strict=True)
        ]
        least = [
            min(count for each, count in here.items() if count < room[each])
            for here, room in zip(counts, rooms, strict=True)
        ]
        return any(
            all(here[domain(nodes[name], axis)] == low for here, axis, low in zip(counts, asked, least, strict=True))
            and goes_on((*taken[:at], taken[at] + 1, *taken[at + 1 :]))
            for at, name in enumerate(names)
            if taken[at] < slots[name]
        )

    return goes_on((0,) * len(names))


def policy(asked: Axes) -> SchedulePolicy:
    return SchedulePolicy.model_validate({"rules": [rule(axis, "AntiAffinity", hard=False) for axis in asked]})


def check(nodes: Sequence[NodeFacts], slots: Mapping[str, int], order: Sequence[str], asked: Axes) -> None:
    by_name = {node.name: node for node in nodes}
    found = {axis: uneven(by_name, slots, order, axis) for axis in asked}
    assert not found[asked[0]], (order, found)
    if any(found.values()):
        assert not satisfiable(by_name, slots, len(order), asked), (order, found)


@pytest.mark.design("J3", "J4", "J5", "J8", "K3")
@settings(max_examples=150)
@given(sites(), axes, st.integers(2, 8))
def test_every_prefix_is_even_over_every_axis_wherever_some_order_is(
    nodes: list[NodeFacts], asked: list[str], count: int
) -> None:
    made = policy(asked)
    answers = place(Snapshot(nodes), [Request(f"a-{at}", "a", at, ONE, "", made) for at in range(count)])
    slots = {node.name: int(node.total.vcpus) for node in nodes}
    order = [answer.node for answer in answers if isinstance(answer, Placed)]
    assert len(order) == min(count, sum(slots.values()))
    check(nodes, slots, order, asked)


@pytest.mark.design("J3", "J4", "J5", "J8", "K3")
@settings(max_examples=100)
@given(sites(), axes, st.integers(2, 6), st.lists(st.integers(1, 3), min_size=1, max_size=6))
def test_so_it_is_after_the_second_look_at_a_batch(
    nodes: list[NodeFacts], asked: list[str], count: int, sizes: list[int]
) -> None:
    """What others of the batch take in the end is no room of the service."""
    made = policy(asked)
    requests = [Request(f"a-{at}", "a", at, ONE, "", made) for at in range(count)]
    requests += [Request(f"b{at}-0", f"b{at}", 0, Capacity(vcpus=size)) for at, size in enumerate(sizes)]
    answers = place(Snapshot(nodes), requests)
    slots = {node.name: int(node.total.vcpus) for node in nodes}
    for answer in answers:
        if isinstance(answer, Placed) and answer.request.service != "a":
            slots[answer.node] -= int(answer.request.need.vcpus)
    order = [answer.node for answer in answers if isinstance(answer, Placed) and answer.request.service == "a"]
    firsts = [answer.node for answer in place(Snapshot(nodes), requests[:count]) if isinstance(answer, Placed)]
    if order != firsts:  # moved by the second look
        check(nodes, slots, order, asked)


@pytest.mark.design("J3", "J5")
def test_two_powers_and_three_networks_of_which_each_reaches_two() -> None:
    """::

    power   | A         | B         |
    network | l1  | l2  | l2  | l3  |
    rack    | r1  | r2  | r3  | r4  |
    node    | a   | b   | c   | d   |
    free    | 1   | 9   | 9   | 9   |
    """
    text = test_two_powers_and_three_networks_of_which_each_reaches_two.__doc__
    assert text
    placed = drawing.read(text).place(6, "apart soft power", "apart soft network")
    assert placed.counts("power") == {"A": 3, "B": 3}
    third = Counter(placed.by("network")[:3])
    assert third == {"l1": 1, "l2": 1, "l3": 1}


@pytest.mark.design("J3", "J5", "K3")
@pytest.mark.parametrize(
    ("free", "others"),
    [
        ({"A3": 2, "B1": 3, "B2": 4, "B3": 2}, [4]),
        ({"A2": 2, "A3": 2, "B2": 2, "B3": 3}, [4, 2, 3]),
        ({"A1": 3, "A2": 2, "A3": 2, "B1": 2, "B2": 3, "B3": 3}, [1, 3]),
    ],
)
def test_the_second_look_leaves_every_prefix_even(free: dict[str, int], others: list[int]) -> None:
    """Nodes are named by power and network. The third was put into a network that had one, beside an empty one."""
    nodes = [
        NodeFacts(name, Capacity(vcpus=count), zones={"power": name[0], "network": name[1], "rack": name})
        for name, count in free.items()
    ]
    asked = ["power", "network"]
    requests = [Request(f"a-{at}", "a", at, ONE, "", policy(asked)) for at in range(6)]
    requests += [Request(f"b{at}-0", f"b{at}", 0, Capacity(vcpus=size)) for at, size in enumerate(others)]
    placed = [answer for answer in place(Snapshot(nodes), requests) if isinstance(answer, Placed)]
    slots = dict(free)
    for answer in placed:
        if answer.request.service != "a":
            slots[answer.node] -= int(answer.request.need.vcpus)
    check(nodes, slots, [answer.node for answer in placed if answer.request.service == "a"], asked)
