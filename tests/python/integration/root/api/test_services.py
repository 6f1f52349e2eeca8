"""RegionServices and their Computes: revisions, scale, delete by name, actions (D3, K1-K5, F3)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from controller.model.assignment import Assignment
from controller.model.compute import COMPUTE, Compute
from controller.model.envelope import Status
from controller.model.node import NODE
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import AnyResource
from controller.root.api.app import create_app
from controller.root.api.settings import ApiSettings
from controller.store import resources
from controller.store.changes import Feed
from controller.store.database import Database, Transaction
from tests.python.integration.root.api.clusters import ClustersAway, FakeClusters
from tests.python.integration.root.api.conftest import SERVICE, Api

WEB = "/v1/regions/kanto/services/web"


def web(**spec: Any) -> dict[str, Any]:
    document = deepcopy(SERVICE)
    document["spec"].update(spec)
    return document


def with_user_data(text: str, **spec: Any) -> dict[str, Any]:
    document = web(**spec)
    document["spec"]["compute"]["user_data"] = text
    return document


def made_by_the_controller(db: Database, replicas: int = 3, user_data: str = "") -> None:
    """What the root controller would write: Computes on a node, the service Active."""

    def work(tx: Any) -> None:
        service = resources.list_all(tx, REGION_SERVICE)[0]
        computes: list[AnyResource] = [
            Compute.model_validate(
                {
                    "name": f"web-{index}",
                    "region": "kanto",
                    "status": "Active",
                    "state": "Running",
                    "observed": {"node": "server1"},
                    "spec": {
                        "service": "web",
                        "index": index,
                        "host_name": f"web-{index}.default.kanto",
                        "cluster": "tokyo1",
                        "provider": "libvirt",
                        "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
                        "image": {"url": "file:///guest.qcow2", "checksum": "sha256:" + "0" * 64},
                        "user_data": user_data,
                    },
                }
            )
            for index in range(replicas)
        ]
        resources.insert(tx, computes)
        active = service.model_copy(update={"status": Status.ACTIVE, "observed": {"cluster": "tokyo1"}})
        resources.update(tx, [active])

    db.write(work)


@pytest.fixture
def active(service: Api, db: Database) -> Api:
    """Service web with three running Computes."""
    made_by_the_controller(db)
    return service


@pytest.mark.design("D2", "D3", "K5")
async def test_an_update_makes_a_revision_and_asks_for_work(active: Api) -> None:
    changed = await active.put(WEB, json=with_user_data("#cloud-config\n"))
    assert changed.status_code == 202
    service = changed.json()
    assert (service["revision"], service["status"], service["request_method"]) == (2, "Updating", "Update")
    assert service["observed"] == {"cluster": "tokyo1"}
    kept = (await active.get(f"{WEB}/revisions")).json()["items"]
    assert [(one["revision"], one["current"]) for one in kept] == [(1, False), (2, True)]


@pytest.mark.design("D3")
async def test_replicas_alone_make_no_revision_and_history_does_not_ask_for_work(active: Api) -> None:
    scaled = (await active.put(WEB, json=web(replicas=5))).json()
    assert (scaled["revision"], scaled["status"]) == (1, "Updating")
    history = await active.put(WEB, json={**web(replicas=5), "max_revision_history": 3})
    assert history.json()["revision"] == 1


@pytest.mark.design("D3")
async def test_rollback_is_a_new_number_with_the_old_spec_and_todays_replicas(active: Api) -> None:
    await active.put(WEB, json=with_user_data("two"))
    await active.put(WEB, json=with_user_data("two", replicas=5))
    back = await active.post(f"{WEB}/rollback", json={"revision": 1})
    assert back.status_code == 202
    service = back.json()
    assert (service["revision"], service["spec"]["replicas"]) == (3, 5)
    assert service["spec"]["compute"]["user_data"] == ""
    before = (await active.post(f"{WEB}/rollback")).json()
    assert (before["revision"], before["spec"]["compute"]["user_data"]) == (4, "two")
    assert (await active.post(f"{WEB}/rollback", json={"revision": 99})).status_code == 404


@pytest.mark.design("D3")
async def test_old_revisions_go_but_not_those_that_run(active: Api) -> None:
    for number in range(2, 7):
        await active.put(WEB, json={**with_user_data(f"{number}"), "max_revision_history": 2})
    kept = (await active.get(f"{WEB}/revisions")).json()["items"]
    assert [one["revision"] for one in kept] == [1, 4, 5, 6], "Computes still run revision 1"


@pytest.mark.design("K2", "K3")
async def test_scale_changes_replicas_only(active: Api) -> None:
    scaled = await active.post(f"{WEB}/scale", json={"replicas": 2})
    assert scaled.status_code == 202
    assert scaled.json()["spec"]["replicas"] == 2
    assert (await active.post(f"{WEB}/scale", json={"replicas": 2})).status_code == 200
    assert (await active.post(f"{WEB}/scale", json={"replicas": 0})).status_code == 422
    assert (await active.post(f"{WEB}/scale", json={})).json()["errors"][0]["path"] == "replicas"


@pytest.mark.design("K3")
async def test_a_compute_deleted_by_name_lowers_replicas_and_the_last_takes_the_service(active: Api) -> None:
    computes = "/v1/regions/kanto/computes"
    plan = (await active.delete(f"{computes}/web-1", params={"dry_run": "true"})).json()
    assert [(step["kind"], step["action"]) for step in plan["changes"]] == [
        ("Compute", "delete"),
        ("RegionService", "update"),
    ]
    assert plan["changes"][1]["diff"] == [{"path": "spec.replicas", "before": 3, "after": 2, "change": "live"}]

    deleted = await active.delete(f"{computes}/web-1")
    assert deleted.status_code == 202
    assert (deleted.json()["status"], deleted.json()["request_method"]) == ("Deleting", "Delete")
    service = (await active.get(WEB)).json()
    assert (service["spec"]["replicas"], service["status"], service["revision"]) == (2, "Updating", 1)
    assert (await active.delete(f"{computes}/web-1")).status_code == 202
    assert (await active.get(WEB)).json()["spec"]["replicas"] == 2, "the same one does not count twice"

    await active.delete(f"{computes}/web-0")
    await active.delete(f"{computes}/web-2")
    service = (await active.get(WEB)).json()
    assert (service["spec"]["replicas"], service["status"]) == (1, "Deleting")
    assert (await active.put(WEB, json=web())).status_code == 409, "it is being deleted"


@pytest.mark.design("K3")
async def test_several_computes_deleted_in_one_batch(active: Api) -> None:
    documents = [{"kind": "Compute", "name": f"web-{index}", "region": "kanto"} for index in (0, 2)]
    answer = await active.post("/v1/delete", json=documents)
    assert answer.status_code == 200, answer.text
    assert (await active.get(WEB)).json()["spec"]["replicas"] == 1


@pytest.mark.design("K1", "K4")
async def test_deleting_the_service_is_its_controllers_work(active: Api) -> None:
    deleted = await active.delete(WEB)
    assert deleted.status_code == 202
    assert (deleted.json()["status"], deleted.json()["request_method"]) == ("Deleting", "Delete")
    assert (await active.delete(WEB)).status_code == 202


@pytest.mark.design("K1")
async def test_what_is_being_deleted_is_never_confirmed_as_unchanged(active: Api) -> None:
    """A caller to whom "unchanged" was answered counts on the resource; a moment later it does not exist."""
    assert (await active.put(WEB, json=web())).status_code == 200
    await active.delete(WEB)
    document = {**web(), "kind": "RegionService", "name": "web", "region": "kanto"}
    other = {"kind": "Region", "name": "kansai"}
    refused = [
        await active.put(WEB, json=web()),
        await active.put(WEB, json=web(replicas=4)),
        await active.apply(document),
        await active.apply(other, document),
        await active.post(f"{WEB}/scale", json={"replicas": 3}),
        await active.post(f"{WEB}/rollback", json={}),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), answer.text
        assert "is being deleted" in answer.json()["detail"]
    assert (await active.get("/v1/regions/kansai")).status_code == 404
    for planned in (
        await active.put(WEB, json=web(), params={"dry_run": "true"}),
        await active.apply(document, dry_run="true"),
    ):
        (change,) = planned.json()["changes"]
        assert [refusal["path"] for refusal in change["refusals"]] == ["status"]


@pytest.mark.design("F3")
async def test_cordon_drain_and_uncordon(site: Api) -> None:
    node = "/v1/clusters/tokyo1/nodes/server1"

    def asked(answer: Any) -> tuple[int, bool, bool]:
        spec = answer.json()["spec"]
        return answer.status_code, spec["schedulable"], spec["drain"]

    assert asked(await site.post(f"{node}/cordon")) == (202, False, False)
    assert asked(await site.post(f"{node}/cordon")) == (200, False, False)
    assert asked(await site.post(f"{node}/drain")) == (202, False, True)
    assert asked(await site.post(f"{node}/uncordon")) == (202, True, False)
    assert asked(await site.post(f"{node}/drain")) == (202, False, True), "a drain is a cordon too"
    assert (await site.post(f"{node}/cordon", json={"why": "x"})).status_code == 422
    assert (await site.post("/v1/clusters/tokyo1/nodes/nobody/drain")).status_code == 404


@pytest.mark.design("F2")
async def test_power_reboot_and_migration_are_written_as_wishes(active: Api) -> None:
    compute = "/v1/regions/kanto/computes/web-0"
    assert (await active.post(f"{compute}/stop")).json()["spec"]["power"] == "Stopped"
    assert (await active.post(f"{compute}/reboot")).status_code == 409
    assert (await active.post(f"{compute}/start")).json()["spec"]["power"] == "Running"
    assert (await active.post(f"{compute}/reboot")).json()["spec"]["reboots"] == 1
    assert (await active.post(f"{compute}/reboot")).json()["spec"]["reboots"] == 2
    moved = (await active.post(f"{compute}/migrate")).json()
    assert (moved["spec"]["migrations"], moved["spec"]["migrate_to"]) == (1, None)
    assert (await active.post(f"{compute}/migrate", json={"node": "server1"})).status_code == 409, "it is there"
    unknown = await active.post(f"{compute}/migrate", json={"node": "server9"})
    assert unknown.json()["errors"] == [{"path": "node", "message": "cluster tokyo1 has no node server9"}]


@pytest.mark.design("F3")
async def test_a_node_in_use_stays_and_only_a_lost_one_is_forced(
    site: Api, db: Database, clusters: FakeClusters
) -> None:

    node = "/v1/clusters/tokyo1/nodes/server1"
    spec = {"resource_kind": "Compute", "resource": "default/kanto/web-0", "resource_uid": "x", "node": "server1"}
    placed = Assignment.model_validate({"name": "x-1", "cluster": "tokyo1", "spec": spec})
    db.write(lambda tx: resources.insert(tx, [placed]))
    refused = await site.delete(node)
    assert refused.status_code == 409
    assert refused.json()["users"] == ["Compute default/kanto/web-0"]

    def say(state: str) -> None:
        def work(tx: Any) -> None:
            found = resources.list_all(tx, NODE)[0]
            resources.update(tx, [found.model_copy(update={"state": state})])

        db.write(work)

    say("Up")
    assert (await site.delete(node, params={"force": "true"})).status_code == 409
    assert clusters.forgotten == []
    say("Down")
    assert (await site.delete(node, params={"force": "true"})).status_code == 204
    assert clusters.forgotten == [("tokyo1", "server1")]


@pytest.mark.design("J6")
async def test_a_global_service_does_not_pretend(service: Api) -> None:
    path = "/v1/global-services/web"
    spec = {"domain": "web.example.com", "members": [{"region": "kanto", "service": "web"}]}
    made = (await service.put(path, json={"spec": spec})).json()
    assert made["status"] == "Creating"
    assert "data plane" in made["status_reason"]
    off = (await service.put(path, json={"spec": {**spec, "gslb": False}})).json()
    assert (off["status"], off["status_reason"]) == ("Active", "")


async def test_a_plan_changes_nothing_and_forecasts(site: Api) -> None:
    head = (await site.get("/v1/regions")).json()["resource_version"]
    plan = await site.put(WEB, json=web(), params={"dry_run": "true"})
    assert plan.status_code == 200
    step = plan.json()["changes"][0]
    assert (step["kind"], step["key"], step["action"]) == ("RegionService", "default/kanto/web", "create")
    assert step["forecast"] == {
        "cluster": "tokyo1",
        "placements": {"web-0": "server1", "web-1": "server1", "web-2": "server1"},
        "reasons": {},
    }
    assert plan.json()["as_of"] == head
    assert (await site.get("/v1/regions")).json()["resource_version"] == head
    assert (await site.get(WEB)).status_code == 404


async def test_a_plan_of_what_is_as_asked_but_does_not_stand_yet_forecasts_too(service: Api, active: Api) -> None:
    (step,) = (await active.put(WEB, json=web(), params={"dry_run": "true"})).json()["changes"]
    assert (step["action"], step["forecast"]) == ("unchanged", None)
    other = {**web(), "name": "other"}
    await service.apply(other)
    (step,) = (await service.apply(other, dry_run="true")).json()["changes"]
    assert (step["action"], step["forecast"]["cluster"]) == ("unchanged", "tokyo1")


async def test_a_plan_names_diff_refusals_and_what_is_unresolved(active: Api) -> None:
    document = with_user_data("x", replicas=4)
    document["spec"]["compute"]["flavor"] = "missing"
    document["spec"]["loadbalancer"] = {"provider": "libvirt", "network": "service"}
    step = (await active.apply(document, dry_run="true")).json()["changes"][0]
    diff = {change["path"]: change["change"] for change in step["diff"]}
    assert diff == {
        "spec.replicas": "live",
        "spec.compute.flavor": "restart",
        "spec.compute.user_data": "recreate",
        "spec.loadbalancer": "live",
    }
    assert step["refusals"][0]["path"] == "spec.loadbalancer"
    assert step["unresolved"] == [{"path": "spec.compute.flavor", "message": "ResourceFlavor missing does not exist"}]
    assert step["forecast"] == {"unknown": "the document would be refused"}


async def test_a_plan_says_unknown_when_the_clusters_are_away(site: Api, db: Database, clock: Any) -> None:
    away = create_app(db, Feed(db, clock), clock, ApiSettings(), ClustersAway())
    secret = site.headers["authorization"].removeprefix("Bearer ")
    async with Api(away, secret) as client:
        step = (await client.put(WEB, json=web(), params={"dry_run": "true"})).json()["changes"][0]
        assert step["forecast"] == {"unknown": "cluster tokyo1 is away"}
        lost = await client.delete("/v1/clusters/tokyo1/nodes/server1", params={"force": "true"})
        assert lost.status_code == 503
        assert lost.headers["retry-after"] == "1"
    assert (await site.get("/v1/clusters/tokyo1/nodes/server1")).status_code == 200


@pytest.mark.design("F2", "G1")
async def test_a_restored_root_asks_for_a_reboot_that_the_machine_has_not_had(active: Api, db: Database) -> None:
    def report(tx: Transaction) -> None:
        row = resources.get(tx, COMPUTE.key("kanto", "web-0"))
        resources.update(tx, [row.model_copy(update={"observed": {**row.observed, "reboots": 7}})])

    db.write(report)
    assert (await active.post("/v1/regions/kanto/computes/web-0/reboot")).json()["spec"]["reboots"] == 8
