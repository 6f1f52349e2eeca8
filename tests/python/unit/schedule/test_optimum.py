"""Placement against the optimum: 500 small, tight cases, each solved exactly as well.

The cases are such that it matters: in most of them not everything fits, and in many the services
placed one after another come out with fewer than is possible. Both shares are asserted.
"""

from __future__ import annotations

from itertools import groupby

import pytest

from controller.model.node import Capacity
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import NodeFacts, Placed, Refused, Request, Snapshot, place
from controller.schedule.work import Work
from tests.python.unit.schedule import exact

BLOCK = 100


def placed(answers: list[Placed | Refused]) -> int:
    return sum(isinstance(answer, Placed) for answer in answers)


def one_service_after_another(case: exact.Case) -> int:
    snapshot = case.snapshot()
    services = groupby(case.requests, key=lambda request: request.service)
    return sum(placed(place(snapshot, list(requests))) for _, requests in services)


@pytest.mark.design("I1", "J3", "J4", "J5", "J8", "J10")
@pytest.mark.parametrize("first", range(0, 500, BLOCK))
def test_as_many_are_placed_as_possible_in_95_of_100_cases_and_no_hard_rule_is_broken(first: int) -> None:
    best, tight, traps = 0, 0, 0
    for seed in range(first, first + BLOCK):
        case = exact.draw(seed)
        assert len(case.nodes) <= 12
        assert len(case.requests) <= 30
        answers = place(case.snapshot(), case.requests)
        assert not exact.broken(case, answers), seed
        most, proven = exact.most(case)
        assert placed(answers) <= most, f"seed {seed}: more than the exact model allows"
        best += proven and placed(answers) == most
        tight += most < len(case.requests)
        traps += one_service_after_another(case) < most
    assert best >= 0.95 * BLOCK
    assert tight >= 0.85 * BLOCK, "the cases have become easy"
    assert traps >= 0.35 * BLOCK, "the cases have become easy"


@pytest.mark.design("J10")
def test_the_same_batch_gets_the_same_answers() -> None:
    case = exact.draw(122)
    first = place(case.snapshot(), case.requests)
    assert first == place(case.snapshot(), list(reversed(case.requests)))
    assert any(isinstance(answer, Refused) for answer in first)


@pytest.mark.design("I1", "J10")
def test_what_the_snapshot_says_afterwards_is_what_the_answers_say() -> None:
    for seed in range(500, 540):
        case = exact.draw(seed)
        snapshot, fresh = case.snapshot(), case.snapshot()
        for answer in place(snapshot, case.requests):
            if isinstance(answer, Placed):
                fresh.take(answer.node, answer.share)
                fresh.count(answer.request.service, answer.node, 1)
        assert (snapshot.free == fresh.free).all()
        assert dict(snapshot.services()) == dict(fresh.services())


@pytest.mark.design("J8", "K3")
def test_what_was_moved_is_handed_out_again_with_balanced_prefixes() -> None:
    """
    rack:   r0          r1
    nodes:  a b         c d      one CPU-heavy "big" needs a whole node, and is last by its name

    "app" (4) is placed first, spread over all nodes, which leaves no node for "big": two of its
    resources must share a node. Its tail gives way, its first ones stay one in each rack.
    """
    total = Capacity(vcpus=4, memory_mib=4096, disk_gib=100)
    racks_of = {"a": "r0", "b": "r0", "c": "r1", "d": "r1"}
    nodes = [NodeFacts(name, total, zones={"rack": rack}) for name, rack in racks_of.items()]
    small = Capacity(vcpus=1, memory_mib=256, disk_gib=1)
    requests = [Request(f"app-{index}", "app", index, small) for index in range(4)]
    requests.append(Request("big-0", "big", 0, total))
    answers = place(Snapshot(nodes), requests)
    nodes_of = [answer.node for answer in answers if isinstance(answer, Placed)]
    assert len(nodes_of) == 5
    racks = [racks_of[name] for name in nodes_of[:4]]
    assert all(abs(2 * racks[:length].count("r0") - length) <= 1 for length in range(1, 4)), nodes_of
    assert len(set(nodes_of[:3])) == 3


@pytest.mark.design("J8", "J10")
def test_services_with_different_policies_at_once_are_not_moved() -> None:
    """Whether such a service keeps its rules depends on the order, so the second look leaves it alone."""
    total = Capacity(vcpus=2, memory_mib=2048, disk_gib=100)
    nodes = [NodeFacts(name, total, zones={"rack": name}) for name in "ab"]
    one = Capacity(vcpus=1, memory_mib=256, disk_gib=1)
    spread = SchedulePolicy.model_validate({"rules": [{"axis": "rack", "mode": "AntiAffinity", "hard": True}]})
    requests = [Request("app-0", "app", 0, one), Request("app-1", "app", 1, one, "", spread)]
    requests.append(Request("big-0", "big", 0, total))
    answers = place(Snapshot(nodes), requests)
    assert [type(answer) for answer in answers] == [Placed, Placed, Refused]


@pytest.mark.design("J10")
def test_thousands_of_refusals_cost_no_more_than_a_few() -> None:
    """Of 8,000 requests, 4,608 are refused, and of 4,000, 908: the work is bounded, and not by that number."""
    few, many = _work_of_services(400), _work_of_services(800)
    assert many.attempts < 2_100
    assert many.considered < 1.2 * few.considered
    assert many.group_scans < 1.2 * few.group_scans
    assert many.nodes_counted < min(25_000, 1.25 * few.nodes_counted)
    assert many.explanations < 2 * 800  # two for each service that has refusals, however many


def _work_of_services(services: int) -> Work:
    """Place ten resources of each service on 1,000 nodes that have room for half of 800 services."""
    total = Capacity(vcpus=8, memory_mib=16384, disk_gib=100)
    nodes = [NodeFacts(f"n{number:04}", total, zones={"rack": f"r{number % 50}"}) for number in range(1000)]
    sizes = [Capacity(vcpus=vcpus, memory_mib=1024, disk_gib=1) for vcpus in (1, 3, 5)]
    requests = [
        Request(f"s{service}-{index}", f"s{service}", index, sizes[service % 3])
        for service in range(services)
        for index in range(10)
    ]
    snapshot = Snapshot(nodes)
    refused = sum(isinstance(answer, Refused) for answer in place(snapshot, requests))
    assert refused == {400: 908, 800: 4608}[services]
    return snapshot.work
