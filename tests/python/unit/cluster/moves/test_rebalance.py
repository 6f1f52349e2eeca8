"""Rebalancing a service: which moves, why, in which order, and when nothing has to move."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.cluster.moves import rebalance
from controller.cluster.moves.planning import MovePlan
from controller.cluster.reconcile import computes
from controller.model.compute import Rebalance
from tests.python.unit.cluster.cells import Cell, Rule, apart, together

pytestmark = pytest.mark.design("J4", "J11")
NO_BETTER = "it would no longer improve the balance of the service"


def preview(cell: Cell, max_moves: int | None = None) -> MovePlan:
    return rebalance.preview(cell.work(), list(cell.computes.values()), max_moves)


def request_moves(cell: Cell, found: MovePlan, at_once: int = 1) -> None:
    """Ask for the moves, as the root's API does."""
    for order, move in enumerate(found.moves):
        compute = cell.computes[move.resource.split("/")[-1]]
        asked: dict[str, Any] = {
            "migrations": compute.spec.migrations + 1,
            "migrate_to": move.target,
            "rebalance": Rebalance(order=order, at_once=at_once),
        }
        compute.spec = compute.spec.model_copy(update=asked)


def control(cell: Cell) -> list[str]:
    """Passes of the controller until it has nothing more to do; what of the moves it gave up."""
    told = []
    for _ in range(20):
        work = cell.work()
        for compute in list(cell.computes.values()):
            owner = next(each for each in work.of(compute) if each.spec.role == "Owner")
            if rebalance.is_waiting(compute):
                computes._start_requested_migration(work, compute, owner)
        cell.apply(work)
        told += [f"{each.key.names[-1]}: {each.message}" for each in work.events if each.reason == "RebalanceSkipped"]
        if not work.turn_taken:
            return told
    raise AssertionError("it does not come to rest")


def uneven() -> Cell:
    """::

    r1: [web-0 web-1 web-2]    r2: [web-3]    r3: [] cordoned
    """
    cell = Cell({"r1": 2, "r2": 2, "r3": 1})
    for name, place in (("web-0", "r1-1"), ("web-1", "r1-1"), ("web-2", "r1-2"), ("web-3", "r2-1")):
        cell.run(name, place)
    cell.set("r3-1", schedulable=False)
    return cell


def test_the_one_that_moves_leaves_every_prefix_balanced_and_the_reason_names_what_was_uneven() -> None:
    (move,) = preview(uneven()).moves
    assert (move.resource, move.source, move.target) == ("default/kanto/web-1", "r1-1", "r2-2")
    assert move.why == "rack r1 has 3, r2 has 1"


def test_a_balanced_service_is_left_alone_and_the_message_says_so() -> None:
    cell = uneven()
    request_moves(cell, preview(cell))
    control(cell)
    cell.arrive("web-1")
    found = preview(cell)
    assert (found.moves, found.message) == ([], "it is balanced already")


def test_a_broken_hard_rule_comes_before_any_balance() -> None:
    """web-1 must leave r1, though r3 is on a power system that has more already."""
    cell = Cell({"r1": 2, "r2": 1, "r3": 1, "r4": 1}, power={"r1": "A", "r2": "B", "r3": "B", "r4": "B"})
    for name, place in (("web-0", "r1-1"), ("web-1", "r1-2"), ("web-2", "r2-1"), ("web-3", "r3-1")):
        cell.run(name, place, [apart("rack"), apart("power", hard=False)])
    (move,) = preview(cell).moves
    assert move.target == "r4-1"
    assert move.why == "must be apart over rack: rack r1 has 2, r4 has 0"


def test_what_must_be_together_is_brought_together() -> None:
    cell = Cell({"r1": 2, "r2": 2})
    for name, place in (("web-0", "r1-1"), ("web-1", "r1-2"), ("web-2", "r2-1")):
        cell.run(name, place, [together("rack")])
    (move,) = preview(cell).moves
    assert (move.resource, move.target.rpartition("-")[0]) == ("default/kanto/web-2", "r1")


LABELS = {"r1-1": {"room": "a"}, "r1-2": {"room": "a"}, "r2-1": {"room": "b"}, "r2-2": {"room": "b"}}


@pytest.mark.parametrize(
    ("places", "rules", "policy"),
    [
        (["r1-1", "r1-1", "r1-2"], [apart("rack")], {}),
        (["r1-1", "r1-1", "r1-1"], [apart("node"), together("rack")], {}),
        (["r1-1", "r1-2", "r2-1", "r2-2"], [together("rack")], {}),
        (["r1-1", "r1-2", "r2-1"], [{**together("rack"), "value": "r3"}], {}),
        (["r1-1", "r1-2"], [apart("room")], {}),
        (["r1-1", "r1-2"], [apart("rack")], {"node_filters": ["r2-1", "r3-1"]}),
        (["r1-1", "r3-1"], [], {"node_label_filters": {"room": "b"}}),
    ],
)
def test_whatever_rule_or_filter_was_added_after_the_placement_is_repaired(
    places: list[str], rules: list[Rule], policy: dict[str, Any]
) -> None:
    """The status of the service names this command."""
    cell = Cell({"r1": 3, "r2": 2, "r3": 1})
    for name, labels in LABELS.items():
        cell.nodes[name] = cell.nodes[name].model_copy(update={"labels": labels})
    for index, place in enumerate(places):
        cell.run(f"web-{index}", place, rules, schedule_policy=policy)
    assert cell.broken() > 0
    after = cell.on()
    for move in preview(cell).moves:
        after[move.resource.split("/")[-1]] = move.target
    assert cell.spread().violations([*after.values()]) == 0


def test_a_service_that_must_be_together_cannot_leave_an_excluded_rack_one_by_one_and_the_plan_says_so() -> None:
    cell = Cell({"r1": 2, "r2": 2})
    for name, place in (("web-0", "r1-1"), ("web-1", "r1-2")):
        cell.run(name, place, [together("rack")], schedule_policy={"node_filters": ["r2-1", "r2-2"]})
    found = preview(cell)
    assert (found.moves, found.message) == ([], "no move that is possible would improve it")
    assert "2 in another rack than the service" in found.blocked[0].blocker.reason


def test_no_more_moves_than_asked_for_and_it_says_that_more_could_follow() -> None:
    cell = Cell({"r1": 2, "r2": 2})
    for index in range(8):
        cell.run(f"web-{index}", f"r1-{index % 2 + 1}", sizes={"vcpus": 1, "memory_mib": 64, "disk_gib": 1})
    assert len(preview(cell).moves) == 4
    found = preview(cell, 3)
    assert (len(found.moves), found.message) == (3, "more could follow: 3 moves were requested at most")


def test_what_cannot_be_moved_but_should_be_is_named() -> None:
    cell = uneven()
    for assignment in cell.assignments.values():
        assignment.state = "Stopped"
    found = preview(cell)
    assert found.moves == []
    assert found.message == "no move that is possible would improve it"
    assert {each.resource for each in found.blocked} == {f"default/kanto/web-{index}" for index in range(3)}
    assert found.blocked[0].blocker.reason == "it is Stopped, and only running machines move"


def test_at_most_so_many_move_at_once_in_their_order() -> None:
    cell = Cell({"r1": 2, "r2": 2})
    for index in range(8):
        cell.run(f"web-{index}", f"r1-{index % 2 + 1}", sizes={"vcpus": 1, "memory_mib": 64, "disk_gib": 1})
    found = preview(cell)
    order = [move.resource.split("/")[-1] for move in found.moves]
    request_moves(cell, found, at_once=2)
    control(cell)
    assert sorted(cell.moving()) == sorted(order[:2])
    control(cell)
    assert len(cell.moving()) == 2, "looking again changes nothing"
    cell.arrive(order[0])
    control(cell)
    assert sorted(cell.moving()) == sorted(order[1:3])
    for name in order[1:]:
        cell.arrive(name)
        control(cell)
    assert cell.racks() == Counter(r1=4, r2=4)
    assert not any(rebalance.is_waiting(each) for each in cell.computes.values())


def test_a_move_that_makes_it_no_better_any_more_is_not_made_and_holds_up_nobody() -> None:
    cell = Cell({"r1": 4, "r2": 4})
    for index in range(4):
        cell.run(f"web-{index}", f"r1-{index + 1}")
    found = preview(cell)
    first, second = (move.resource.split("/")[-1] for move in found.moves)
    request_moves(cell, found)
    (stays, _) = (name for name in cell.on() if name not in (first, second))
    made = cell.computes.pop(stays)  # deleted meanwhile: three are left, of which one moves
    cell.assignments = {name: each for name, each in cell.assignments.items() if each.spec.resource_uid != made.uid}
    assert control(cell) == []
    cell.arrive(first)
    assert control(cell) == [f"{second}: to {found.moves[1].target}: {NO_BETTER}"]
    assert cell.racks() == Counter(r1=2, r2=1)


def test_a_target_that_was_cordoned_meanwhile_is_not_taken() -> None:
    cell = uneven()
    found = preview(cell)
    request_moves(cell, found)
    cell.set(found.moves[0].target, schedulable=False)
    told = control(cell)
    assert cell.moving() == {}
    assert told == ["web-1: to r2-2: r2-2 cannot take it: cordoned"]


RULES: list[list[Rule]] = [
    [],
    [apart("rack")],
    [apart("power", hard=False), apart("node")],
    [apart("rack", hard=False)],
]


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """One service, anywhere; some nodes closed."""
    racks = {f"r{number}": draw(st.integers(1, 3)) for number in range(1, draw(st.integers(2, 4)) + 1)}
    cell = Cell(racks, power={rack: draw(st.sampled_from("AB")) for rack in racks})
    rules = draw(st.sampled_from(RULES))
    for index, place in enumerate(draw(st.lists(st.sampled_from(list(cell.nodes)), min_size=1, max_size=8))):
        cell.run(f"web-{index}", place, rules, sizes={"vcpus": 1, "memory_mib": 64, "disk_gib": 1})
    for name in draw(st.lists(st.sampled_from(list(cell.nodes)), max_size=1)):
        cell.set(name, schedulable=False)
    return cell


@settings(max_examples=150)
@given(cell=cells(), at_once=st.integers(1, 3))
def test_every_plan_makes_it_better_can_be_made_and_leaves_nothing_to_do(cell: Cell, at_once: int) -> None:
    full = set(cell.overcommitted())
    start, broken = cell.spread().score(list(cell.on().values())), cell.broken()
    for _ in range(20):
        found = preview(cell)
        if not found.moves:
            break
        request_moves(cell, found, at_once)
        told = control(cell)
        while cell.moving():
            assert len(cell.moving()) <= at_once
            assert set(cell.overcommitted()) <= full
            cell.arrive(min(cell.moving()))
            told += control(cell)
        assert told == [], "what was planned was possible"
    else:
        raise AssertionError("it never ends")
    end = cell.spread().score(list(cell.on().values()))
    assert end <= start
    assert cell.broken() <= broken
    if end[0]:
        return  # too few domains: no move is allowed that adds to one that is used
    for name, place in cell.on().items():  # no single move that there is room for makes it better
        for other, node in cell.nodes.items():
            room = Counter(cell.on().values())[other] < 4 and node.spec.schedulable
            if room and other != place:
                after = list({**cell.on(), name: other}.values())
                assert cell.spread().score(after) >= end, f"{name} to {other} would be better"
