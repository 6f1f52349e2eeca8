"""Dry runs of actions: the plan of the same change, the same refusals, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import registry
from controller.model.envelope import Status
from controller.model.node import NODE
from controller.root.api import query as q
from controller.root.api import routes
from controller.root.api.operation import Access
from controller.store import changes, resources
from controller.store.database import Database
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import Api
from tests.python.integration.root.api.test_services import WEB, made_by_the_controller, web, with_user_data

NODE1 = "/v1/clusters/tokyo1/nodes/server1"
COMPUTE = "/v1/regions/kanto/computes/web-0"
DRY = {"dry_run": "true"}


@pytest.fixture
async def placed(service: Api, db: Database) -> Api:
    """Service web with two revisions, and three Computes on server1."""
    made_by_the_controller(db)
    assert (await service.put(WEB, json=with_user_data("#!/bin/sh"))).status_code in (200, 202)
    assert (
        await service.put("/v1/clusters/tokyo1/nodes/server2", json={"spec": {"providers": ["libvirt"]}})
    ).is_success
    return service


def head(db: Database) -> int:
    return db.read(changes.head)


def test_every_action_has_a_dry_run() -> None:
    writes = [one for one in routes.operations() if one.access is Access.WRITE]
    assert [one.id for one in writes if q.DRY_RUN not in one.parameters] == []
    assert len([one for one in writes if one.method == "POST" and one.kind is not None]) >= 13


@pytest.mark.design("F3", "N1")
@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (f"{NODE1}/cordon", {}, {"spec.schedulable": (True, False), "spec.cordoned_by": (None, "Operator")}),
        (f"{WEB}/scale", {"replicas": 5}, {"spec.replicas": (3, 5)}),
        (f"{WEB}/rollback", {}, {"spec.compute.user_data": ("(secret)", "(secret)")}),
        (f"{COMPUTE}/stop", {}, {"spec.power": ("Running", "Stopped")}),
        (f"{COMPUTE}/reboot", {}, {"spec.reboots": (0, 1)}),
        (f"{COMPUTE}/migrate", {"node": "server2"}, {"spec.migrations": (0, 1), "spec.migrate_to": (None, "server2")}),
    ],
)
async def test_a_dry_run_is_the_plan_of_the_action(
    placed: Api, db: Database, path: str, body: dict[str, Any], fields: dict[str, tuple[Any, Any]]
) -> None:
    before = head(db)
    planned = await placed.post(path, json=body, params=DRY)
    assert planned.status_code == 200, planned.text
    (change,) = planned.json()["changes"]
    assert (change["action"], change["refusals"], change["unresolved"]) == ("update", [], [])
    assert {one["path"]: (one["before"], one["after"]) for one in change["diff"]} == fields
    assert head(db) == before
    assert (await placed.post(path, json=body)).status_code == 202


@pytest.mark.design("F3", "N1")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{NODE1}/uncordon", {}),
        (f"{NODE1}/cancel-drain", {}),
        (f"{WEB}/scale", {"replicas": 3}),
        (f"{COMPUTE}/start", {}),
        ("/v1/clusters/tokyo1/cancel-drain", {"nodes": ["server1"]}),
    ],
)
async def test_an_action_that_changes_nothing_is_planned_as_unchanged(
    placed: Api, path: str, body: dict[str, Any]
) -> None:
    planned = (await placed.post(path, json=body, params=DRY)).json()
    assert [(one["action"], one["diff"]) for one in planned["changes"]] == [("unchanged", [])]
    assert (await placed.post(path, json=body)).status_code == 200


@pytest.mark.design("F3", "N1")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{COMPUTE}/migrate", {"node": "server1"}),
        (f"{COMPUTE}/migrate", {"node": "server9"}),
        (f"{WEB}/rollback", {"revision": 99}),
        (f"{WEB}/scale", {"replicas": 0}),
        (f"{NODE1}x/cordon", {}),
        (f"{COMPUTE}9/stop", {}),
        (f"{NODE1}/cordon", {"why": "x"}),
        ("/v1/clusters/tokyo1/cancel-drain", {"nodes": ["nobody"]}),
    ],
)
async def test_what_an_action_refuses_its_dry_run_refuses(placed: Api, path: str, body: dict[str, Any]) -> None:
    planned, done = await placed.post(path, json=body, params=DRY), await placed.post(path, json=body)
    told = [{name: one.json()[name] for name in ("status", "code", "detail")} for one in (planned, done)]
    assert told[0] == told[1]
    assert planned.status_code in (404, 409, 422)


@pytest.mark.design("F3")
async def test_a_dry_run_of_what_is_being_deleted_is_refused(placed: Api, db: Database, clusters: FakeClusters) -> None:
    """A drain answers with moves only: its dry run planned the moves of a node that the drain itself refuses."""
    node = db.read(lambda tx: resources.get(tx, NODE.key("tokyo1", "server1")))
    db.write(lambda tx: resources.update(tx, [node.model_copy(update={"status": Status.DELETING})]))
    for path, body in (
        (f"{NODE1}/drain", {}),
        (f"{NODE1}/cordon", {}),
        ("/v1/clusters/tokyo1/drain", {"nodes": ["server1"]}),
        ("/v1/clusters/tokyo1/cancel-drain", {"nodes": ["server1"]}),
    ):
        planned, done = await placed.post(path, json=body, params=DRY), await placed.post(path, json=body)
        assert (planned.status_code, done.status_code) == (409, 409), path
        assert planned.json()["detail"] == done.json()["detail"] == "Node tokyo1/server1 is being deleted"
    assert clusters.questions == []


@pytest.mark.design("F3")
async def test_a_viewer_is_refused_a_dry_run_as_the_action_is(placed: Api, as_token: Any) -> None:
    async with as_token("viewer") as viewer:
        answer = await viewer.post(f"{WEB}/scale", json={"replicas": 5}, params=DRY)
    assert answer.status_code == 403


@pytest.mark.design("J1", "N1")
async def test_the_plan_of_a_scale_says_where_new_computes_would_go(placed: Api) -> None:
    (change,) = (await placed.post(f"{WEB}/scale", json={"replicas": 5}, params=DRY)).json()["changes"]
    (same,) = (await placed.put(WEB, json=web(replicas=5), params=DRY)).json()["changes"]
    assert change["forecast"] is not None
    assert change["forecast"] == same["forecast"]


def test_computes_and_services_are_the_kinds_with_actions() -> None:
    """A kind with a new action joins the tests above."""
    acting = {one.kind.name for one in routes.operations() if one.method == "POST" and one.kind is not None}
    assert acting == {"Node", "RegionService", "Compute", "Cluster"}
    assert acting <= {kind.name for kind in registry.kinds()}
