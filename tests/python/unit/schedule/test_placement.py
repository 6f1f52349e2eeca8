"""Placement: filters, rules, spread, best fit and the words of a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.node import Capacity
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import NodeFacts, Placed, Refused, Request, Snapshot, place

SMALL = Capacity(vcpus=1, memory_mib=256, disk_gib=1)
ROOMY = Capacity(vcpus=16, memory_mib=65536, disk_gib=900)


def node(name: str, *, rack: str = "r1", power: str = "A", total: Capacity = ROOMY, **facts: Any) -> NodeFacts:
    zones = {"datacenter": "tokyo", "power": power, "rack": rack, "network": "leaf", "node": name}
    return NodeFacts(name, total, zones=zones, providers=frozenset({"libvirt"}), **facts)


def grid(racks: int, nodes: int, powers: int = 1, total: Capacity = ROOMY) -> list[NodeFacts]:
    return [
        node(f"r{rack}-n{number}", rack=f"r{rack}", power=f"p{rack % powers}", total=total)
        for rack in range(racks)
        for number in range(nodes)
    ]


def requests(count: int, *, need: Capacity = SMALL, service: str = "web", **policy: Any) -> list[Request]:
    made = SchedulePolicy.model_validate(policy)
    return [Request(f"{service}-{index}", service, index, need, "libvirt", made) for index in range(count)]


def nodes_of(answers: Sequence[Placed | Refused]) -> list[str]:
    assert all(isinstance(answer, Placed) for answer in answers), answers
    return [answer.node for answer in answers if isinstance(answer, Placed)]


def rule(axis: str, mode: str = "AntiAffinity", *, hard: bool = True, value: str | None = None) -> dict[str, Any]:
    return {"axis": axis, "mode": mode, "hard": hard, "value": value}


def only_refusal(answers: Sequence[Placed | Refused]) -> Refused:
    (refused,) = [answer for answer in answers if isinstance(answer, Refused)]
    return refused


@pytest.mark.design("J11", "K3")
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 12])
def test_every_prefix_of_the_index_order_is_balanced_over_power_rack_and_node(count: int) -> None:
    chosen = nodes_of(place(Snapshot(grid(racks=4, nodes=3, powers=2)), requests(count)))
    for length in range(1, count + 1):
        prefix = chosen[:length]
        for domain_of, domains in ((_power, 2), (_rack, 4), (str, 12)):
            counts = Counter(domain_of(name) for name in prefix)
            fewest = min(counts.values()) if len(counts) == domains else 0
            assert max(counts.values()) - fewest <= 1, (prefix, counts)


def _rack(name: str) -> str:
    return name.split("-")[0]


def _power(name: str) -> str:
    return f"p{int(_rack(name)[1:]) % 2}"


@pytest.mark.design("J4", "J8")
def test_hard_anti_affinity_takes_each_rack_once_then_refuses() -> None:
    answers = place(Snapshot(grid(racks=3, nodes=2)), requests(4, rules=[rule("rack")]))
    assert len({_rack(name) for name in nodes_of(answers[:3])}) == 3
    assert only_refusal(answers).message == "6 nodes: 6 rack already used"


@pytest.mark.design("J8")
def test_hard_anti_affinity_counts_what_already_stands() -> None:
    snapshot = Snapshot(grid(racks=2, nodes=1), standing=[("web", "r0-n0")])
    assert nodes_of(place(snapshot, requests(1, rules=[rule("rack")]))) == ["r1-n0"]


@pytest.mark.design("J8")
def test_another_services_resources_do_not_count() -> None:
    snapshot = Snapshot(grid(racks=1, nodes=1), standing=[("other", "r0-n0")])
    assert nodes_of(place(snapshot, requests(1, rules=[rule("rack")]))) == ["r0-n0"]


@pytest.mark.design("J3", "J4")
def test_hard_affinity_to_a_named_rack() -> None:
    answers = place(Snapshot(grid(racks=3, nodes=2)), requests(4, rules=[rule("rack", "Affinity", value="r2")]))
    assert {_rack(name) for name in nodes_of(answers)} == {"r2"}


@pytest.mark.design("J4")
def test_hard_affinity_to_an_unknown_rack_says_so() -> None:
    refused = only_refusal(place(Snapshot(grid(1, 2)), requests(1, rules=[rule("rack", "Affinity", value="r9")])))
    assert refused.message == "2 nodes: 2 not in rack r9"


@pytest.mark.design("J3", "J8")
def test_hard_affinity_chooses_a_domain_that_takes_the_whole_group() -> None:
    tight = Capacity(vcpus=1, memory_mib=4096, disk_gib=90)
    nodes = [
        *grid(racks=1, nodes=2, total=tight),
        node("r7-n0", rack="r7", total=tight.model_copy(update={"vcpus": 3})),
    ]
    answers = place(Snapshot(nodes), requests(3, rules=[rule("rack", "Affinity")]))
    assert nodes_of(answers) == ["r7-n0"] * 3


@pytest.mark.design("J8")
def test_hard_affinity_keeps_to_the_domain_in_use() -> None:
    snapshot = Snapshot(grid(racks=3, nodes=1), standing=[("web", "r1-n0")])
    assert set(nodes_of(place(snapshot, requests(3, rules=[rule("rack", "Affinity")])))) == {"r1-n0"}


@pytest.mark.design("J8")
def test_hard_affinity_of_rack_with_hard_spread_over_nodes() -> None:
    nodes = [*grid(racks=1, nodes=2), *(node(f"r5-n{number}", rack="r5") for number in range(3))]
    chosen = nodes_of(place(Snapshot(nodes), requests(3, rules=[rule("rack", "Affinity"), rule("node")])))
    assert sorted(chosen) == ["r5-n0", "r5-n1", "r5-n2"]


@pytest.mark.design("J8")
def test_soft_affinity_gathers_and_overflows() -> None:
    tight = Capacity(vcpus=2, memory_mib=4096, disk_gib=90)
    chosen = nodes_of(
        place(Snapshot(grid(racks=2, nodes=1, total=tight)), requests(3, rules=[rule("rack", "Affinity", hard=False)]))
    )
    assert [_rack(name) for name in chosen] == ["r0", "r0", "r1"]


@pytest.mark.design("J8")
def test_soft_affinity_to_a_named_domain_prefers_it() -> None:
    tight = Capacity(vcpus=1, memory_mib=4096, disk_gib=90)
    wanted = [rule("rack", "Affinity", hard=False, value="r1")]
    chosen = nodes_of(place(Snapshot(grid(racks=3, nodes=1, total=tight)), requests(2, rules=wanted)))
    assert chosen[0] == "r1-n0"
    assert chosen[1] != "r1-n0"


@pytest.mark.design("J8")
def test_rules_over_labels_and_nodes_without_the_label() -> None:
    nodes = [node("a", labels={"room": "1"}), node("b", labels={"room": "2"}), node("c")]
    soft = place(Snapshot(nodes), requests(4, NodeLabelSoftUntiAffinities=["room"]))
    assert sorted(nodes_of(soft)[:2]) == ["a", "b"]
    hard = place(Snapshot(nodes), requests(3, node_label_hard_anti_affinities=["room"]))
    assert only_refusal(hard).message == "3 nodes: 2 room already used, 1 without room"


@pytest.mark.design("J8")
def test_filters_by_name_label_and_provider() -> None:
    nodes = [node("a", labels={"disk": "ssd"}), node("b", labels={"disk": "ssd"}), node("c")]
    answers = place(Snapshot(nodes), requests(1, node_filters=["b", "c"], node_label_filters={"disk": "ssd"}))
    assert nodes_of(answers) == ["b"]
    other = [Request("x", "x", 0, SMALL, "docker")]
    assert only_refusal(place(Snapshot(nodes), other)).message == "3 nodes: 3 without provider docker"


@pytest.mark.design("J8", "J10")
def test_a_refusal_counts_each_node_once_under_its_first_reason() -> None:
    poor = Capacity(vcpus=8, memory_mib=128, disk_gib=90)
    nodes = [
        node("a", total=poor),
        node("b", total=poor),
        node("c", schedulable=False),
        node("d", rack="r4"),
        node("e", state="Down"),
        node("f", state="Unknown"),
        node("g", draining=True, schedulable=False),
    ]
    snapshot = Snapshot(nodes, standing=[("web", "d")])
    refused = only_refusal(place(snapshot, requests(1, rules=[rule("rack")])))
    assert refused.message == (
        "7 nodes: 2 too little memory, 1 cordoned, 1 down, 1 draining, 1 not seen up, 1 rack already used"
    )
    assert only_refusal(place(Snapshot([]), requests(1))).message == "the cluster has no nodes"


@pytest.mark.design("J10")
def test_one_that_fits_nowhere_holds_up_nobody() -> None:
    huge = Request("web-1", "web", 1, Capacity(vcpus=999, memory_mib=1, disk_gib=1), "libvirt")
    first, last = requests(1)[0], Request("web-2", "web", 2, SMALL, "libvirt")
    answers = place(Snapshot(grid(1, 1)), [last, huge, first])
    assert [type(answer) for answer in answers] == [Placed, Refused, Placed]


@pytest.mark.design("J10")
def test_best_fit_inside_a_domain_takes_the_fullest_node_that_fits() -> None:
    half = Capacity(vcpus=8, memory_mib=32768, disk_gib=450)
    nodes = [node("a"), node("b", taken=half), node("c", total=Capacity(vcpus=0, memory_mib=1, disk_gib=1))]
    assert nodes_of(place(Snapshot(nodes), requests(1))) == ["b"]


@pytest.mark.design("J10")
def test_avoided_nodes_are_not_taken() -> None:
    request = Request("web-0", "web", 0, SMALL, "libvirt", avoid=frozenset({"r0-n0"}))
    assert nodes_of(place(Snapshot(grid(1, 2)), [request])) == ["r0-n1"]


@pytest.mark.design("J10")
def test_a_thousand_onto_a_hundred_nodes_scans_the_groups_about_once_for_each() -> None:
    snapshot = Snapshot(grid(racks=10, nodes=10, powers=2))
    chosen = nodes_of(place(snapshot, requests(1000, rules=[rule("power", hard=False), rule("rack", hard=False)])))
    assert snapshot.work.nodes_counted == 100
    assert snapshot.work.group_scans <= 1100  # one each, and one for each group when its nodes have one more
    assert set(Counter(chosen).values()) == {10}


_policies = st.lists(
    st.builds(
        rule,
        st.sampled_from(["power", "rack", "node", "room"]),
        st.sampled_from(["Affinity", "AntiAffinity"]),
        hard=st.booleans(),
    ),
    max_size=3,
)
_nodes = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 5), st.sampled_from(["", "x", "y"]), st.booleans()),
    min_size=1,
    max_size=8,
)


@pytest.mark.design("I1", "J8", "J10")
@given(_nodes, _policies, st.integers(1, 8), st.integers(1, 3))
def test_never_overcommits_never_breaks_a_hard_rule_and_refuses_only_when_it_must(
    shapes: list[tuple[int, int, int, str, bool]], rules: list[dict[str, Any]], count: int, vcpus: int
) -> None:
    nodes = [
        node(
            f"n{number}",
            rack=f"r{rack}",
            power=f"p{power}",
            total=Capacity(vcpus=cpus, memory_mib=10_000, disk_gib=100),
            labels={"room": room} if room else {},
            schedulable=schedulable,
        )
        for number, (rack, power, cpus, room, schedulable) in enumerate(shapes)
    ]
    by_name = {made.name: made for made in nodes}
    need = Capacity(vcpus=vcpus, memory_mib=256, disk_gib=1)
    answers = place(Snapshot(nodes), requests(count, need=need, rules=rules))
    chosen: list[str] = []
    hard = [each for each in rules if each["hard"]]
    for answer in answers:
        possible = [made.name for made in nodes if _allowed(made, chosen, by_name, hard, need)]
        if isinstance(answer, Placed):
            assert answer.node in possible
            chosen.append(answer.node)
        else:
            assert sum(answer.reasons.values()) == len(nodes)
            assert "not taken" not in answer.reasons
            if not any(each["mode"] == "Affinity" for each in hard) or chosen:
                assert not possible


def _allowed(
    made: NodeFacts, chosen: list[str], by_name: dict[str, NodeFacts], hard: list[dict[str, Any]], need: Capacity
) -> bool:
    if not made.schedulable or made.total.vcpus - need.vcpus * chosen.count(made.name) < need.vcpus:
        return False
    for each in hard:
        own = _domain(made, each["axis"])
        others = {_domain(by_name[name], each["axis"]) for name in chosen}
        if own is None or (own in others if each["mode"] == "AntiAffinity" else bool(others - {own})):
            return False
    return True


def _domain(made: NodeFacts, axis: str) -> str | None:
    return made.labels.get(axis) if axis == "room" else made.zones[axis]
