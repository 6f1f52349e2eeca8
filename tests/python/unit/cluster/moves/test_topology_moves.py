"""Topologies T30 to T44: racks that are drained and services that are rebalanced, one drawn case each.

``drawing`` tells how to read them, with these differences: ``stands`` names what moves, in the order of its index
from left to right, and each takes one of what is there beside ``free``. The outcome is where web stands in the end,
under that rule; ``refused`` are those that cannot be moved and stay where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from controller.cluster.moves import drain
from controller.cluster.moves.drain import Limits
from controller.model.node import Capacity
from tests.python.integration.cluster.site import node
from tests.python.unit.cluster.cells import Cell
from tests.python.unit.cluster.moves.test_drain import finish
from tests.python.unit.cluster.moves.test_rebalance import control, preview, request_moves
from tests.python.unit.schedule.drawing import SIZES, Outcome, read

Case = Callable[[], None]
EVACUATED = pytest.mark.design("F3", "J4", "M3")
EVENED_OUT = pytest.mark.design("J4", "J11")


def drawn(case: Case) -> tuple[Cell, Outcome]:
    """The drawing of a test's docstring as a cell, and what it says is to come of it."""
    assert case.__doc__
    drawing = read(case.__doc__)
    (outcome,) = drawing.outcomes
    cell = Cell({})
    stands = Counter(name for _, name in drawing.standing)
    for facts in drawing.nodes:
        made = node(facts.name, facts.zones["rack"], schedulable=facts.schedulable, drain=facts.draining)
        zones = {**made.observed["zones"], "power": "A", **facts.zones}
        cell.nodes[facts.name] = made.model_copy(
            update={"state": facts.state, "status": "Active", "observed": {"zones": zones}}
        )
        cell.totals[facts.name] = Capacity(**SIZES, vcpus=facts.total.vcpus + stands[facts.name])
    indices: Counter[str] = Counter()
    for service, name in drawing.standing:
        cell.run(f"{service}-{indices[service]}", name, outcome.rules if service == "web" else ())
        indices[service] += 1
    assert indices["web"] == outcome.count, "all of web is drawn where it stands"
    return cell, outcome


def agree(cell: Cell, outcome: Outcome, stay: set[str] | None = None) -> None:
    """What was not refused stands as drawn."""
    stay = stay or set()
    assert len(stay) == outcome.refused
    places = [place for name, place in cell.on().items() if name not in stay]
    said = [(sorted(inside), sum(place in inside for place in places)) for inside, _ in outcome.parts]
    assert said == [(sorted(inside), number) for inside, number in outcome.parts]


def blocked(cell: Cell) -> dict[str, str]:
    """Compute to why it cannot leave."""
    found = [each for drained in cell.step().values() for each in drained.blocked_by]
    return {each.resource.removeprefix("default/kanto/"): each.blocker.reason for each in found}


@EVACUATED
def test_t30_each_move_of_a_rack_sees_the_moves_before_it() -> None:
    """::

    rack       | r1                | r2      | r3      |
    node       | a        b        | c   d   | e   f   |
    is         | draining draining |         |         |
    free       | 0        0        | 1   1   | 1   0   |
    stands     | web+web  web      |         |     db  |
    no rule, 3 | 0                 | 2       | 1       |
    """
    cell, outcome = drawn(test_t30_each_move_of_a_rack_sees_the_moves_before_it)
    planned = [target for each in cell.step(Limits(per_node=0)).values() for target in each.planned.values()]
    assert sorted(planned) == ["c", "d", "e"], "one plan: no place is given twice"
    finish(cell)
    agree(cell, outcome)


@EVACUATED
def test_t31_nothing_lands_on_a_node_that_is_leaving_itself_or_is_closed() -> None:
    """::

    rack       | r1                | r2             | r3  |
    node       | a        b        | c        d     | e   |
    is         | draining draining | cordoned down  |     |
    free       | 5        5        | 5        5     | 3   |
    stands     | web      web+web  |                | db  |
    no rule, 3 | 0                 | 0              | 3   |
    """
    cell, outcome = drawn(test_t31_nothing_lands_on_a_node_that_is_leaving_itself_or_is_closed)
    finish(cell)
    agree(cell, outcome)
    assert cell.on("db") == {"db-0": "e"}, "what does not leave stays where it is"


@EVACUATED
def test_t32_two_racks_that_leave_at_once_break_no_hard_rule_on_the_way() -> None:
    """::

    power                                           | A                         | B   |
    rack                                            | r1             | r2       | r3  |
    node                                            | a         b    | c        | d   |
    is                                              | draining       | draining |     |
    free                                            | 0         1    | 0        | 1   |
    stands                                          | web            | web      |     |
    apart hard rack and together soft power in B, 2 | 1              | 0        | 1   |

    web-0 goes to B, as it likes best, and web-1 into the rack that web-0 has left then: not before.
    """
    cell, outcome = drawn(test_t32_two_racks_that_leave_at_once_break_no_hard_rule_on_the_way)
    planned = cell.step()["c"].planned
    assert (cell.moving(), planned) == ({"web-0": ("a", "d")}, {"default/kanto/web-1": "b"})
    finish(cell)  # looks at the rules at each step, with a copy under way counted on both of its nodes
    agree(cell, outcome)


@EVACUATED
def test_t33_a_drain_that_a_rule_stops_names_the_resource_and_the_rule_and_goes_on_when_it_can() -> None:
    """::

    rack               | r1                | r2      | r3       |
    node               | a        b        | c   d   | e        |
    is                 | draining draining |         | cordoned |
    free               | 0        2        | 2   2   | 2        |
    stands             | web      db       | web     |          |
    apart hard rack, 2 | 0                 | 1       | 0        | 1 refused
    """
    cell, outcome = drawn(test_t33_a_drain_that_a_rule_stops_names_the_resource_and_the_rule_and_goes_on_when_it_can)
    finish(cell)
    assert blocked(cell) == {"web-0": "5 nodes: 2 draining, 2 rack already used, 1 cordoned"}
    agree(cell, outcome, {"web-0"})
    assert cell.on()["web-0"] == "a", "it stays, and runs"
    assert cell.on("db")["db-0"] in ("c", "d"), "what can go does"
    cell.set("e", schedulable=True)
    finish(cell)
    assert cell.on() == {"web-0": "e", "web-1": "c"}
    assert not any(each.remaining for each in cell.step().values())


@EVACUATED
def test_t34_a_drain_that_has_too_little_room_names_what_is_left_and_what_is_short() -> None:
    """::

    rack       | r1                | r2      |
    node       | a        b        | c   d   |
    is         | draining draining |         |
    free       | 1        0        | 1   0   |
    stands     | web      web      | db  db  |
    no rule, 2 | 0                 | 1       | 1 refused
    """
    cell, outcome = drawn(test_t34_a_drain_that_has_too_little_room_names_what_is_left_and_what_is_short)
    finish(cell)
    assert blocked(cell) == {"web-1": "4 nodes: 2 draining, 2 too few vcpus"}
    agree(cell, outcome, {"web-1"})


@EVACUATED
def test_t35_a_drain_that_is_called_off_takes_back_what_was_not_sent() -> None:
    """::

    rack       | r1                | r2      |
    node       | a        b        | c   d   |
    is         | draining draining |         |
    free       | 0        0        | 2   2   |
    stands     | web+web  web      |         |
    no rule, 3 | 2                 | 1       |

    web-0 and web-2 are under way, web-0 is being sent already; web-1 waits for its turn.
    """
    cell, outcome = drawn(test_t35_a_drain_that_is_called_off_takes_back_what_was_not_sent)
    cell.step()
    assert sorted(cell.moving()) == ["web-0", "web-2"]
    work = cell.work()
    source = next(each for each in work.of(cell.computes["web-0"]) if each.spec.migrate_to)
    work.edit(source, spec={"migrate_ready": True})
    drain.cancel(work, {"a", "b"})
    cell.apply(work)
    for name in ("a", "b"):
        cell.set(name, drain=False, schedulable=True)
    assert sorted(cell.moving()) == ["web-0"]
    cell.arrive("web-0")
    assert cell.step() == {}, "nothing drains any more"
    agree(cell, outcome)
    assert cell.on()["web-2"] == "b"


def even_out(cell: Cell, max_moves: int | None = None) -> list[tuple[str, str]]:
    """Rebalance once, one move at a time; the rack that each left, and why."""
    found = preview(cell, max_moves)
    request_moves(cell, found)
    left_out = control(cell)
    while cell.moving():
        assert len(cell.moving()) == 1, "at most so many at once"
        cell.arrive(min(cell.moving()))
        left_out += control(cell)
    assert left_out == [], "what was planned was possible"
    return [(cell.nodes[move.source].observed["zones"]["rack"], move.why) for move in found.moves]


@EVENED_OUT
def test_t40_a_spread_that_was_lost_is_restored_and_each_move_names_what_was_uneven() -> None:
    """::

    rack       | r1                   | r2      | r3      |
    node       | a           b        | c   d   | e   f   |
    free       | 1           1        | 4   4   | 4   4   |
    stands     | web+web+web web+web  | web     |         |
    no rule, 6 | 2                    | 2       | 2       |
    """
    cell, outcome = drawn(test_t40_a_spread_that_was_lost_is_restored_and_each_move_names_what_was_uneven)
    first, second, third = even_out(cell)
    assert first == ("r1", "rack r1 has 5, r3 has 0")
    assert second[0] == third[0] == "r1"
    assert {second[1][:15], third[1][:15]} == {"rack r1 has 4, ", "rack r1 has 3, "}
    assert {second[1][15:], third[1][15:]} == {"r2 has 1", "r3 has 1"}
    agree(cell, outcome)
    assert sorted(Counter(cell.on().values()).values()) == [1] * 6, "and the nodes of each rack evenly"
    assert preview(cell).message == "it is balanced already"


@EVENED_OUT
def test_t41_no_more_moves_than_asked_for_and_the_rest_another_time() -> None:
    """::

    rack       | r1                       | r2      |
    node       | a            b           | c   d   |
    free       | 1            1           | 4   4   |
    stands     | web+web+web  web+web+web |         |
    no rule, 6 | 3                        | 3       |
    """
    cell, outcome = drawn(test_t41_no_more_moves_than_asked_for_and_the_rest_another_time)
    assert preview(cell, 2).message == "more could follow: 2 moves were requested at most"
    assert even_out(cell, 2) == [("r1", "rack r1 has 6, r2 has 0"), ("r1", "rack r1 has 5, r2 has 1")]
    assert even_out(cell, 2) == [("r1", "rack r1 has 4, r2 has 2")]
    agree(cell, outcome)
    assert preview(cell, 2).message == "it is balanced already"


@EVENED_OUT
def test_t42_a_hard_rule_that_is_broken_comes_before_any_balance() -> None:
    """::

    power                                   | A         | B               |
    rack                                    | r1        | r2  | r3  | r4  |
    node                                    | a    b    | c   | d   | e   |
    free                                    | 2    2    | 2   | 2   | 2   |
    stands                                  | web  web  | web | web |     |
    apart hard rack and apart soft power, 4 | 1         | 1   | 1   | 1   |
    """
    cell, outcome = drawn(test_t42_a_hard_rule_that_is_broken_comes_before_any_balance)
    assert even_out(cell) == [("r1", "must be apart over rack: rack r1 has 2, r4 has 0")]
    agree(cell, outcome)


@EVENED_OUT
def test_t43_it_is_evened_out_as_far_as_the_room_goes_and_closed_nodes_are_left_out() -> None:
    """::

    rack       | r1              | r2       | r3       | r4  |
    node       | a               | b        | c        | d   |
    is         |                 | cordoned | draining |     |
    free       | 1               | 9        | 9        | 1   |
    stands     | web+web+web+web |          |          |     |
    no rule, 4 | 3               | 0        | 0        | 1   |
    """
    cell, outcome = drawn(test_t43_it_is_evened_out_as_far_as_the_room_goes_and_closed_nodes_are_left_out)
    assert even_out(cell) == [("r1", "rack r1 has 4, r4 has 0")]
    agree(cell, outcome)


@EVENED_OUT
def test_t44_a_power_domain_that_is_back_gets_its_part_with_the_fewest_moves() -> None:
    """::

    power               | A                 | B         |
    rack                | r1      | r2      | r3  | r4  |
    node                | a       | b       | c   | d   |
    free                | 2       | 2       | 4   | 4   |
    stands              | web+web | web+web |     |     |
    apart soft power, 4 | 1       | 1       | 1   | 1   |
    """
    cell, outcome = drawn(test_t44_a_power_domain_that_is_back_gets_its_part_with_the_fewest_moves)
    whys = [why for _, why in even_out(cell)]
    assert whys == ["power A has 4, B has 0", "power A has 3, B has 1"]
    agree(cell, outcome)
