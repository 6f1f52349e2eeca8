"""Which hard rules are broken, in words: per rule and filter, and silence about what was not reported."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster.moves.spread import Spread, Topology
from controller.model.hard_rules import Place, broken, label_axes
from controller.model.schedule_policy import SchedulePolicy
from tests.python.integration.cluster.site import node
from tests.python.unit.cluster.cells import apart, together

pytestmark = pytest.mark.design("J5", "J11")


def policy(*rules: dict[str, Any], **fields: Any) -> SchedulePolicy:
    return SchedulePolicy.model_validate({"rules": rules, **fields})


def on(*racks: str, **labels: str) -> list[Place]:
    """Places on nodes ``n0``, ``n1``, ... in these racks, all with the labels."""
    return [Place(f"n{at}", {"rack": rack} if rack else {}, labels) for at, rack in enumerate(racks)]


@pytest.mark.parametrize(
    ("asked", "places", "told"),
    [
        (policy(apart("rack")), on("r1", "r2"), ()),
        (policy(apart("rack")), on("r1", "r1", "r2"), ("rack AntiAffinity (hard) is violated: 2 on rack r1",)),
        (policy(apart("rack", hard=False)), on("r1", "r1"), ()),
        (policy(apart("rack")), on("r1", ""), ("rack AntiAffinity (hard) is violated: 1 on nodes without rack",)),
        (policy(together("rack")), on("r1", "r1"), ()),
        (
            policy(together("rack")),
            on("r1", "r1", "r2"),
            ("rack Affinity (hard) is violated: 2 on rack r1, 1 on rack r2",),
        ),
        (
            policy({**together("rack"), "value": "r1"}),
            on("r1", "r2"),
            ("rack Affinity to r1 (hard) is violated: 1 on rack r2",),
        ),
        (
            policy(apart("rack")),
            on(*"aabbccddee"),
            ("rack AntiAffinity (hard) is violated: 2 on rack a, 2 on rack b, 2 on rack c and 2 more",),
        ),
        (policy(node_filters=["n0"]), on("r1", "r1"), ("node_filters is violated: 1 on node n1",)),
        (
            policy(node_label_filters={"disk": "ssd"}),
            on("r1", disk="hdd"),
            ("node_label_filters disk=ssd is violated: 1 on disk hdd",),
        ),
        (
            policy(node_label_filters={"rack": "gold"}),
            on("gold"),
            ("node_label_filters rack=gold is violated: 1 on nodes without rack",),
        ),
        (
            policy(node_label_hard_anti_affinities=["room"]),
            on("r1", "r2", room="east"),
            ("room AntiAffinity (hard) is violated: 2 on room east",),
        ),
    ],
)
def test_each_broken_rule_is_told_with_where_it_is_broken(
    asked: SchedulePolicy, places: list[Place], told: tuple[str, ...]
) -> None:
    assert broken(asked, places) == told


def test_what_one_of_them_did_not_report_is_not_judged() -> None:
    asked = policy(apart("rack"), node_label_filters={"disk": "ssd"}, node_filters=["n0"])
    assert broken(asked, [*on("r1", "r1"), Place(None, None, None)]) == ()


def test_the_labels_that_must_be_reported_are_those_of_hard_rules_and_filters() -> None:
    asked = policy(apart("rack"), apart("room"), apart("hall", hard=False), node_label_filters={"disk": "ssd"})
    assert label_axes(asked) == ["room", "disk"]


RULES = st.lists(
    st.builds(
        lambda axis, mode, hard: {"axis": axis, "mode": mode, "hard": hard},
        st.sampled_from(["rack", "node", "room"]),
        st.sampled_from(["Affinity", "AntiAffinity"]),
        st.booleans(),
    ),
    max_size=3,
)


@given(
    RULES,
    st.sampled_from([{}, {"node_filters": ["a1", "b1"]}, {"node_label_filters": {"room": "east"}}]),
    st.lists(st.sampled_from(["a1", "a2", "b1", "b2"]), max_size=5),
)
def test_a_rule_is_told_exactly_when_a_rebalance_counts_one_as_broken(
    rules: list[dict[str, Any]], filters: dict[str, Any], places: list[str]
) -> None:
    rooms = {"a1": {"room": "east"}, "a2": {"room": "west"}, "b1": {}, "b2": {"room": "east"}}
    nodes = {name: node(name, name[0]).model_copy(update={"labels": rooms[name]}) for name in rooms}
    asked = policy(*rules, **filters)
    found = [Place(name, nodes[name].facts.zones, nodes[name].labels) for name in places]
    assert bool(broken(asked, found)) == bool(Spread(asked, Topology(nodes)).violations(places))
