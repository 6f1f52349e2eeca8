"""Drains of several nodes or a rack, their end, and rebalancing, as requests and as plans (F3, J4, M3)."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.compute import COMPUTE
from controller.root.api.app import create_app
from controller.root.api.settings import ApiSettings
from controller.store import resources
from controller.store.changes import Feed
from controller.store.database import Database
from tests.python.integration.root.api.clusters import ClustersAway, FakeClusters
from tests.python.integration.root.api.conftest import Api
from tests.python.integration.root.api.test_services import WEB, made_by_the_controller

CLUSTER = "/v1/clusters/tokyo1"
MOVE = {"resource": "default/kanto/web-1", "from": "server1", "to": "server2", "why": "rack r1 has 3, r2 has 1"}
PLAN: dict[str, Any] = {"moves": [MOVE], "blocked": [], "message": ""}


@pytest.fixture
async def rack(site: Api) -> Api:
    """::

    rack-1: server1 server2    elsewhere: server3
    """
    machines: list[dict[str, Any]] = [
        {"kind": "PhysicalModel", "name": "box", "spec": {"role": "Server", "height_units": 1}},
        *(
            {
                "kind": "PhysicalResource",
                "name": f"machine{number}",
                "datacenter": "tokyo",
                "spec": {"model": "box", "role": "Server", "rack": "rack-1"},
            }
            for number in (1, 2)
        ),
    ]
    nodes = [
        {"kind": "Node", "name": f"server{number}", "cluster": "tokyo1", "spec": spec}
        for number, spec in enumerate(
            ({"physical_resource": "machine1"}, {"physical_resource": "machine2"}, {"providers": ["libvirt"]}), 1
        )
    ]
    answer = await site.apply(*machines, *nodes)
    assert answer.status_code == 200, answer.text
    return site


@pytest.fixture
async def placed(service: Api, db: Database) -> Api:
    """Service web on cluster tokyo1, three Computes on server1."""
    made_by_the_controller(db)
    return service


async def asked(api: Api) -> dict[str, tuple[bool, bool]]:
    """Node to (schedulable, drain)."""
    rows = (await api.get(f"{CLUSTER}/nodes")).json()["items"]
    return {row["name"]: (row["spec"]["schedulable"], row["spec"]["drain"]) for row in rows}


@pytest.mark.design("F3", "M3", "J4")
async def test_a_rack_is_drained_in_one_transaction_and_a_cancel_restores_what_was_before(rack: Api) -> None:
    await rack.post(f"{CLUSTER}/nodes/server2/cordon")
    drained = await rack.post(f"{CLUSTER}/drain", json={"rack": "rack-1"})
    assert drained.status_code == 202
    assert [(one["key"], one["action"]) for one in drained.json()["results"]] == [
        ("tokyo1/server1", "update"),
        ("tokyo1/server2", "update"),
    ]
    assert await asked(rack) == {"server1": (False, True), "server2": (False, True), "server3": (True, False)}
    assert (await rack.post(f"{CLUSTER}/drain", json={"rack": "rack-1"})).status_code == 200, "it is so already"
    cancelled = await rack.post(f"{CLUSTER}/cancel-drain", json={"rack": "rack-1"})
    assert cancelled.status_code == 202
    assert await asked(rack) == {"server1": (True, False), "server2": (False, False), "server3": (True, False)}
    await rack.post(f"{CLUSTER}/nodes/server2/uncordon")
    assert (await asked(rack))["server2"] == (True, False)


@pytest.mark.design("F3")
async def test_a_node_cordoned_in_the_middle_of_its_drain_stays_cordoned_after_it(rack: Api) -> None:
    node = f"{CLUSTER}/nodes/server1"
    await rack.post(f"{node}/drain")
    await rack.post(f"{node}/cordon")
    assert (await rack.post(f"{node}/cancel-drain")).json()["spec"]["schedulable"] is False
    assert (await rack.post(f"{node}/cancel-drain")).status_code == 200


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({}, "nodes", "name at least one node, or a rack"),
        ({"nodes": ["server1", "nobody"]}, "nodes[1]", "cluster tokyo1 has no node nobody"),
        ({"rack": "rack-9"}, "rack", "no node of cluster tokyo1 is in rack rack-9"),
        ({"nodes": "server1"}, "nodes", "valid list"),
    ],
)
@pytest.mark.parametrize("params", [{}, {"dry_run": "true"}])
async def test_nodes_that_are_not_there_are_named_and_nothing_is_drained(
    rack: Api, body: dict[str, Any], path: str, message: str, params: dict[str, str]
) -> None:
    refused = await rack.post(f"{CLUSTER}/drain", json=body, params=params)
    assert refused.status_code == 422
    (problem,) = refused.json()["errors"]
    assert problem["path"] == path
    assert message in problem["message"]
    assert (await asked(rack))["server1"] == (True, False)


@pytest.mark.design("F3", "M3")
async def test_a_dry_run_asks_the_cluster_and_changes_nothing(rack: Api, clusters: FakeClusters) -> None:
    clusters.moves = PLAN
    for path, body in ((f"{CLUSTER}/drain", {"rack": "rack-1"}), (f"{CLUSTER}/nodes/server1/drain", {})):
        answer = await rack.post(path, json=body, params={"dry_run": "true"})
        assert (answer.status_code, answer.json()) == (200, PLAN)
    assert clusters.questions == [
        ("tokyo1", {"drain": {"nodes": ["server1", "server2"]}}),
        ("tokyo1", {"drain": {"nodes": ["server1"]}}),
    ]
    assert (await asked(rack))["server1"] == (True, False)
    missing = await rack.post(f"{CLUSTER}/nodes/nobody/drain", params={"dry_run": "true"})
    assert missing.status_code == 404


async def test_a_plan_that_only_the_cluster_knows_is_unavailable_without_it(
    placed: Api, db: Database, clock: Any
) -> None:
    away = create_app(db, Feed(db, clock), clock, ApiSettings(), ClustersAway())
    async with Api(away, placed.headers["authorization"].removeprefix("Bearer ")) as client:
        node = f"{CLUSTER}/nodes/server1"
        assert (await client.post(f"{node}/drain", params={"dry_run": "true"})).status_code == 503
        assert (await client.post(f"{node}/drain")).status_code == 202, "the drain itself needs no cluster"
        assert (await client.post(f"{WEB}/rebalance")).status_code == 503


@pytest.mark.design("J4", "J11")
async def test_the_moves_of_a_rebalance_become_wishes_with_their_turns(
    placed: Api, clusters: FakeClusters, db: Database
) -> None:
    clusters.moves = {**PLAN, "moves": [MOVE, {**MOVE, "resource": "default/kanto/web-0"}]}
    planned = await placed.post(f"{WEB}/rebalance", json={"max_moves": 5}, params={"dry_run": "true"})
    assert (planned.status_code, planned.json()) == (200, clusters.moves)
    assert clusters.questions[-1][1] == {"rebalance": {"service": "default/kanto/web", "max_moves": 5}}
    assert (await placed.get("/v1/regions/kanto/computes/web-1")).json()["spec"]["migrations"] == 0

    assert (await placed.post(f"{WEB}/rebalance", json={"at_once": 2})).status_code == 202
    for name, order in (("web-1", 0), ("web-0", 1)):
        spec = (await placed.get(f"/v1/regions/kanto/computes/{name}")).json()["spec"]
        assert (spec["migrations"], spec["migrate_to"]) == (1, "server2")
        assert spec["rebalance"] == {"order": order, "at_once": 2}
    again = await placed.post(f"{WEB}/rebalance")
    assert again.status_code == 409
    assert again.json()["detail"] == "moves that were requested are not completed yet: of web-0, web-1"

    def done(tx: Any) -> None:
        rows = resources.list_all(tx, COMPUTE)
        resources.update(tx, [row.model_copy(update={"observed": {"migrations": 1}}) for row in rows])

    db.write(done)
    await placed.post("/v1/regions/kanto/computes/web-0/migrate")
    assert (await placed.get("/v1/regions/kanto/computes/web-0")).json()["spec"]["rebalance"] is None


async def test_a_balanced_service_is_left_alone(placed: Api) -> None:
    answer = await placed.post(f"{WEB}/rebalance")
    assert (answer.status_code, answer.json()["message"]) == (200, "it is balanced already")
    bad = await placed.post(f"{WEB}/rebalance", json={"at_once": 0, "max_moves": 0})
    assert {problem["path"] for problem in bad.json()["errors"]} == {"at_once", "max_moves"}


async def test_a_service_without_a_cluster_has_nothing_to_move(service: Api) -> None:
    refused = await service.post(f"{WEB}/rebalance")
    assert refused.status_code == 409
    assert "has no cluster yet" in refused.json()["detail"]
