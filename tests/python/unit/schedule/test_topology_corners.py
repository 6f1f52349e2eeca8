"""Topologies T10 to T26: corners, one drawn case each (``drawing`` tells how to read them).

Only what the rules decide is asserted: which of two equal nodes is taken is best fit's matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.model.flavor import MachineShare
from controller.model.node import Capacity
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import Placed, Refused, Request, Snapshot, headroom, place, share_of_node
from controller.schedule.headroom import Running
from tests.python.unit.schedule.drawing import ONE, Drawing, Placement, agree, read

Case = Callable[[], None]


def drawn(case: Case) -> Drawing:
    """The drawing of a test's docstring, with every outcome in it seen to be true."""
    assert case.__doc__
    drawing = read(case.__doc__)
    for outcome in drawing.outcomes:
        agree(drawing, outcome)
    return drawing


@pytest.mark.design("J8")
def test_t10_all_nine_fields_of_the_design_at_once() -> None:
    """::

    room  | x                     | y                     |
    bench | b1  | b2  | b3  | b4  | b1  | b2  | b3  | b4  |
    hall  | h1        | h2        | h1        | h2        |
    disk  | ssd | ssd | ssd | ssd | ssd | ssd | ssd | hdd |
    node  | a   | b   | c   | d   | e   | f   | g   | h   |
    """
    fields = {
        "ClusterFilters": ["tokyo1"],
        "ClusterLabelFilters": {"tier": "gold"},
        "NodeFilters": list("abcdefh"),
        "NodeLabelFilters": {"disk": "ssd"},
        "NodeLabelSoftUntiAffinities": ["room"],
        "NodeLabelSoftAffinities": ["hall"],
        "NodeLabelHardUntiAffinities": ["bench"],
        "NodeLabelHardAffinities": ["disk"],
    }
    found = drawn(test_t10_all_nine_fields_of_the_design_at_once).place(5, policy=fields)
    assert sorted(filter(None, found.by("bench"))) == ["b1", "b2", "b3", "b4"], "hard: each bench once"
    assert not {"g", "h"} & set(found.nodes), "not in node_filters; not ssd"
    rooms = found.by("room")
    assert rooms[0] != rooms[1], "soft: rooms first"
    assert Counter(rooms) == {"x": 3, "y": 1} or Counter(rooms) == {"x": 2, "y": 2}
    assert len(set(found.by("hall")[:2])) == 1, "soft: then together in a hall"
    assert found.refused[0].message == "8 nodes: 6 bench already used, 1 not in node_filters, 1 without label disk=ssd"


@pytest.mark.design("J4", "J8")
def test_t11_a_node_without_the_axis_is_never_taken_by_hard_rules_and_last_by_soft_ones() -> None:
    """::

    network                  | l1    | l2    |       |
    rack                     | r1    | r2    | r3    |
    node                     | a     | b     | c     |
    free                     | 2     | 2     | 3     |
    no rule, 3               | 1     | 1     | 1     |
    apart hard network, 3    | 1     | 1     | 0     | 1 refused
    apart soft network, 4    | 2     | 2     | 0     |
    apart soft network, 5    | 2     | 2     | 1     |
    together hard network, 3 | 2             | 0     | 1 refused
    together soft network, 5 | 2     | 2     | 1     |
    """
    found = drawn(test_t11_a_node_without_the_axis_is_never_taken_by_hard_rules_and_last_by_soft_ones)
    assert (
        found.place(3, "apart hard network").refused[0].message == "3 nodes: 2 network already used, 1 without network"
    )


@pytest.mark.design("J11", "K3")
def test_t12_racks_of_different_sizes_get_the_same_until_the_small_ones_are_full() -> None:
    """::

    rack               | r1          | r2    | r3 |
    node               | a  b  c  d  | e  f  | g  |
    free               | 3  3  3  3  | 2  2  | 1  |
    no rule, 3         | 1           | 1     | 1  |
    no rule, 5         | 2           | 2     | 1  |
    no rule, 9         | 4           | 4     | 1  |
    no rule, 17        | 12          | 4     | 1  |
    no rule, 18        | 12          | 4     | 1  | 1 refused
    apart hard rack, 4 | 1           | 1     | 1  | 1 refused
    apart hard node, 8 | 4           | 2     | 1  | 1 refused
    """
    drawn(test_t12_racks_of_different_sizes_get_the_same_until_the_small_ones_are_full)


@pytest.mark.design("J4", "J8")
def test_t13_what_stands_already_counts_and_what_is_anothers_does_not() -> None:
    """::

    rack                  | r1        | r2        | r3    |
    node                  | a     b   | c     d   | e     |
    stands                | web+web   | web   db  | db    |
    no rule, 3            | 0         | 1         | 2     |
    apart hard rack, 2    | 0         | 0         | 1     | 1 refused
    together hard rack, 3 | 3         | 0         | 0     |
    together soft rack, 3 | 3         | 0         | 0     |
    apart soft node, 2    | 0         | 1         | 1     |
    """
    drawing = drawn(test_t13_what_stands_already_counts_and_what_is_anothers_does_not)
    assert sorted(drawing.place(2, "apart soft node").nodes) == ["d", "e"]
    assert drawing.place(1, "apart hard node").nodes[0] in {"b", "d", "e"}


@pytest.mark.design("F3", "J8")
def test_t14_cordoned_draining_and_down_nodes_take_nothing_and_are_counted() -> None:
    """::

    rack               | r1               | r2       | r3    |
    node               | a        b       | c        | d     |
    free               | 9        2       | 9        | 9     |
    is                 | cordoned         | draining | down  |
    stands             |                  | web      |       |
    no rule, 3         | 2                | 0        | 0     | 1 refused
    apart hard rack, 2 | 1                | 0        | 0     | 1 refused
    """
    drawing = drawn(test_t14_cordoned_draining_and_down_nodes_take_nothing_and_are_counted)
    (refused,) = drawing.place(3).refused
    assert refused.message == "4 nodes: 1 cordoned, 1 down, 1 draining, 1 too few vcpus"


@pytest.mark.design("J3", "J4", "J5", "J8", "J11")
def test_t15_hard_rules_that_cross_hold_together() -> None:
    """::

    power                                               | A         | B         | A+B |
    network                                             | l1  | l2  | l1  | l2  | l2  |
    rack                                                | r1  | r2  | r3  | r4  | r5  |
    node                                                | a   | b   | c   | d   | e   |
    free                                                | 2   | 2   | 2   | 2   | 2   |
    apart hard power and apart hard rack, 4             | 1         | 1         | 1   | 1 refused
    apart hard power and together hard network in l1, 3 | 1   | 0   | 1   | 0   | 0   | 1 refused
    apart hard power and together hard network, 3       | 0   | 1   | 0   | 1   | 1   |
    apart hard power and apart hard network, 2          | 2                           |
    together hard power in B and apart hard rack, 3     | 0         | 1   | 1   | 0   | 1 refused
    together hard power and together hard rack, 3       | 2                           | 1 refused
    """
    drawing = drawn(test_t15_hard_rules_that_cross_hold_together)
    found = drawing.place(2, "apart hard power", "apart hard network")
    assert len(set(found.by("power"))) == len(set(found.by("network"))) == 2


@pytest.mark.design("J4", "J8")
def test_t16_together_chooses_where_all_have_room_with_the_other_rules_counted() -> None:
    """::

    rack                                            | r1       | r2             |
    node                                            | a        | b    c    d    |
    free                                            | 9        | 1    1    1    |
    together hard rack, 3                           | 0        | 3              |
    together hard rack, 4                           | 4        | 0              |
    together hard rack and apart hard node, 3       | 0        | 3              |
    together hard rack and apart hard node, 4       | 0        | 3              | 1 refused
    together soft rack and apart hard node, 4       | 1        | 3              |
    together hard rack in r1 and apart hard node, 2 | 1       | 0              | 1 refused
    """
    drawn(test_t16_together_chooses_where_all_have_room_with_the_other_rules_counted)


@pytest.mark.design("J3", "J4", "J8")
def test_t17_the_first_soft_rule_outweighs_all_that_follow() -> None:
    """::

    power                                      | A           | B        |
    rack                                       | r1  | r2    | r3       |
    node                                       | a   | b     | c   d    |
    stands                                     | web |       |          |
    apart soft power and together soft rack, 1 | 0           | 1        |
    together soft rack and apart soft power, 2 | 2   | 0     | 0        |
    together soft power and apart soft rack, 2 | 1   | 1     | 0        |
    apart soft rack and together soft power, 1 | 0   | 1     | 0        |
    """
    drawn(test_t17_the_first_soft_rule_outweighs_all_that_follow)


@pytest.mark.design("J3", "J5", "J11", "K3")
def test_t18_scale_down_takes_the_tail_and_leaves_what_a_smaller_service_would_have_got() -> None:
    """::

    power   | A           | B           |
    network | l1          | l2          |
    rack    | r1    | r2  | r3    | r4  |
    node    | a  b  | c   | d  e  | f   |
    """
    drawing = drawn(test_t18_scale_down_takes_the_tail_and_leaves_what_a_smaller_service_would_have_got)
    whole = drawing.place(11).nodes
    for size in range(1, 12):
        assert drawing.place(size).nodes == whole[:size]
        for axis, domains in (("power", 2), ("network", 2), ("rack", 4)):
            counts = [
                Counter(drawing.domain(axis, name) for name in whole[:size])[each] for each in _all(drawing, axis)
            ]
            assert max(counts) - min(counts) <= 1, (size, axis)
            assert len(counts) == domains


def _all(drawing: Drawing, axis: str) -> list[str | None]:
    return sorted({drawing.domain(axis, node.name) for node in drawing.nodes}, key=str)


@pytest.mark.design("K3")
def test_t19_one_deleted_by_name_leaves_a_gap_that_the_next_one_fills_where_it_was() -> None:
    """Of web-0 to web-5 web-2 was deleted: the next web-2 comes to r3, which lacks one. ::

    rack       | r1        | r2        | r3        |
    node       | a    b    | c    d    | e    f    |
    stands     | web  web  | web  web  | web       |
    no rule, 1 | 0         | 0         | 1         |
    no rule, 4 | 1         | 1         | 2         |
    """
    drawn(test_t19_one_deleted_by_name_leaves_a_gap_that_the_next_one_fills_where_it_was)


@pytest.mark.design("J1", "J3", "J11")
def test_t20_a_power_domain_is_lost_and_its_resources_come_to_the_others_by_their_rules() -> None:
    """::

    power  | A           | B           | A+B   |
    rack   | r1    | r2  | r3    | r4  | r5    |
    node   | a     | b   | c     | d   | e     |
    free   | 2     | 1   | 2     | 2   | 2     |
    stands | web   |     | web   |     | db    |
    """
    drawing = drawn(test_t20_a_power_domain_is_lost_and_its_resources_come_to_the_others_by_their_rules)
    snapshot = drawing.snapshot()
    running = []
    for service, name in drawing.standing:
        policy = drawing.place(1, "apart hard power", service=service).answers[0].request.policy
        request = Request(f"{service}-{name}", service, 0, ONE, "", policy)
        share = share_of_node(snapshot, name, request)
        assert share is not None
        snapshot.take(name, share)
        running.append(Running(request, name, moves=True))
    shape = Request("one", "", 0, ONE)
    assert headroom.fits(snapshot, [shape]) == (6,)
    losses = {(loss.axis, loss.domain): loss for loss in headroom.after_loss(snapshot, [shape], running)}
    lost = losses["power", "A"]
    assert (lost.nodes, lost.moved, lost.unplaced) == (2, 1, 0), "web goes to A+B: B has one already"
    assert lost.fits == (3,)
    assert (losses["power", "B"].moved, losses["power", "B"].fits) == (1, (2,))
    assert losses["rack", "r1"].unplaced == 0, "to r5, not to r2: that is A again, which is free now, or to A+B"


@pytest.mark.design("I5")
def test_t21_a_whole_machine_takes_an_empty_node_only() -> None:
    """::

    rack | r1        | r2            |
    node | a    b    | c    d        |
    free | 4    4    | 2:2  2:2      |
    used |      1    |      1        |
    """
    drawing = drawn(test_t21_a_whole_machine_takes_an_empty_node_only)
    found = drawing.place(3, machine_share=MachineShare.MACHINE)
    assert sorted(found.nodes) == ["a", "c"]
    assert found.refused[0].reasons == {"not empty": 4}
    large = Capacity(vcpus=5, memory_mib=256, disk_gib=1)
    assert not drawing.place(1, need=large, machine_share=MachineShare.MACHINE).nodes, "the sizes are the least"


@pytest.mark.design("I5")
def test_t22_half_a_machine_is_one_numa_cell_with_nothing_in_it() -> None:
    """One cell of b is in use. ::

    rack | r1           | r2    |
    node | a            | b     |
    free | 4:4          | 4:4   |
    used |              | 1     |
    """
    drawing = drawn(test_t22_half_a_machine_is_one_numa_cell_with_nothing_in_it)
    found = drawing.place(4, machine_share=MachineShare.CELL)
    assert Counter(found.nodes) == {"a": 2, "b": 1}
    cells = sorted((answer.node, *answer.share.cells) for answer in found.answers if isinstance(answer, Placed))
    assert cells == [("a", 0), ("a", 1), ("b", 1)]
    assert found.refused[0].reasons == {"no NUMA cell wholly free": 2}
    parted = drawing.place(4, "apart hard rack", machine_share=MachineShare.CELL)
    assert sorted(parted.nodes) == ["a", "b"]


@pytest.mark.design("I3")
def test_t23_pinned_cpus_are_given_one_by_one_from_one_cell() -> None:
    """::

    rack   | r1             | r2     |
    node   | a       b      | c      |
    free   | 4:4     8      | 4:4    |
    pinned | 2:2     4      | 1:1    |
    """
    drawing = drawn(test_t23_pinned_cpus_are_given_one_by_one_from_one_cell)
    two = Capacity(pinned_cpus=2, memory_mib=256, disk_gib=1)
    found = drawing.place(6, need=two)
    assert Counter(found.nodes) == {"a": 2, "b": 2, "c": 1}, "larger than any cell of c: one of each of them"
    given = [(answer.node, cpu) for answer in found.answers if isinstance(answer, Placed) for cpu in answer.share.cpus]
    assert len(set(given)) == len(given) == 10
    on_a = [answer.share for answer in found.answers if isinstance(answer, Placed) and answer.node == "a"]
    assert sorted((tuple(share.cells), share.cpus) for share in on_a) == [((0,), (0, 1)), ((1,), (100, 101))]
    three = drawing.place(2, need=Capacity(pinned_cpus=3, memory_mib=256, disk_gib=1))
    assert len(three.nodes) == 2
    assert "c" not in three.nodes
    shared = drawing.place(1, "together hard node in c", need=Capacity(vcpus=1, memory_mib=256, disk_gib=1))
    assert shared.nodes == ["c"], "those whose time is shared are others"


@pytest.mark.design("I3")
def test_t24_huge_pages_are_kept_to_a_cell_and_are_no_ordinary_memory() -> None:
    """``huge`` is for how many of 256 MiB. ::

    rack   | r1      | r2     | r3   |
    node   | a       | b      | c    |
    free   | 4:4     | 4:4    | 8    |
    pinned | 1:1     | 1:1    | 0    |
    huge   | 2:1     | 1:1    | 0    |
    """
    drawing = drawn(test_t24_huge_pages_are_kept_to_a_cell_and_are_no_ordinary_memory)
    page = Capacity(vcpus=1, hugepages_mib=256, disk_gib=1)
    found = drawing.place(6, need=page)
    assert Counter(found.nodes) == {"a": 3, "b": 2}
    assert found.refused[0].reasons == {"too few huge pages": 3}
    both = Capacity(vcpus=1, hugepages_mib=512, disk_gib=1)
    answers = drawing.place(3, need=both)
    assert Counter(answers.nodes) == {"a": 1, "b": 1}, "a: its first cell; b: larger than a cell, so half in each"
    cells = {answer.node: sorted(answer.share.cells) for answer in answers.answers if isinstance(answer, Placed)}
    assert cells == {"a": [0], "b": [0, 1]}


@pytest.mark.design("J8", "J10")
def test_t25_a_batch_of_many_services_keeps_each_ones_rules_apart() -> None:
    """::

    rack | r1    | r2    | r3    |
    node | a     | b     | c     |
    free | 3     | 3     | 3     |
    """
    drawing = drawn(test_t25_a_batch_of_many_services_keeps_each_ones_rules_apart)
    policy = drawing.place(1, "apart hard rack").answers[0].request.policy
    requests = [
        Request(f"{name}-{index}", name, index, ONE, "", policy) for name in ("app", "db", "web") for index in range(3)
    ]
    answers = place(drawing.snapshot(), requests)
    for name in ("app", "db", "web"):
        nodes = [each.node for each in answers if isinstance(each, Placed) and each.request.service == name]
        assert sorted(nodes) == ["a", "b", "c"]


@pytest.mark.design("J4", "J8")
def test_t26_however_many_hard_rules_forbid_a_domain_it_stays_forbidden() -> None:
    """::

    rack | r1    | r2    |
    node | a   b | c   d |
    """
    drawing = drawn(test_t26_however_many_hard_rules_forbid_a_domain_it_stays_forbidden)
    for count in (48, 64, 70):
        labels = [f"label{number}" for number in range(count)]
        nodes = [replace(node, labels=dict.fromkeys(labels, node.zones["rack"])) for node in drawing.nodes]
        hard = {"node_label_hard_anti_affinities": tuple(labels)}
        policy = SchedulePolicy().model_copy(update=hard)  # not validated: a user may give fewer
        requests = [Request(f"web-{index}", "web", index, ONE, "", policy) for index in range(3)]
        answers = place(Snapshot(nodes), requests)
        assert Placement(drawing, answers).counts("rack") == {"r1": 1, "r2": 1}, count
        assert isinstance(answers[-1], Refused)
