"""Draining nodes, planned together: order, rules in between, what blocks a drain, and cancelling it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.cluster.moves import drain, migration
from controller.cluster.moves.drain import Limits
from controller.model.assignment import AssignmentRole
from tests.python.unit.cluster.cells import Cell, Rule, apart, together

pytestmark = pytest.mark.design("F3", "J4", "M3")


def finish(cell: Cell, limits: Limits | None = None, rounds: int = 200) -> None:
    """Let a drain go on until nothing moves any more, one arrival at a time."""
    for _ in range(rounds):
        cell.step(limits)
        if not cell.moving():
            return
        assert not cell.broken(), "a hard rule is broken on the way"
        assert not {target for _, target in cell.moving().values()} & set(cell.draining)
        assert cell.overcommitted() == []
        cell.arrive(min(cell.moving()))
    raise AssertionError("the drain does not end")


def test_a_rack_is_evacuated_as_one_and_never_onto_a_node_that_leaves_too() -> None:
    """::

    r1: r1-1 [web-0 web-1]  r1-2 [web-2]     all of r1 drains
    r2: r2-1 []             r2-2 [] cordoned
    r3: r3-1 []
    """
    cell = Cell({"r1": 2, "r2": 2, "r3": 1})
    for name, place in (("web-0", "r1-1"), ("web-1", "r1-1"), ("web-2", "r1-2")):
        cell.run(name, place)
    cell.set_draining("r1-1", "r1-2")
    cell.set("r2-2", schedulable=False)
    first = cell.step()
    assert sum(each.remaining for each in first.values()) == 3
    assert {source for source, _ in cell.moving().values()} == {"r1-1", "r1-2"}, "one of each node at a time"
    assert len(first["r1-1"].planned) == 1
    finish(cell)
    assert set(cell.on().values()) == {"r2-1", "r3-1"}
    assert cell.step()["r1-1"].observed() == {"remaining": 0, "moving": {}, "planned": {}, "blocked_by": []}


def test_no_more_move_at_once_than_the_limits_say() -> None:
    cell = Cell({"r1": 3, "r2": 3})
    for number in range(9):
        cell.run(f"web-{number}", f"r1-{number % 3 + 1}", sizes={"vcpus": 1, "memory_mib": 64, "disk_gib": 1})
    cell.set_draining("r1-1", "r1-2", "r1-3")
    cell.step(Limits(per_node=1, in_cluster=2))
    cell.step(Limits(per_node=1, in_cluster=2))
    assert len(cell.moving()) == 2
    cell.step(Limits(per_node=2, in_cluster=5))
    assert len(cell.moving()) == 5


def test_moves_see_the_moves_before_them() -> None:
    """Only one of the two large ones fits on each node that stays."""
    cell = Cell({"r1": 2, "r2": 2})
    large = {"vcpus": 3, "memory_mib": 256, "disk_gib": 1}
    cell.run("web-0", "r1-1", sizes=large)
    cell.run("db-0", "r1-2", sizes=large)
    cell.set_draining("r1-1", "r1-2")
    result = cell.step(Limits(per_node=0))
    targets = [target for each in result.values() for target in each.planned.values()]
    assert sorted(targets) == ["r2-1", "r2-2"]


def test_a_hard_rule_holds_also_while_copies_are_on_the_way() -> None:
    """::

    r1: r1-1 [web-0]            r1-1 and r2-1 drain; hard: apart over racks
    r2: r2-1 [web-1]  r2-2 []   web-0 fits only into r2, once web-1 has left it
    r3: r3-1 []                 r1 has no other node
    """
    cell = Cell({"r1": 1, "r2": 2, "r3": 1})
    cell.run("web-0", "r1-1", [apart("rack")])
    cell.run("web-1", "r2-1", [apart("rack")])
    cell.set("r3-1", schedulable=True)
    cell.set_draining("r1-1", "r2-1")
    finish(cell)
    assert set(cell.on().values()) == {"r2-2", "r3-1"}
    assert not cell.broken()


def test_what_waits_for_another_to_leave_is_planned_and_goes_after_it() -> None:
    """db-0 may go to r2 only (a filter of its own, from before an update), which db-1 leaves for r3."""
    cell = Cell({"r1": 1, "r2": 2, "r3": 1})
    cell.run("db-0", "r1-1", [apart("rack")], schedule_policy={"node_filters": ["r1-1", "r2-2"]})
    cell.run("db-1", "r2-1", [apart("rack")], schedule_policy={"node_filters": ["r2-1", "r3-1"]})
    cell.set_draining("r1-1", "r2-1")
    result = cell.step()
    assert cell.moving() == {"db-1": ("r2-1", "r3-1")}
    assert result["r1-1"].planned == {"default/kanto/db-0": "r2-2"}
    assert result["r1-1"].blocked_by == []
    cell.arrive("db-1")
    cell.step()
    assert cell.moving() == {"db-0": ("r1-1", "r2-2")}


def test_what_blocks_a_drain_is_named_with_counted_reasons_and_stays_as_it_is() -> None:
    cell = Cell({"r1": 2, "r2": 1})
    cell.run("web-0", "r1-1", [apart("rack")])
    cell.run("web-1", "r2-1", [apart("rack")])
    cell.set_draining("r1-1", "r1-2")
    for _ in range(3):
        (blocked,) = cell.step()["r1-1"].blocked_by
    assert blocked.resource == "default/kanto/web-0"
    assert blocked.blocker.reason == "3 nodes: 2 draining, 1 rack already used"
    assert blocked.blocker.counts == {"draining": 2, "rack already used": 1}
    assert cell.moving() == {}
    cell.nodes["r4-1"] = cell.nodes["r2-1"].model_copy(deep=True, update={"name": "r4-1"})
    zones = {**cell.nodes["r2-1"].facts.zones, "rack": "r4", "node": "r4-1"}
    cell.nodes["r4-1"].observed = {**cell.nodes["r4-1"].observed, "zones": zones}
    cell.step()
    assert cell.moving() == {"web-0": ("r1-1", "r4-1")}, "a new node is room"


def test_a_service_that_must_stay_together_blocks_the_evacuation_of_its_rack_as_a_whole() -> None:
    """One after the other they would be apart in between: the operator has to soften the rule."""
    cell = Cell({"r1": 2, "r2": 2})
    for number in (0, 1):
        cell.run(f"web-{number}", f"r1-{number + 1}", [together("rack")])
    cell.set_draining("r1-1", "r1-2")
    result = cell.step()
    assert cell.moving() == {}
    reasons = [each.blocker.reason for drained in result.values() for each in drained.blocked_by]
    assert reasons == ["4 nodes: 2 draining, 2 in another rack than the service"] * 2


def test_a_failed_move_is_tried_again_later_each_time_and_on_another_node() -> None:
    cell = Cell({"r1": 1, "r2": 2})
    made = cell.run("web-0", "r1-1")
    cell.set_draining("r1-1")
    cell.step()
    targets = []
    for tries, pause in ((1, 15), (2, 30), (3, 60)):
        work = cell.work()
        source = next(each for each in work.of(made) if each.spec.migrate_to)
        targets.append(source.spec.migrate_to)
        migration._cancel(work, made, source, "the link broke")
        cell.apply(work)
        assert made.observed["migration_failed"]["tries"] == tries
        cell.assignments = {name: each for name, each in cell.assignments.items() if each.spec.node == "r1-1"}
        cell.shift(pause - 1)
        (blocked,) = cell.step()["r1-1"].blocked_by
        assert blocked.blocker.reason == "the link broke"
        cell.shift(2)
        cell.step()
    assert targets[0] != targets[1]


def test_a_target_that_is_cordoned_before_it_receives_is_given_up() -> None:
    cell = Cell({"r1": 1, "r2": 2})
    made = cell.run("web-0", "r1-1")
    cell.set_draining("r1-1")
    cell.step()
    _, target = cell.moving()["web-0"]
    cell.set(target, schedulable=False)
    work = cell.work()
    migration.advance(work, made)
    assert made.observed["migration_failed"]["reason"] == f"{target} is cordoned"
    assert "migrating_to" not in made.observed


def test_a_drain_called_off_takes_back_what_was_not_sent_and_lets_the_rest_arrive() -> None:
    cell = Cell({"r1": 2, "r2": 2})
    waiting, sent = cell.run("web-0", "r1-1"), cell.run("web-1", "r1-2")
    by_hand = cell.run("db-0", "r1-1")
    cell.set_draining("r1-1", "r1-2")
    cell.step()
    work = cell.work()
    source = next(each for each in work.of(sent) if each.spec.migrate_to)
    work.edit(source, spec={"migrate_ready": True})
    assert set(cell.moving()) == {"web-0", "web-1"} or set(cell.moving()) == {"db-0", "web-1"}
    first = waiting if "web-0" in cell.moving() else by_hand
    other = by_hand if first is waiting else waiting
    owner = next(each for each in work.of(other))
    assert migration.start(work, other, owner) is None, "an operator's own migration"
    drain.cancel(work, {"r1-1", "r1-2"})
    assert set(cell.moving()) == {"web-1", other.name}
    assert "migration_failed" not in first.observed, "it is no failure"
    roles = {each.spec.node: each.spec.role for each in work.of(first)}
    assert roles.pop("r1-1") is AssignmentRole.OWNER
    assert list(roles.values()) == [AssignmentRole.LEAVING]


def test_a_drain_called_off_leaves_what_is_set_aside_as_it_is() -> None:
    """After a restore either node may have the newer disks; the node that loses the move deletes its own."""
    cell = Cell({"r1": 1, "r2": 1})
    moving = cell.run("web-0", "r1-1")
    cell.set_draining("r1-1")
    cell.step()
    work = cell.work()
    before = {each.spec.node: each.spec.role for each in work.of(moving)}
    drain.cancel(work, {"r1-1"}, {moving.uid})
    assert {each.spec.node: each.spec.role for each in work.of(moving)} == before
    drain.cancel(work, {"r1-1"})
    assert {each.spec.node: each.spec.role for each in work.of(moving)} != before


@pytest.mark.parametrize(("near", "far"), [("r2", "r3"), ("r3", "r2")])
def test_the_prefixes_of_the_index_order_stay_balanced(near: str, far: str) -> None:
    """::

        r1: [web-0 web-2] drains    near: [web-1]    far: [web-3]

    One goes to each of the two. It must be web-0 that goes far: near it would be beside web-1.
    """
    cell = Cell({"r1": 1, "r2": 2, "r3": 2})
    for name, rack in (("web-0", "r1"), ("web-1", near), ("web-2", "r1"), ("web-3", far)):
        cell.run(name, f"{rack}-1")
    cell.set_draining("r1-1")
    finish(cell)
    racks = {name: place.rpartition("-")[0] for name, place in cell.on().items()}
    assert racks == {"web-0": far, "web-1": near, "web-2": near, "web-3": far}


RULES: list[list[Rule]] = [
    [],
    [apart("rack")],
    [apart("node")],
    [apart("rack", hard=False)],
    [apart("power", hard=False), apart("node")],
    [together("power")],
]


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """A cell whose services keep their hard rules, with some nodes draining or cordoned."""
    racks = {f"r{number}": draw(st.integers(1, 3)) for number in range(1, draw(st.integers(2, 5)) + 1)}
    cell = Cell(racks, power={rack: draw(st.sampled_from("AB")) for rack in racks})
    names = list(cell.nodes)
    for service in ("web", "db", "app"):
        rules = draw(st.sampled_from(RULES))
        for index in range(draw(st.integers(0, 4))):
            name, place = f"{service}-{index}", draw(st.sampled_from(names))
            cell.run(name, place, rules)
            if cell.overcommitted() or cell.broken():
                made = cell.computes.pop(name)
                cell.assignments = {k: v for k, v in cell.assignments.items() if v.spec.resource_uid != made.uid}
    cell.set_draining(*draw(st.lists(st.sampled_from(names), min_size=1, max_size=len(names), unique=True)))
    for name in draw(st.lists(st.sampled_from(names), max_size=1)):
        cell.set(name, schedulable=False)
    return cell


@settings(max_examples=150)
@given(cell=cells(), in_cluster=st.integers(1, 4))
def test_a_drain_of_any_site_breaks_no_rule_and_ends_with_nothing_movable_left(cell: Cell, in_cluster: int) -> None:
    before = {name: dict(cell.on(name)) for name in ("web", "db", "app")}
    finish(cell, Limits(1, in_cluster))
    result = cell.step()
    assert not any(each.planned or each.moving for each in result.values())
    blocked = {each.resource.split("/")[-1] for drained in result.values() for each in drained.blocked_by}
    left = {name for name, each in cell.computes.items() if each.observed["node"] in cell.draining}
    assert blocked == left, "all that is left says why"
    stays = {name: place for service in before.values() for name, place in service.items()}
    for name, each in cell.computes.items():
        if stays[name] not in cell.draining:
            assert each.observed["node"] == stays[name], "only what leaves is moved"


@settings(max_examples=100)
@given(
    stays=st.lists(st.sampled_from(["r2", "r3", "r4"]), max_size=5),
    leaves=st.integers(1, 5),
    order=st.randoms(use_true_random=False),
)
def test_after_a_drain_racks_differ_no_more_than_those_that_stayed_force(
    stays: list[str], leaves: int, order: object
) -> None:
    cell = Cell({"r1": 1, "r2": 3, "r3": 3, "r4": 3})
    places = ["r1-1"] * leaves + [f"{rack}-{number % 3 + 1}" for number, rack in enumerate(stays)]
    order.shuffle(places)  # type: ignore[attr-defined]
    for index, place in enumerate(places):
        cell.run(
            f"web-{index}",
            place,
            sizes={"vcpus": 1, "memory_mib": 64, "disk_gib": 1},
        )
    if cell.overcommitted():
        return
    cell.set_draining("r1-1")
    finish(cell)
    best = {rack: stays.count(rack) for rack in ("r2", "r3", "r4")}
    for _ in range(leaves):
        best[min(best, key=lambda rack: best[rack])] += 1
    assert sorted(cell.racks().values()) == sorted(count for count in best.values() if count)
