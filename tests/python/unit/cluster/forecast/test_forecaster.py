"""Forecasts on a snapshot that is never stored: drawn, and the same again from a saved snapshot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.cluster.forecast import replay
from controller.cluster.forecast.forecaster import Forecast, Forecaster, ServiceRequest
from controller.errors import InvalidInput
from controller.model.compute import Compute
from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.schedule import NodeFacts, Present, Snapshot, dump

SMALL = Capacity(vcpus=1, memory_mib=256, disk_gib=1)
SPREAD = [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity", "hard": True}]


def nodes(*, vcpus: int = 4, **fields: Any) -> list[NodeFacts]:
    """
    power A: [n1] r1, [n2] r2        power B: [n3] r3, [n4] r4
    """
    return [
        NodeFacts(
            name=f"n{number}",
            total=Capacity(vcpus=vcpus, memory_mib=4096, disk_gib=40),
            zones={"power": power, "rack": f"r{number}"},
            providers=frozenset({"memory"}),
            **fields,
        )
        for number, power in enumerate("AABB", start=1)
    ]


def service_request(
    service: str, replicas: int, *, vcpus: int = 1, rules: Any = SPREAD, bound: bool = False
) -> ServiceRequest:
    spec = {
        "service": service,
        "index": 0,
        "host_name": service,
        "cluster": "tokyo1",
        "provider": "memory",
        "sizes": {"vcpus": vcpus, "memory_mib": 256, "disk_gib": 1},
        "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
        "schedule_policy": {"rules": rules},
    }
    made = Compute.model_validate({"name": f"{service}-0", "region": "kanto", "spec": spec})
    return ServiceRequest(made, replicas, bound)


def forecaster(facts: list[NodeFacts], **standing: list[tuple[int, str]]) -> Forecaster:
    """``web=[(0, "n1")]``: web-0 stands on n1, and takes SMALL of it."""
    present = {
        f"default/kanto/{service}": [
            Present(index, node, SMALL, MachineShare.PART, Share(size=SMALL)) for index, node in those
        ]
        for service, those in standing.items()
    }
    snapshot = Snapshot(facts, [(service, each.node) for service, those in present.items() for each in those])
    for those in present.values():
        for each in those:
            snapshot.take(each.node, each.share)
    return Forecaster(snapshot, present)


@pytest.mark.design("J3", "J4", "J8", "J10")
def test_1_a_new_service_is_shown_where_and_why_and_what_it_takes() -> None:
    found = forecaster(nodes()).of(service_request("web", 3))
    assert found.accepted
    assert found.placements == {"web-0": "n1", "web-1": "n3", "web-2": "n2"}
    assert found.why["web-2"][:2] == [
        {"rule": "rack AntiAffinity hard", "domain": "r2", "already_there": 0, "fewest": 0, "most": 0},
        {"rule": "power AntiAffinity soft", "domain": "A", "already_there": 1, "fewest": 1, "most": 1},
    ]
    assert found.capacity["vcpus"] == {"total": 16, "before": 16, "after": 13}
    assert found.capacity["memory_mib"] == {"total": 16384, "before": 16384, "after": 16384 - 3 * 256}
    assert "disk_iops" not in found.capacity


@pytest.mark.design("J8")
def test_2_a_new_service_that_does_not_fit_takes_nothing_and_says_why() -> None:
    asked = forecaster(nodes())
    found = asked.of(service_request("web", 5))
    assert not found.accepted
    assert found.refused == {"4 nodes: 4 rack already used": 1}
    assert found.reasons == {"rack already used": 4}
    assert found.placements == {}
    assert found.capacity["vcpus"]["before"] == found.capacity["vcpus"]["after"] == 16
    assert asked.of(service_request("web", 4)).accepted


@pytest.mark.design("J10", "I1")
def test_3_services_of_one_file_see_each_other() -> None:
    asked = forecaster(nodes(vcpus=2))
    big = asked.of(service_request("big", 3, vcpus=2, rules=SPREAD[:1]))
    assert sorted(big.placements.values()) == ["n1", "n2", "n3"]
    small = asked.of(service_request("small", 2, rules=SPREAD[:1]))
    assert set(small.placements.values()) == {"n4"}
    assert (small.capacity["vcpus"]["before"], small.capacity["vcpus"]["after"]) == (2, 0)
    assert not asked.of(service_request("late", 1)).accepted


@pytest.mark.design("K3", "J10")
def test_4_a_scale_up_keeps_what_runs_and_fills_the_lowest_free_index() -> None:
    found = forecaster(nodes(), web=[(0, "n1"), (2, "n3")]).of(service_request("web", 3))
    assert list(found.placements) == ["web-1"]
    assert found.placements["web-1"] in ("n2", "n4")
    assert found.resized == found.leaving == {}


@pytest.mark.design("K3")
def test_5_a_scale_down_gives_the_tail_back() -> None:
    found = forecaster(nodes(), web=[(0, "n1"), (1, "n3"), (4, "n2")]).of(service_request("web", 2))
    assert found.leaving == {"web-4": "n2"}
    assert (found.capacity["vcpus"]["before"], found.capacity["vcpus"]["after"]) == (13, 14)


@pytest.mark.design("I1", "D1")
def test_6_a_resize_stays_on_its_node_or_says_what_is_short() -> None:
    found = forecaster(nodes(vcpus=2), web=[(0, "n1"), (1, "n3")], other=[(0, "n3")]).of(
        service_request("web", 2, vcpus=2)
    )
    assert found.resized == {"web-0": "n1"}
    assert found.no_room == {"web-1": "no room on n3: vcpus 1 of 2"}
    assert not found.accepted
    assert (found.capacity["vcpus"]["before"], found.capacity["vcpus"]["after"]) == (5, 4)


@pytest.mark.design("J9")
def test_7_a_service_that_is_bound_takes_what_it_can_get() -> None:
    found = forecaster(nodes(), web=[(0, "n1"), (1, "n3")]).of(service_request("web", 6, bound=True))
    assert sorted(found.placements.values()) == ["n2", "n4"]
    assert found.refused == {"4 nodes: 4 rack already used": 2}


@pytest.mark.design("J3", "J5")
def test_8_a_node_without_the_axis_is_not_taken_by_a_hard_rule_and_is_counted() -> None:
    facts = [
        NodeFacts(name="bare", total=Capacity(vcpus=4, memory_mib=4096, disk_gib=40), providers=frozenset({"memory"}))
    ]
    hard = [{"axis": "power", "mode": "AntiAffinity", "hard": True}]
    assert forecaster(facts).of(service_request("web", 1, rules=hard)).reasons == {"without power": 1}
    assert forecaster(facts).of(service_request("web", 1, rules=SPREAD[:1])).placements == {"web-0": "bare"}


def test_9_a_cluster_without_nodes_says_so() -> None:
    found = forecaster([]).of(service_request("web", 2))
    assert found.refused == {"the cluster has no nodes": 2}
    assert found.reasons == {"no nodes": 1}


@pytest.mark.design("J10")
def test_10_a_saved_snapshot_answers_the_same() -> None:
    facts = nodes(vcpus=3)
    taken = [NodeFacts(**{**vars(node), "taken": SMALL}) if node.name in ("n1", "n3") else node for node in facts]
    present = {
        "default/kanto/web": [
            Present(0, "n1", SMALL, MachineShare.PART, Share(size=SMALL)),
            Present(1, "n3", SMALL, MachineShare.PART, Share(size=SMALL, cells={0: SMALL}, cpus=(3, 4))),
        ]
    }
    standing = [("default/kanto/web", "n1"), ("default/kanto/web", "n3")]
    text = json.dumps(dump(Snapshot(taken, standing), present=present))
    requests = [
        service_request("web", 3, vcpus=2, bound=True),
        service_request("new", 2),
        service_request("web", 1),
        service_request("huge", 1, vcpus=9),
    ]
    live, again = Forecaster(Snapshot(taken, standing), present), replay.forecaster(json.loads(text))
    told = [live.of(each).render() for each in requests]
    assert [again.of(each).render() for each in requests] == told
    assert [each["accepted"] for each in told] == [True, True, True, False]


@pytest.mark.design("J10")
def test_13_a_saved_snapshot_is_parsed_once() -> None:
    """Nodes that can be read through once only."""
    saved = dump(Snapshot(nodes(), [("default/kanto/db", "n1")]))
    saved["nodes"] = (each for each in saved["nodes"])
    assert replay.forecaster(saved).of(service_request("web", 1)).accepted


@pytest.mark.parametrize(
    "broken", [{}, {"version": 2}, {"version": 1}, {"version": 1, "nodes": [{"name": "n1"}], "services": {}}]
)
def test_11_what_is_no_snapshot_is_one_clear_error(broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as error:
        replay.forecaster(broken)
    assert len(error.value.problems) == 1


def test_12_a_forecast_survives_its_json_form() -> None:
    found = forecaster(nodes()).of(service_request("web", 3))
    assert Forecast.parse(json.loads(json.dumps(found.render()))) == found
