"""What is remembered between decisions: never other than a new snapshot would say.

Each drawn history places services, gives some back, closes and reopens nodes; beside it a second
book is kept by hand, per node, cell and cpu.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.flavor import MachineShare
from controller.model.node import Share
from controller.schedule import NodeFacts, Placed, Refused, Request, Snapshot, dump, load, load_requests, place
from controller.schedule.inputs import columns
from tests.python.unit.schedule import clusters

Answers = list[tuple[Any, ...]]


def told(answers: list[Placed | Refused]) -> Answers:
    """Answers without the requests, in a form that can be compared."""
    return [(each.node, each.share) if isinstance(each, Placed) else (each.message, each.reasons) for each in answers]


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[NodeFacts], list[Any]]:
    """Few kinds of requests, so that what is remembered of one is used again."""
    nodes = draw(clusters.nodes(copies=draw(st.sampled_from([1, 6]))))
    kinds = st.sampled_from(draw(st.lists(clusters.kinds, min_size=1, max_size=2)))
    step = st.one_of(
        clusters.services(kinds),
        clusters.services(kinds),
        st.tuples(st.just("give back"), st.integers(0, 20)),
        st.tuples(st.sampled_from(["close", "reopen"]), st.sampled_from(["n0", "n1", "n2"])),
    )
    return nodes, draw(st.lists(step, min_size=1, max_size=12))


@pytest.mark.design("I1", "I3", "I5", "J10")
@settings(max_examples=200)
@given(_histories())
def test_never_more_than_there_is_and_the_same_as_a_snapshot_made_anew(
    history: tuple[list[NodeFacts], list[Any]],
) -> None:
    nodes, steps = history
    snapshot = Snapshot(nodes)
    held: list[Placed] = []
    for step in steps:
        if isinstance(step, list):
            document = json.loads(json.dumps(dump(snapshot, step)))
            answers = place(snapshot, step)
            again = load(document)
            assert dump(again, load_requests(document)) == document
            assert told(place(again, load_requests(document))) == told(answers)
            held += [each for each in answers if isinstance(each, Placed)]
        elif step[0] == "give back" and held:
            gone = held.pop(step[1] % len(held))
            snapshot.give_back(gone.node, gone.share)
            snapshot.count(gone.request.service, gone.node, -1)
        elif step[0] == "close":
            snapshot.close([step[1]])
        elif step[0] == "reopen":
            snapshot.reopen([step[1]])
        _check_books(nodes, held, snapshot)
    for each in held:
        snapshot.give_back(each.node, each.share)
        snapshot.count(each.request.service, each.node, -1)
    snapshot.reopen([node.name for node in nodes])
    assert dump(snapshot) == dump(Snapshot(nodes))


def _check_books(nodes: list[NodeFacts], held: list[Placed], snapshot: Snapshot) -> None:
    for number, node in enumerate(sorted(nodes, key=lambda each: each.name)):
        here = [each for each in held if each.node == node.name]
        taken = [sum(amounts) for amounts in zip(*(columns(each.share.size) for each in here), strict=True)] or [0] * 8
        assert snapshot.free[number].tolist() == [a - b for a, b in zip(columns(node.total), taken, strict=True)]
        assert (snapshot.free[number] >= 0).all()
        cpus = Counter(cpu for each in here for cpu in each.share.cpus)
        assert set(cpus.values()) <= {1}
        assert set(cpus) <= {cpu for cell in node.cells for cpu in cell.free_cpus}
        for cell in node.cells if len(node.cells) > 1 else ():
            parts = [each.share.cells[cell.number] for each in here if cell.number in each.share.cells]
            for amount, *used in zip(columns(cell.total), *(columns(part) for part in parts), strict=True):
                assert sum(used) <= amount
            assert sum(cpu in cpus for cpu in cell.free_cpus) == sum(part.pinned_cpus for part in parts)
        for each in here:
            _check_share(node, each.request, each.share)


def _check_share(node: NodeFacts, request: Request, share: Share) -> None:
    """A part, a cell or the machine, as was asked."""
    if request.machine_share is MachineShare.PART:
        assert share.size == request.need
        assert len(share.cpus) == (request.need.pinned_cpus if node.cells else 0)
    elif request.machine_share is MachineShare.MACHINE or len(node.cells) < 2:
        assert share.size == node.total
        assert sorted(share.cpus) == sorted(cpu for cell in node.cells for cpu in cell.free_cpus)
    else:
        (part,) = share.cells.values()
        assert columns(share.size)[:4] == columns(part)[:4]
        assert share.size.disk_gib >= max(request.need.disk_gib, node.total.disk_gib // len(node.cells))
    if len(node.cells) < 2:
        assert share.cells == {}
    elif any(columns(share.size)[:4]):
        for at in range(4):
            assert sum(columns(part)[at] for part in share.cells.values()) >= columns(share.size)[at]


@pytest.mark.design("J8")
@settings(max_examples=200)
@given(clusters.nodes(most=10), clusters.services(clusters.kinds), clusters.services(clusters.kinds))
def test_a_refusal_has_a_reason_for_every_node(nodes: list[NodeFacts], one: list[Request], two: list[Request]) -> None:
    for answer in place(Snapshot(nodes), [*one, *two]):
        if isinstance(answer, Refused):
            assert sum(answer.reasons.values()) == len(nodes)
            assert "not taken" not in answer.reasons
