"""The domain that affinity without a value chooses, against each domain named in its place.

At most one soft rule comes before it; where several do, the choice is a bound of what they leave (``domain_choice``).
Every domain of a small site is named as the rule's value, and the whole service placed so: none of them may serve the
rules better than the domain that was chosen. Better: more are placed, then the costs of the rules in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.node import Capacity
from controller.model.schedule_policy import RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule import NodeFacts, Placed, Request, Snapshot, place

ONE = Capacity(vcpus=1)
AXES = ("power", "network", "room")


@st.composite
def sites(draw: st.DrawFn) -> list[NodeFacts]:
    """Nodes of one to three vcpus; some have no room."""
    return [
        NodeFacts(
            f"n{number}",
            Capacity(vcpus=draw(st.integers(1, 3))),
            zones={
                "power": draw(st.sampled_from("AB")),
                "network": draw(st.sampled_from("123")),
                "rack": f"r{number}",
            },
            labels={"room": room} if (room := draw(st.sampled_from(["x", "y", "z", ""]))) else {},
        )
        for number in range(draw(st.integers(2, 7)))
    ]


@st.composite
def rules(draw: st.DrawFn) -> list[ScheduleRule]:
    """One rule that gathers without a value, and one or two others over other axes, one of them before it at most."""
    axes = draw(st.permutations(AXES))
    made = [ScheduleRule(axis=axes[0], mode=RuleMode.AFFINITY, hard=draw(st.booleans()))]
    for axis in axes[1 : draw(st.integers(2, 3))]:
        mode = draw(st.sampled_from(RuleMode))
        value = draw(st.sampled_from({"power": "AB", "network": "123", "room": "xyz"}[axis]))
        made.append(ScheduleRule(axis=axis, mode=mode, hard=False, value=value if mode is RuleMode.AFFINITY else None))
    return made if draw(st.booleans()) else [made[1], made[0], *made[2:]]


def domain(node: NodeFacts, axis: str) -> str | None:
    return node.labels.get(axis) if axis == "room" else node.zones[axis]


def outcome(
    nodes: Sequence[NodeFacts], asked: Sequence[ScheduleRule], count: int, named: str | None
) -> tuple[int, ...]:
    """What the service costs; ``named`` is the value of the rule without one."""
    gathers = next(rule for rule in asked if rule.mode is RuleMode.AFFINITY and rule.value is None)
    used = [rule.model_copy(update={"value": named}) if rule is gathers else rule for rule in asked]
    policy = SchedulePolicy(rules=tuple(used))
    answers = place(Snapshot(nodes), [Request(f"a-{at}", "a", at, ONE, "", policy) for at in range(count)])
    by_name = {node.name: node for node in nodes}
    placed = [by_name[answer.node] for answer in answers if isinstance(answer, Placed)]
    costs = [count - len(placed)]
    for rule in used:
        here = Counter(domain(node, rule.axis) for node in placed)
        if rule.hard:
            continue
        if rule.mode is RuleMode.ANTI_AFFINITY:
            costs += [here.pop(None, 0), sum(each * (each - 1) // 2 for each in here.values())]
        elif rule.value is not None:
            costs.append(len(placed) - here[rule.value])
        else:
            here.pop(None, 0)
            costs.append(len(placed) - max(here.values(), default=0))
    return tuple(costs)


@pytest.mark.design("J3", "J4", "J5", "J8")
@settings(max_examples=300, derandomize=True)
@given(sites(), rules(), st.integers(1, 6))
def test_no_domain_serves_the_rules_better(nodes: list[NodeFacts], asked: list[ScheduleRule], count: int) -> None:
    """Where a domain takes the whole service: of what is left over elsewhere, a bound is compared."""
    chosen = outcome(nodes, asked, count, None)
    axis = next(rule.axis for rule in asked if rule.mode is RuleMode.AFFINITY and rule.value is None)
    for named in sorted({own for node in nodes if (own := domain(node, axis)) is not None}):
        if sum(int(node.total.vcpus) for node in nodes if domain(node, axis) == named) < count:
            continue
        other = outcome(nodes, asked, count, named)
        assert chosen <= other, (named, chosen, other)
