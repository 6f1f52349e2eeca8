"""How many more fit, now and after a loss: against counting one by one, and drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import CellFacts, NodeFacts, Request, Snapshot, headroom, share_of_node
from controller.schedule.headroom import Loss, Running

SMALL = Capacity(vcpus=1, memory_mib=256, disk_gib=1)


def node(name: str, *, rack: str = "", power: str = "", vcpus: float = 4, **facts: Any) -> NodeFacts:
    total = Capacity(vcpus=vcpus, memory_mib=4096, disk_gib=100)
    return NodeFacts(name, total, zones={"rack": rack, "power": power}, providers=frozenset({"memory"}), **facts)


def shape(need: Capacity = SMALL, **fields: Any) -> Request:
    return Request("shape", "", 0, need, "memory", **fields)


def running(service: str, *nodes: str, rules: Any = (), moves: bool = True, need: Capacity = SMALL) -> list[Running]:
    policy = SchedulePolicy.model_validate({"rules": rules})
    return [
        Running(Request(f"{service}-{index}", service, index, need, "memory", policy), name, moves)
        for index, name in enumerate(nodes)
    ]


def snapshot(facts: list[NodeFacts], those: list[Running]) -> Snapshot:
    made = Snapshot(facts, [(each.request.service, each.node) for each in those])
    for each in those:
        share = share_of_node(made, each.node, each.request)
        assert share is not None
        made.take(each.node, share)
    return made


def state(made: Snapshot) -> tuple[Any, ...]:
    return made.free.tolist(), made.open.tolist(), dict(made.counts_by_node("web"))


def by_domain(losses: list[Loss], axis: str) -> dict[str, Loss]:
    return {loss.domain: loss for loss in losses if loss.axis == axis}


@pytest.mark.design("I1")
def test_1_closed_nodes_and_foreign_providers_take_nothing() -> None:
    facts = [node("a"), node("b", schedulable=False), node("c", draining=True), node("d", state="Down")]
    made = Snapshot(facts)
    assert headroom.fits(made, [shape(), shape(Capacity(vcpus=3, memory_mib=1, disk_gib=1))]) == (4, 1)
    assert headroom.fits(made, [Request("x", "", 0, SMALL, "libvirt")]) == (0,)
    assert headroom.fits(Snapshot([]), [shape()]) == (0,)


_amount = st.integers(0, 6)
_capacity = st.builds(
    lambda vcpus, memory, disk, iops: Capacity(
        vcpus=vcpus / 2, memory_mib=memory * 256, disk_gib=disk, disk_iops=iops * 100
    ),
    _amount,
    _amount,
    _amount,
    _amount,
)


@pytest.mark.design("I1")
@settings(max_examples=200)
@given(
    nodes=st.lists(st.tuples(_capacity, _capacity), min_size=1, max_size=5),
    need=_capacity.filter(lambda size: size.vcpus > 0),
)
def test_2_the_arrays_count_what_taking_one_by_one_does(nodes: list[tuple[Capacity, Capacity]], need: Capacity) -> None:
    facts = [
        NodeFacts(f"n{number}", total, taken, providers=frozenset({"memory"}))
        for number, (total, taken) in enumerate(nodes)
    ]
    made = Snapshot(facts)
    before = made.free.copy()
    counted = headroom.per_node(made, shape(need))
    assert (made.free == before).all()
    assert counted.tolist() == [_one_by_one(made, each.name, shape(need)) for each in made.nodes]


def _one_by_one(made: Snapshot, name: str, wanted: Request) -> int:
    count = 0
    while (share := share_of_node(made, name, wanted)) is not None:
        made.take(name, share)
        count += 1
    return count


@pytest.mark.design("J4", "I1")
def test_3_after_a_loss_what_stood_there_is_placed_first() -> None:
    """
    r1: [a 4 vcpus: web-0 web-1]   r2: [b 4: web-2]   r3: [c 4]        lost r1: 8 - 1 - 2 = 5 are left
    """
    facts = [node("a", rack="r1"), node("b", rack="r2"), node("c", rack="r3")]
    those = running("web", "a", "a", "b")
    made = snapshot(facts, those)
    before = state(made)
    found = by_domain(headroom.after_loss(made, [shape()], those), "rack")
    assert found["r1"] == Loss("rack", "r1", nodes=1, moved=2, unplaced=0, staying=0, fits=(5,))
    assert found["r2"] == Loss("rack", "r2", nodes=1, moved=1, unplaced=0, staying=0, fits=(5,))
    assert found["r3"] == Loss("rack", "r3", nodes=1, moved=0, unplaced=0, staying=0, fits=(5,))
    assert state(made) == before, "the snapshot is put back as it was"


@pytest.mark.design("J4", "J11")
def test_4_what_moves_keeps_its_rules_and_may_find_no_place() -> None:
    """
    r1: [a: web-0]   r2: [b: web-1]     one per rack, hard: lost r1, web-0 finds no other rack
    """
    hard = [{"axis": "rack", "mode": "AntiAffinity", "hard": True}]
    facts = [node("a", rack="r1"), node("b", rack="r2")]
    those = running("web", "a", "b", rules=hard)
    found = by_domain(headroom.after_loss(snapshot(facts, those), [shape()], those), "rack")
    assert found["r1"] == Loss("rack", "r1", nodes=1, moved=0, unplaced=1, staying=0, fits=(3,))


@pytest.mark.design("J3")
def test_5_a_place_that_the_lost_copy_had_is_free_for_another() -> None:
    """
    A: [a r1: web-0] [b r2]    B: [c r3: web-1]     one per power, hard, on rack level: lost r1, web-0 goes to b
    """
    hard = [{"axis": "power", "mode": "AntiAffinity", "hard": True}]
    facts = [node("a", rack="r1", power="A"), node("b", rack="r2", power="A"), node("c", rack="r3", power="B")]
    those = running("web", "a", "c", rules=hard)
    found = by_domain(headroom.after_loss(snapshot(facts, those), [shape()], those), "rack")
    assert (found["r1"].moved, found["r1"].unplaced) == (1, 0)


def test_6_what_is_not_to_move_stays_down_and_takes_no_room() -> None:
    facts = [node("a", rack="r1"), node("b", rack="r2")]
    those = running("web", "a", "a") + running("batch", "a", moves=False)
    found = by_domain(headroom.after_loss(snapshot(facts, those), [shape()], those), "rack")
    assert found["r1"] == Loss("rack", "r1", nodes=1, moved=2, unplaced=0, staying=1, fits=(2,))


@pytest.mark.design("J3", "J4")
def test_7_the_worst_domain_is_the_one_that_leaves_least() -> None:
    """
    A: [a r1] [b r1]    A+B: [c r2]     the larger rack is the worst one, and so is its power domain
    """
    facts = [node("a", rack="r1", power="A"), node("b", rack="r1", power="A"), node("c", rack="r2", power="A+B")]
    losses = headroom.after_loss(Snapshot(facts), [shape()], [])
    for axis, domain in (("rack", "r1"), ("power", "A")):
        found = headroom.worst(losses, axis, 0)
        assert found is not None
        assert (found.domain, found.fits) == (domain, (4,))
    assert headroom.worst(losses, "network", 0) is None


def test_8_a_node_without_the_axis_is_lost_with_no_domain() -> None:
    losses = headroom.after_loss(Snapshot([node("a", rack="r1"), node("b")]), [shape()], [])
    assert {loss.domain: loss.fits for loss in losses} == {"r1": (4,)}


def numa(name: str, *frees: int) -> NodeFacts:
    """A node of cells with 4 vcpus and 2 GiB each, so many of the vcpus free."""
    cell = Capacity(vcpus=4, memory_mib=2048)
    cells = tuple(CellFacts(number, cell, Capacity(vcpus=4 - free)) for number, free in enumerate(frees))
    total = Capacity(vcpus=4 * len(frees), memory_mib=2048 * len(frees), disk_gib=100)
    taken = Capacity(vcpus=4 * len(frees) - sum(frees))
    return NodeFacts(name, total, taken, providers=frozenset({"memory"}), cells=cells)


@pytest.mark.design("I1", "I5")
def test_9_cells_whole_cells_and_whole_machines() -> None:
    """
    [a] cells 4+4 free   [b] cells 3+3   [c] cells 4+2   [d] one cell, 4 free       3 vcpus fit into one cell only
    """
    made = Snapshot([numa("a", 4, 4), numa("b", 3, 3), numa("c", 4, 2), numa("d", 4)])
    three = Capacity(vcpus=3, memory_mib=256, disk_gib=1)
    assert headroom.per_node(made, shape(three)).tolist() == [2, 2, 1, 1]
    assert headroom.per_node(made, shape(SMALL)).tolist() == [8, 6, 6, 4]
    assert headroom.per_node(made, shape(three, machine_share=MachineShare.CELL)).tolist() == [2, 0, 1, 1]
    assert headroom.per_node(made, shape(three, machine_share=MachineShare.MACHINE)).tolist() == [1, 0, 0, 1]


@pytest.mark.design("I1", "I5")
@settings(max_examples=200)
@given(
    frees=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=4),
    vcpus=st.integers(1, 9),
    memory=st.integers(1, 12),
    how=st.sampled_from(MachineShare),
)
def test_10_of_cells_too_the_arrays_count_what_taking_one_by_one_does(
    frees: list[list[int]], vcpus: int, memory: int, how: MachineShare
) -> None:
    made = Snapshot([numa(f"n{number}", *each) for number, each in enumerate(frees)])
    wanted = shape(Capacity(vcpus=vcpus, memory_mib=256 * memory, disk_gib=1), machine_share=how)
    counted = headroom.per_node(made, wanted).tolist()
    assert counted == [_one_by_one(made, each.name, wanted) for each in made.nodes]


@pytest.mark.design("J4", "I5")
def test_11_a_whole_machine_that_is_lost_needs_an_empty_one() -> None:
    """
    r1: [a: one-0, whole]   r2: [b: empty]   r3: [c: web-0]        lost r1: one-0 takes b, no whole one is left
    """
    whole = shape(SMALL, machine_share=MachineShare.MACHINE)
    one = [Running(Request("one-0", "one", 0, SMALL, "memory", machine_share=MachineShare.MACHINE), "a", True)]
    those = one + running("web", "c")
    made = snapshot([node("a", rack="r1"), node("b", rack="r2"), node("c", rack="r3")], those)
    assert headroom.fits(made, [whole, shape()]) == (1, 7)
    found = by_domain(headroom.after_loss(made, [whole, shape()], those), "rack")
    assert found["r1"] == Loss("rack", "r1", nodes=1, moved=1, unplaced=0, staying=0, fits=(0, 3))
    assert headroom.fits(made, [whole, shape()]) == (1, 7)


@pytest.mark.design("I1", "J4")
def test_12_losses_one_after_the_other_are_those_of_a_fresh_snapshot() -> None:
    """Thirty racks of four nodes, services spread over them; what one loss did leaves no trace in the next."""
    facts = [node(f"r{number % 30:02}-n{number}", rack=f"r{number % 30:02}") for number in range(120)]
    spread = [{"axis": "rack", "mode": "AntiAffinity"}]
    names = [each.name for each in facts]
    those = [one for at in range(60) for one in running(f"s{at:02}", *names[at : at + 3], rules=spread)]
    wanted = [shape(), shape(Capacity(vcpus=2, memory_mib=256, disk_gib=1))]
    together = headroom.after_loss(snapshot(facts, those), wanted, those)
    assert len(together) == 30
    for loss in together:
        assert (loss.unplaced, loss.nodes) == (0, 4)
        assert loss.fits[0] == 4 * (120 - 4) - len(those), f"{loss}: nothing is placed on what is lost, nothing twice"


def moving(facts: list[NodeFacts], source: str, target: str, rules: Any) -> tuple[Snapshot, list[Running]]:
    """web on its way from one node to the other: counted on both, with a share of both."""
    (one,) = running("web", source, rules=rules)
    share = Share(SMALL)
    made = Snapshot(facts, [("web", source), ("web", target)])
    for name in (source, target):
        made.take(name, share)
    return made, [replace(one, to=target, to_share=share)]


@pytest.mark.design("I1", "J4", "J10")
def test_13_what_is_on_its_way_is_lost_with_the_node_it_comes_from_only() -> None:
    """
    r1: [a: web-0, moving to b]   r2: [b: a place for web-0]   r3: [c: full but for one]    one per rack, hard

    r1 is lost: what came to b by then is of no use, and b has room for web-0 again: 4 - 1 + 1 are left.
    r2 is lost: web-0 stays on a, and nothing is moved: 3 + 1 are left. r3 is lost: 3 + 3 are left.
    """
    hard = [{"axis": "rack", "mode": "AntiAffinity", "hard": True}]
    facts = [node("a", rack="r1"), node("b", rack="r2"), node("c", rack="r3", vcpus=1)]
    made, those = moving(facts, "a", "b", hard)
    before = state(made)
    found = by_domain(headroom.after_loss(made, [shape()], those), "rack")
    assert found["r1"] == Loss("rack", "r1", nodes=1, moved=1, unplaced=0, staying=0, fits=(4,))
    assert found["r2"] == Loss("rack", "r2", nodes=1, moved=0, unplaced=0, staying=0, fits=(4,))
    assert found["r3"] == Loss("rack", "r3", nodes=1, moved=0, unplaced=0, staying=0, fits=(6,))
    assert state(made) == before, "the snapshot is put back as it was"


@pytest.mark.design("J3", "J10")
def test_14_both_its_nodes_count_for_the_rules_until_one_of_them_is_lost() -> None:
    """
    A: [a r1: web-0, moving to d]   B: [b r3: web-1]   D: [c r2: web-2]   C: [d r3: a place for web-0] [e r4]

    One per power, hard. r2 is lost: web-2 finds none, for web-0 may end in A or in C. r3 is lost, with it the place
    in C: web-1 goes to e. r1 is lost: web-0 itself goes to C.
    """
    hard = [{"axis": "power", "mode": "AntiAffinity", "hard": True}]
    places = {"a": ("r1", "A"), "b": ("r3", "B"), "c": ("r2", "D"), "d": ("r3", "C"), "e": ("r4", "C")}
    facts = [node(name, rack=rack, power=power) for name, (rack, power) in places.items()]
    made, (first,) = moving(facts, "a", "d", hard)
    others = running("web", "a", "b", "c", rules=hard)[1:]
    for each in others:
        made.take(each.node, Share(SMALL))
        made.count("web", each.node, 1)
    found = by_domain(headroom.after_loss(made, [shape()], [first, *others]), "rack")
    assert {rack: (loss.moved, loss.unplaced) for rack, loss in found.items()} == {
        "r1": (1, 0),
        "r2": (0, 1),
        "r3": (1, 0),
        "r4": (0, 0),
    }
