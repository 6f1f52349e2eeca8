"""NUMA cells, pinned cpus, whole cells and whole machines.

Each machine has two cells unless said otherwise: 4 shared cpus, 2 pinned cpus (0, 1 and 100, 101),
4096 MiB and 1024 MiB of huge pages each::

    machine   [cell 0: cpus, memory] [cell 1: cpus, memory]   disk, network: of the machine
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.schedule import CellFacts, NodeFacts, Placed, Refused, Request, Snapshot, place
from tests.python.unit.schedule.clusters import cell, machine

CELL, MACHINE = MachineShare.CELL, MachineShare.MACHINE


def two_cells(name: str = "n", **facts: Any) -> NodeFacts:
    return machine(name, cell(0), cell(1), **facts)


def ask(count: int = 1, share: MachineShare = MachineShare.PART, **need: float) -> list[Request]:
    return [
        Request(f"web-{index}", "web", index, Capacity.model_validate(need), machine_share=share)
        for index in range(count)
    ]


def shares(snapshot: Snapshot, requests: list[Request]) -> list[Share]:
    answers = place(snapshot, requests)
    return [answer.share for answer in answers if isinstance(answer, Placed)]


def refusal(snapshot: Snapshot, requests: list[Request]) -> str:
    (answer,) = place(snapshot, requests)
    assert isinstance(answer, Refused), answer
    return answer.message


@pytest.mark.design("I1", "I3")
def test_a_part_is_kept_to_the_fullest_cell_that_has_room() -> None:
    made = shares(Snapshot([two_cells()]), ask(4, vcpus=2, memory_mib=1024))
    assert [list(share.cells) for share in made] == [[0], [0], [1], [1]]
    assert made[0].cells[0] == Capacity(vcpus=2, memory_mib=1024)


@pytest.mark.design("I1")
def test_what_no_cell_has_is_refused_though_the_node_as_a_whole_would_do() -> None:
    snapshot = Snapshot([two_cells("a"), two_cells("b")])
    assert len(shares(snapshot, ask(4, memory_mib=3000))) == 4
    assert refusal(snapshot, ask(memory_mib=2000)) == "2 nodes: 2 no NUMA cell with enough memory"


@pytest.mark.design("I1")
def test_two_sizes_that_no_cell_has_together() -> None:
    cells = (
        replace(cell(0), taken=Capacity(vcpus=4)),
        replace(cell(1), taken=Capacity(memory_mib=4096)),
    )
    snapshot = Snapshot([machine("n", *cells, taken=Capacity(vcpus=4, memory_mib=4096))])
    assert refusal(snapshot, ask(vcpus=1, memory_mib=32)) == "1 node: 1 no NUMA cell with enough of everything"


@pytest.mark.design("I1", "I3")
def test_larger_than_any_cell_goes_evenly_over_all() -> None:
    snapshot = Snapshot([two_cells()])
    (share,) = shares(snapshot, ask(vcpus=5, memory_mib=5001))
    half = Capacity(vcpus=2.5, memory_mib=2501)
    assert share == Share(Capacity(vcpus=5, memory_mib=5001), {0: half, 1: half}, ())
    assert refusal(snapshot, ask(vcpus=5)) == "1 node: 1 too few vcpus"


@pytest.mark.design("I3")
def test_pinned_cpus_are_the_lowest_free_ones_of_one_cell_and_come_back() -> None:
    snapshot = Snapshot([two_cells()])
    one, two, three = shares(snapshot, ask(3, pinned_cpus=1))
    assert [share.cpus for share in (one, two, three)] == [(0,), (1,), (100,)]
    snapshot.give_back("n", two)
    assert shares(snapshot, ask(pinned_cpus=1))[0].cpus == (1,)


@pytest.mark.design("I3")
@pytest.mark.parametrize("told", [(cell(1),), (cell(1), cell(2))])
def test_a_pinned_cpu_that_its_node_lists_no_more_is_given_to_nobody_once_it_comes_back(
    told: tuple[CellFacts, ...],
) -> None:
    node = machine("n", *told, taken=Capacity(pinned_cpus=1))
    snapshot = Snapshot([replace(node, cells=(replace(told[0], taken=Capacity(pinned_cpus=1)), *told[1:]))])
    one = Capacity(pinned_cpus=1)
    snapshot.give_back("n", Share(one, {1: one} if len(told) > 1 else {}, (7,)))
    given = [share.cpus for share in shares(snapshot, ask(9, pinned_cpus=1))]
    assert sorted(given) == [(cpu,) for each in told for cpu in each.pinned_cpus]


@pytest.mark.design("I3")
def test_an_odd_number_of_pinned_cpus_over_two_cells_takes_no_more_than_asked() -> None:
    (share,) = shares(Snapshot([two_cells()]), ask(pinned_cpus=3))
    assert share.cpus == (0, 1, 100)
    assert [part.pinned_cpus for part in share.cells.values()] == [2, 1]


@pytest.mark.design("I3")
def test_pinned_cpus_are_split_unevenly_where_only_that_fits() -> None:
    """::

    free pinned cpus   [cell 0: 1 of 4] [cell 1: 4 of 4]
    """
    first = CellFacts(0, Capacity(pinned_cpus=4), Capacity(pinned_cpus=3), (3,), (0, 1, 2, 3))
    second = CellFacts(1, Capacity(pinned_cpus=4), Capacity(), (100, 101, 102, 103), (100, 101, 102, 103))
    node = NodeFacts("n", Capacity(pinned_cpus=8), Capacity(pinned_cpus=3), cells=(first, second))
    snapshot = Snapshot([node])
    (share,) = shares(snapshot, ask(pinned_cpus=5))
    assert share.cpus == (3, 100, 101, 102, 103)
    assert {number: part.pinned_cpus for number, part in share.cells.items()} == {0: 1, 1: 4}
    snapshot.give_back("n", share)
    assert refusal(snapshot, ask(pinned_cpus=6)) == "1 node: 1 too few pinned cpus"


@pytest.mark.design("I3")
@pytest.mark.parametrize("cells", [(), (cell(0),)])
def test_a_node_with_one_cell_or_none_told_has_no_cells_in_its_shares(cells: tuple[CellFacts, ...]) -> None:
    node = machine("n", cell(0))
    snapshot = Snapshot([NodeFacts(**{**vars(node), "cells": cells})])
    (share,) = shares(snapshot, ask(vcpus=1, pinned_cpus=1))
    assert share.cells == {}
    assert share.cpus == ((0,) if cells else ())
    assert refusal(snapshot, ask(pinned_cpus=2)) == "1 node: 1 too few pinned cpus"


@pytest.mark.design("I5")
def test_a_whole_cell_takes_one_that_is_untouched_and_its_share_of_the_rest() -> None:
    snapshot = Snapshot([two_cells()])
    assert shares(snapshot, ask(vcpus=1, memory_mib=32))[0].cells.keys() == {0}
    (share,) = shares(snapshot, ask(share=CELL, vcpus=6, memory_mib=4096, disk_gib=20))
    assert share.cpus == (100, 101)
    assert share.cells == {1: cell(1).total}
    assert share.size == cell(1).total.model_copy(
        update={"disk_gib": 50, "disk_iops": 500, "disk_mibps": 50, "network_mbps": 500}
    )
    assert refusal(snapshot, ask(share=CELL, vcpus=1)) == "1 node: 1 no NUMA cell wholly free"
    assert refusal(snapshot, ask(share=CELL, vcpus=7)) == "1 node: 1 NUMA cells too small"


@pytest.mark.design("I5")
def test_two_whole_cells_fill_a_machine_and_a_larger_disk_is_taken_as_asked() -> None:
    snapshot = Snapshot([two_cells()])
    made = shares(snapshot, ask(2, CELL, vcpus=1, disk_gib=50))
    assert [list(share.cells) for share in made] == [[0], [1]]
    assert not snapshot.free.any()
    larger = Snapshot([two_cells()])
    assert [share.size.disk_gib for share in shares(larger, ask(2, CELL, vcpus=1, disk_gib=60))] == [60]


@pytest.mark.design("I5")
def test_a_whole_machine_takes_everything_of_an_empty_node() -> None:
    empty, used = two_cells("b"), two_cells("a", taken=Capacity(memory_mib=1))
    snapshot = Snapshot([used, empty])
    (answer,) = place(snapshot, ask(share=MACHINE, vcpus=12, memory_mib=8192))
    assert isinstance(answer, Placed)
    assert answer.node == "b"
    assert answer.share == Share(empty.total, {0: cell(0).total, 1: cell(1).total}, (0, 1, 100, 101))
    assert refusal(snapshot, ask(share=MACHINE, vcpus=1)) == "2 nodes: 2 not empty"
    assert refusal(snapshot, ask(share=MACHINE, vcpus=13)) == "2 nodes: 2 too few vcpus"
    snapshot.give_back("b", answer.share)
    assert shares(snapshot, ask(share=MACHINE, vcpus=1)) == [answer.share]


@pytest.mark.design("I5")
def test_a_cell_of_a_machine_with_one_is_the_machine() -> None:
    snapshot = Snapshot([machine("n", cell(0))])
    (share,) = shares(snapshot, ask(share=CELL, vcpus=1))
    assert share == Share(machine("n", cell(0)).total, {}, (0, 1))


@pytest.mark.design("I1", "I4")
@pytest.mark.parametrize(
    ("need", "word"),
    [
        ({"disk_iops": 600}, "too little disk io"),
        ({"disk_mibps": 60}, "too little disk throughput"),
        ({"network_mbps": 600}, "too little network throughput"),
        ({"disk_gib": 60}, "too little disk"),
        ({"hugepages_mib": 1200}, "too few huge pages"),
    ],
)
def test_every_dimension_is_counted_and_named(need: dict[str, float], word: str) -> None:
    snapshot = Snapshot([two_cells()])
    wanted = [Request("web-0", "web", 0, Capacity.model_validate(need))]
    assert len(shares(snapshot, wanted)) == 1
    assert refusal(snapshot, wanted) == f"1 node: 1 {word}"
