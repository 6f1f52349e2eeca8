"""The node that is chosen, against a slow and simple search over all nodes.

The simple one knows no groups, no packed costs and no memory: for each node it lists the costs of
the policy in order, and the chosen node must have the lowest of all that may be taken.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.node import Capacity
from controller.model.schedule_policy import RuleMode, SchedulePolicy
from controller.schedule import Explained, NodeFacts, Placed, Refused, Request, Snapshot, place, place_explained
from controller.schedule.rules import SPREAD
from tests.python.unit.schedule import clusters


def _domain(node: NodeFacts, axis: str) -> str | None:
    return node.labels.get(axis) if axis == "room" else node.zones.get(axis, node.name if axis == "node" else None)


class Slow:
    """Nodes with room for some resources of one size, and what of the service stands on them."""

    def __init__(self, nodes: list[NodeFacts], request: Request) -> None:
        self.nodes, self.policy, self.need = nodes, request.policy, request.need
        self.here: Counter[str] = Counter()
        self.by_name = {node.name: node for node in nodes}

    def counts(self, axis: str) -> Counter[str | None]:
        return Counter({None: 0}) + sum(
            (Counter({_domain(self.by_name[name], axis): count}) for name, count in self.here.items()), Counter()
        )

    def may(self, node: NodeFacts) -> bool:
        """Up to hard affinity that names no domain: which one is chosen when nothing stands is not judged."""
        if not node.schedulable or node.total.vcpus < self.need.vcpus * (self.here[node.name] + 1):
            return False
        if any(node.labels.get(key) != value for key, value in self.policy.node_label_filters.items()):
            return False
        for rule in self.policy.all_rules():
            own, counts = _domain(node, rule.axis), self.counts(rule.axis)
            if rule.hard and (
                own is None or (bool(counts[own]) is (rule.mode is RuleMode.ANTI_AFFINITY) and self.here)
            ):
                return False
        return True

    def costs(self, node: NodeFacts, *, settled: bool) -> list[float]:
        """In order; rules that gather are left out until something stands."""
        found: list[float] = []
        rules = self.policy.all_rules()
        for rule in rules:
            own, counts = _domain(node, rule.axis), self.counts(rule.axis)
            if rule.hard:
                continue
            if rule.mode is RuleMode.ANTI_AFFINITY:
                found.append(1e9 if own is None else counts[own])
            elif settled:
                found.append(1e9 if own is None else -counts[own])
        named = {rule.axis for rule in rules}
        for axis in SPREAD:
            if axis not in named and len({_domain(each, axis) for each in self.nodes} - {None}) > 1:
                found.append(self.counts(axis)[_domain(node, axis)])
        return found


@pytest.mark.design("J3", "J4", "J5", "J8")
@settings(max_examples=200)
@given(clusters.nodes(most=10), clusters.policies, st.integers(1, 6), st.integers(1, 3), st.data())
def test_no_node_that_may_be_taken_is_better(
    nodes: list[NodeFacts], policy: Any, count: int, vcpus: int, data: st.DataObject
) -> None:
    nodes = [NodeFacts(**{**vars(node), "cells": ()}) for node in nodes]
    requests = [Request(f"a-{at}", "a", at, Capacity(vcpus=vcpus), policy=policy) for at in range(count)]
    slow = Slow(nodes, requests[0])
    some = data.draw(st.lists(st.sampled_from([node.name for node in nodes]), max_size=1))
    slow.here.update(some)
    room = {node.name: slow.need.vcpus * some.count(node.name) for node in nodes}
    taken = {name: Capacity(vcpus=min(amount, slow.by_name[name].total.vcpus)) for name, amount in room.items()}
    snapshot = Snapshot(
        [NodeFacts(**{**vars(node), "taken": taken[node.name]}) for node in nodes], [("a", name) for name in some]
    )
    for (answer,) in (place(snapshot, [request]) for request in requests):
        gathers = any(rule.mode is RuleMode.AFFINITY for rule in policy.all_rules())
        settled = bool(slow.here)
        possible = [node for node in nodes if slow.may(node)]
        if isinstance(answer, Refused):
            assert not possible or (gathers and not settled)
            continue
        chosen = slow.by_name[answer.node]
        assert chosen in possible
        if settled or not gathers:
            assert slow.costs(chosen, settled=settled) == min(slow.costs(node, settled=settled) for node in possible)
        slow.here[answer.node] += 1


@pytest.mark.design("J8")
def test_many_rules_that_need_several_words_of_cost_decide_in_their_order() -> None:
    axes = [f"label-{number}" for number in range(20)]
    rules = [clusters.rule(axis, "AntiAffinity", hard=False) for axis in axes]
    policy = SchedulePolicy.model_validate({"rules": rules})
    nodes = [
        clusters.machine(
            f"n{at}", clusters.cell(0), labels={axis: str(at >> (19 - bit) & 1) for bit, axis in enumerate(axes)}
        )
        for at in (0, 1, 2, 1 << 19, (1 << 20) - 1)
    ]
    requests = [Request(f"a-{at}", "a", at, Capacity(), policy=policy) for at in range(3)]
    chosen = [answer.node for answer in place(Snapshot(nodes), requests) if isinstance(answer, Placed)]
    assert chosen[0] == "n0"
    assert chosen[1] == f"n{(1 << 20) - 1}"
    assert chosen[2] == "n1"


@pytest.mark.design("J8", "J11")
def test_scores_tell_each_rule_beside_its_best_and_worst() -> None:
    nodes = [
        clusters.machine(f"n{at}", clusters.cell(0), zones={"power": power, "rack": f"r{at}"})
        for at, power in enumerate(["A", "A", "B"])
    ]
    policy = SchedulePolicy.model_validate(
        {
            "rules": [
                clusters.rule("power", "AntiAffinity", hard=False),
                clusters.rule("rack", "AntiAffinity", hard=True),
            ]
        }
    )
    snapshot = Snapshot(nodes, [("a", "n0")])
    requests = [Request(f"a-{at}", "a", at, Capacity(memory_mib=1024), policy=policy) for at in range(3)]
    first, second, last = place_explained(snapshot, requests)
    assert isinstance(first, Explained)
    assert first.placed.node == "n2"
    assert first.candidates == 2
    assert first.scores == [
        {"rule": "rack AntiAffinity hard", "domain": "r2", "already_there": 0, "fewest": 0, "most": 0},
        {"rule": "power AntiAffinity soft", "domain": "B", "already_there": 0, "fewest": 0, "most": 1},
        {"rule": "node spread", "domain": "n2", "already_there": 0, "fewest": 0, "most": 0},
        {
            "rule": "best fit",
            "domain": "n2",
            "usable_percent": 75.0,
            "stranded_percent": 0.0,
            "cost": 0.75,
            "least": 0.75,
            "most": 0.75,
        },
    ]
    assert isinstance(second, Explained)
    assert second.scores[1] == {
        "rule": "power AntiAffinity soft",
        "domain": "A",
        "already_there": 1,
        "fewest": 1,
        "most": 1,
    }
    assert isinstance(last, Refused)
    assert last.message == "3 nodes: 3 rack already used"


@pytest.mark.design("J8")
@given(clusters.nodes(), clusters.services(clusters.kinds))
def test_explaining_changes_nothing(nodes: list[NodeFacts], requests: list[Request]) -> None:
    plain = place(Snapshot(nodes), requests)
    explained = place_explained(Snapshot(nodes), requests)
    assert [each.placed if isinstance(each, Explained) else each for each in explained] == plain


@pytest.mark.design("J8", "J10")
def test_what_the_second_look_has_moved_says_so() -> None:
    """a-0 takes n0, which it fits best, and then b-0 and c-0 cannot both be placed::

    n0 [vcpus ########]     n1 [vcpus ############]
    """
    machines = [clusters.machine(f"n{at}", clusters.cell(0, cpus=cpus)) for at, cpus in enumerate((4, 6))]
    sizes = (("a-0", 2), ("b-0", 4), ("c-0", 4))
    first, second, third = place_explained(
        Snapshot(machines), [Request(key, key[0], 0, Capacity(vcpus=vcpus)) for key, vcpus in sizes]
    )
    assert isinstance(first, Explained)
    assert isinstance(second, Explained)
    assert isinstance(third, Explained)
    assert first.placed.node == "n1"
    assert first.scores[0] == {"rule": "second look", "domain": "n1", "instead_of": "n0"}
    assert {second.placed.node, third.placed.node} == {"n0", "n1"}
    assert third.scores == [{"rule": "second look", "domain": third.placed.node, "instead_of": None}]


@pytest.mark.design("J8")
def test_large_counts_are_written_with_separators() -> None:
    nodes = [clusters.machine(f"n{at:04}", clusters.cell(0), schedulable=at > 9) for at in range(1200)]
    (answer,) = place(Snapshot(nodes), [Request("a-0", "a", 0, Capacity(memory_mib=9999))])
    assert isinstance(answer, Refused)
    assert answer.message == "1,200 nodes: 1,190 too little memory, 10 cordoned"
