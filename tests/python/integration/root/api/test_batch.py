"""POST /v1/apply and /v1/delete: many documents, all or nothing."""

from __future__ import annotations

import json
import threading
from types import ModuleType
from typing import Any

import pytest
import yaml
from sqlalchemy import Connection

from controller.model import document, text
from controller.model.event import Event
from controller.root.api import batch
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.root.api.conftest import SERVICE, SITE, Api


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/yaml", yaml.safe_dump_all(SITE)),
        ("application/yaml", yaml.safe_dump(SITE)),
        ("application/json", json.dumps(SITE)),
        ("", json.dumps(SITE)),
        ("", yaml.safe_dump_all(SITE)),
    ],
    ids=["yaml documents", "yaml list", "json", "json untold", "yaml untold"],
)
async def test_documents_come_as_yaml_or_json(api: Api, media_type: str, body: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await api.post("/v1/apply", content=body.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["kind"] for result in results] == [document["kind"] for document in SITE]
    assert {result["action"] for result in results} == {"create"}


async def test_members_of_a_batch_may_name_each_other_in_any_order(api: Api) -> None:
    assert (await api.apply(*reversed(SITE))).status_code == 200


async def test_one_conflict_undoes_the_whole_batch(service: Api) -> None:
    flavor = next(document for document in SITE if document["kind"] == "ResourceFlavor")
    bigger = {**flavor, "spec": {**flavor["spec"], "sizes": {"vcpus": 9, "memory_mib": 256, "disk_gib": 1}}}
    head = (await service.get("/v1/regions")).json()["resource_version"]
    refused = await service.apply({"kind": "Region", "name": "kansai"}, bigger)
    assert refused.status_code == 409
    assert refused.json()["users"] == ["RegionService default/kanto/web"]
    assert (await service.get("/v1/regions")).json()["resource_version"] == head


async def test_a_whole_site_goes_in_one_batch_children_first(site: Api) -> None:
    plan = (await site.post("/v1/delete", json=SITE, params={"dry_run": "true"})).json()
    assert {step["action"] for step in plan["changes"]} == {"delete"}
    assert not any(step["refusals"] for step in plan["changes"])
    deleted = await site.post("/v1/delete", json=SITE)
    assert deleted.status_code == 200, deleted.text
    kinds = [result["kind"] for result in deleted.json()["results"]]
    assert kinds.index("Rack") < kinds.index("Floor") < kinds.index("Datacenter")
    assert (await site.get("/v1/regions")).json()["items"] == []
    again = await site.post("/v1/delete", json=SITE)
    assert again.json()["results"] == [], "what is not there is passed over"


async def test_what_is_still_in_use_undoes_the_whole_delete(service: Api) -> None:
    documents = [document for document in SITE if document["kind"] in ("Image", "NetworkV4", "Node")]
    plan = (await service.post("/v1/delete", json=documents, params={"dry_run": "true"})).json()
    assert [step["key"] for step in plan["changes"] if step["refusals"]] == ["kanto/guest"]
    refused = await service.post("/v1/delete", json=documents)
    assert refused.status_code == 409
    assert refused.json()["users"] == ["RegionService default/kanto/web"]
    assert (await service.get("/v1/clusters/tokyo1/nodes/server1")).status_code == 200


async def test_what_a_leaving_service_uses_is_refused_by_the_dry_run_too(service: Api) -> None:
    """The service's row stays until its controller has deleted the Computes, and names its image until then."""
    documents = [{**SERVICE}, *(document for document in SITE if document["kind"] == "Image")]
    plan = (await service.post("/v1/delete", json=documents, params={"dry_run": "true"})).json()
    assert [step["key"] for step in plan["changes"] if step["refusals"]] == ["kanto/guest"]
    refused = await service.post("/v1/delete", json=documents)
    assert (refused.status_code, refused.json()["users"]) == (409, ["RegionService default/kanto/web"])


async def test_a_project_with_services_stays_in_a_batch_too(service: Api) -> None:
    project = {"kind": "Project", "name": "shop"}
    assert (await service.apply(project, {**SERVICE, "project": "shop"})).status_code == 200
    refused = await service.post("/v1/delete", json=[project])
    assert refused.status_code == 409
    assert refused.json()["users"] == ["RegionService shop/kanto/web"]


async def test_what_happened_in_a_project_does_not_keep_it(api: Api, db: Database) -> None:
    await api.apply({"kind": "Project", "name": "shop"}, {"kind": "Project", "name": "bank"})
    spec = {"resource_kind": "Compute", "resource": "shop/kanto/web-0", "reason": "Scheduled"}
    event = Event.model_validate({"name": "1", "project": "shop", "spec": spec})
    db.write(lambda tx: resources.insert(tx, [event, event.model_copy(update={"name": "2", "project": "bank"})]))
    assert (await api.delete("/v1/projects/shop")).status_code == 204
    assert (await api.post("/v1/delete", json=[{"kind": "Project", "name": "bank"}])).status_code == 200
    assert (await api.get("/v1/events")).json()["items"] == []


async def test_a_service_leaves_in_its_own_time(service: Api) -> None:
    answer = await service.post("/v1/delete", json=[SERVICE])
    assert [(one["action"], one["status"]) for one in answer.json()["results"]] == [("delete", "Deleting")]


async def test_bad_documents_of_a_delete_are_named(api: Api) -> None:
    answer = await api.post("/v1/delete", json=[{"kind": "Rock", "name": "x"}, {"kind": "Rack", "name": "X"}])
    assert answer.status_code == 422
    assert [one["path"] for one in answer.json()["errors"]] == ["[0].kind", "[1].datacenter", "[1].name"]


class Statements:
    """Counts what goes to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        plain = Connection.execute

        def counted(connection: Any, *arguments: Any, **more: Any) -> Any:
            self.count += 1
            return plain(connection, *arguments, **more)

        monkeypatch.setattr(Connection, "execute", counted)


def servers(number: int) -> list[dict[str, Any]]:
    return [
        {
            "kind": "PhysicalResource",
            "name": f"server{index}",
            "datacenter": "tokyo",
            "spec": {
                "role": "Server",
                "rack": f"rack-{index // 40 + 1}",
                "position": index % 40 + 1,
                "ports": [{"name": "eth0", "network": "fabric", "address": f"10.0.{index // 250}.{index % 250 + 1}"}],
            },
        }
        for index in range(number)
    ]


async def test_the_number_of_statements_does_not_grow_with_the_batch(
    site: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def statements_for(documents: list[dict[str, Any]]) -> int:
        with monkeypatch.context() as patch:
            counter = Statements(patch)
            answer = await site.apply(*documents)
        assert answer.status_code == 200, answer.text
        return counter.count

    second = {"kind": "Rack", "name": "rack-2", "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1"}}
    assert (await site.apply(second)).status_code == 200
    few, many = servers(60)[:10], servers(60)
    made_few = await statements_for(few)
    made_many = await statements_for(many)
    assert made_many <= made_few + 4
    for server in many:
        server["labels"] = {"env": "lab"}
    changed = await statements_for(many)
    assert changed <= made_few + 4
    assert await statements_for(many) < made_few, "nothing to write"


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
async def test_a_large_batch_is_read_and_answered_off_the_event_loop(
    api: Api, media_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[int]] = {}

    def watched(module: ModuleType, name: str) -> None:
        original = getattr(module, name)

        def call(*args: Any) -> Any:
            threads.setdefault(name, set()).add(threading.get_ident())
            return original(*args)

        monkeypatch.setattr(module, name, call)

    watched(text, "load_json")
    watched(text, "load_yaml")
    watched(document, "parse_all")
    watched(batch, "answer")
    regions = [{"kind": "Region", "name": f"region-{number}", "labels": {"a": "b" * 60}} for number in range(1000)]
    answer = await api.post("/v1/apply", content=json.dumps(regions), headers={"Content-Type": media_type})
    assert answer.status_code == 200, answer.text
    assert set(threads) == {"load_json" if media_type == "application/json" else "load_yaml", "parse_all", "answer"}
    assert threading.get_ident() not in set().union(*threads.values())
