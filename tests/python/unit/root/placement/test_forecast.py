"""Asking clusters about a whole plan: J9's order, services that see each other, clusters that are away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from controller.cluster.forecast.forecaster import Forecaster, ServiceRequest
from controller.errors import Unavailable
from controller.model.cluster import Cluster
from controller.model.compute import Compute
from controller.model.node import Capacity
from controller.root.placement import forecast
from controller.root.placement.forecast import PendingForecast
from controller.schedule import NodeFacts, Snapshot
from controller.wire import cluster_pb2
from tests.python.unit.cluster.forecast.test_forecaster import service_request


def cluster(name: str) -> Cluster:
    return Cluster.model_validate({"name": name, "spec": {"region": "kanto", "datacenter": "tokyo"}})


def pending(service: str, replicas: int, *clusters: str, vcpus: int = 1, bound: bool = False) -> PendingForecast:
    made = service_request(service, replicas, vcpus=vcpus, rules=[])
    request = cluster_pb2.ServiceRequest(
        compute=made.compute.model_dump_json().encode(), replicas=replicas, bound=bound
    )
    return PendingForecast([cluster(name) for name in clusters], [request] * len(clusters))


class Clusters:
    """Clusters of one node each, with so many vcpus."""

    def __init__(self, **vcpus: int | None) -> None:
        self._vcpus = vcpus
        self.asked: list[tuple[str, int]] = []

    async def ask(self, named: Cluster, requests: Sequence[cluster_pb2.ServiceRequest]) -> list[bytes]:
        self.asked.append((named.name, len(requests)))
        size = self._vcpus[named.name]
        if size is None:
            raise Unavailable("it is away")
        total = Capacity(vcpus=size, memory_mib=1 << 20, disk_gib=1 << 10)
        facts = NodeFacts(name=f"{named.name}-node", total=total, providers=frozenset({"memory"}))
        there = Forecaster(Snapshot([facts]), {})
        computes = [Compute.model_validate_json(each.compute) for each in requests]
        made = [ServiceRequest(one, each.replicas, each.bound) for one, each in zip(computes, requests, strict=True)]
        return [json.dumps(there.of(each).render()).encode() for each in made]


@pytest.mark.design("J9")
async def test_the_first_cluster_that_accepts_is_told_with_those_that_would_not() -> None:
    clusters = Clusters(a=2, b=8)
    (found,) = await forecast.ask([pending("web", 4, "a", "b")], clusters.ask)
    assert found.cluster == "b"
    assert dict(found.placements) == {f"web-{index}": "b-node" for index in range(4)}
    assert found.refused_by == {"a": "2 of 4: 1 node: 1 too few vcpus"}
    assert found.render()["refused_by"] == {"a": "2 of 4: 1 node: 1 too few vcpus"}


@pytest.mark.design("J9", "J10")
async def test_services_of_one_plan_see_each_other_in_every_round() -> None:
    """a has room for one of 4 vcpus: the second goes to b, where the third, which b is first for, stands before."""
    clusters = Clusters(a=4, b=8)
    asked = [pending("one", 4, "a", "b"), pending("two", 4, "a", "b"), pending("three", 5, "b")]
    one, two, three = await forecast.ask(asked, clusters.ask)
    assert [one.cluster, two.cluster, three.cluster] == ["a", "", "b"]
    assert two.refused_by == {"a": "1 node: 1 too few vcpus", "b": "1 of 4: 1 node: 1 too few vcpus"}
    assert two.reasons == {"too few vcpus": 1}
    assert clusters.asked == [("a", 2), ("b", 1), ("b", 2)]


async def test_a_cluster_that_is_away_makes_its_own_forecasts_unknown_only() -> None:
    asked = [pending("one", 1, "gone", "b"), pending("two", 1, "b")]
    one, two = await forecast.ask(asked, Clusters(gone=None, b=8).ask)
    assert one.render() == {"unknown": "cluster gone: it is away"}
    assert two.cluster == "b"


async def test_an_error_that_names_its_cluster_names_it_once() -> None:
    async def ask(named: Cluster, requests: Sequence[cluster_pb2.ServiceRequest]) -> list[bytes]:
        raise Unavailable(f"cluster {named.name}: no way to it")

    (found,) = await forecast.ask([pending("one", 1, "gone")], ask)
    assert found.render() == {"unknown": "cluster gone: no way to it"}


async def test_a_bound_service_is_told_what_does_not_fit() -> None:
    (found,) = await forecast.ask([pending("web", 4, "a", bound=True)], Clusters(a=3).ask)
    assert (found.cluster, len(found.placements)) == ("a", 3)
    rendered: dict[str, Any] = found.render()
    assert rendered["refused"] == {"1 node: 1 too few vcpus": 1}
