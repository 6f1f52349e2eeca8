"""GET /v1/topology: one consistent answer, narrowed, filtered, for whom it is; and 304 when nothing changed.

datacenter tokyo > floor-1-1-1 > rack-1 > server1 (psu1 - feed-a); cluster tokyo1 > node server1
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from controller.model import registry
from controller.model.compute import Compute
from controller.model.node import NODE
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.root.api.conftest import Api

pytestmark = pytest.mark.design("N2")

MACHINE: dict[str, Any] = {
    "kind": "PhysicalResource",
    "name": "server1",
    "datacenter": "tokyo",
    "labels": {"env": "lab"},
    "spec": {"role": "Server", "rack": "rack-1", "position": 10, "ports": [{"name": "eth0", "address": "10.9.1.2"}]},
}
WEBS = ("Compute web-0", "Compute web-0")
NODE_OF_IT: dict[str, Any] = {
    "kind": "Node",
    "name": "server1",
    "cluster": "tokyo1",
    "labels": {"env": "lab"},
    "spec": {"providers": ["libvirt"], "physical_resource": "server1"},
}


async def lines(api: Api, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/topology", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def compute(project: str, index: int = 0) -> Compute:
    document = dict(registry.get("Compute").example)
    document["spec"] = {
        **document["spec"],
        "index": index,
        "host_name": f"web-{index}.{project}.kanto",
        "user_data": "#cloud-config\npassword: hidden\n",
        "ssh_keys": ["ssh-ed25519 AAAA hidden"],
    }
    return Compute.model_validate({**document, "name": f"web-{index}", "project": project})


@pytest.fixture
async def whole(site: Api, db: Database) -> Api:
    answer = await site.apply(MACHINE, NODE_OF_IT)
    assert answer.status_code == 200, answer.text
    db.write(lambda tx: resources.insert(tx, [compute("default"), compute("blue")]))
    return site


async def test_head_resources_parents_first_and_an_end_with_counts(whole: Api) -> None:
    head, *sent, end = await lines(whole)
    assert head["topology"] == 1
    assert head["tag"].startswith(f"{head['resource_version']}-")
    assert [line["kind"] for line in sent] == [
        "Region",
        "Datacenter",
        "Floor",
        "Rack",
        "Provider",
        "Cluster",
        "PhysicalResource",
        "Node",
        "Compute",
        "Compute",
    ]
    assert end["end"] is True
    assert sum(end["counts"].values()) == len(sent)
    assert list(end["counts"]) == head["kinds"]


async def test_a_node_has_its_machine_and_what_is_free_with_it(whole: Api, db: Database) -> None:
    def report(tx: Any) -> None:
        node = resources.get(tx, NODE.key("tokyo1", "server1"))
        observed = {"capacity": {"vcpus": 16, "memory_mib": 1024}, "taken": {"vcpus": 0.3, "memory_mib": 256}}
        resources.update(tx, [node.model_copy(update={"observed": observed, "state": "Up"})])

    db.write(report)
    _, node, end = await lines(whole, kinds="Node")
    assert node["physical"]["rack"] == "rack-1"
    assert node["physical_labels"] == {"env": "lab"}
    assert node["physical"]["ports"][0]["address"] == "10.9.1.2"
    assert node["observed"]["free"] == {"vcpus": 15.7, "memory_mib": 768}
    assert node["state"] == "Up"
    assert node["labels"] == {"env": "lab"}
    assert end["counts"] == {"Node": 1}


async def test_what_is_put_into_machines_is_not_told(whole: Api) -> None:
    answer = await whole.get("/v1/topology")
    assert "web-0.default.kanto" in answer.text
    assert "hidden" not in answer.text


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"label": "env=lab"}, ["Node server1", "PhysicalResource server1"]),
        ({"label": "Node:env!=lab"}, [*WEBS, "PhysicalResource server1"]),
        (
            {"field": "Node:spec.physical_resource=server2"},
            ["Compute web-0", "Compute web-0", "PhysicalResource server1"],
        ),
        ({"label": "Node:env=lab || PhysicalResource:env=x"}, [*WEBS, "Node server1"]),
        (
            {"field": "Node:spec.physical_resource!=server1"},
            ["Compute web-0", "Compute web-0", "PhysicalResource server1"],
        ),
        (
            {"field": "labels.env=lab||Compute:project=blue"},
            ["Compute web-0", "Node server1", "PhysicalResource server1"],
        ),
        ({"project": "blue"}, ["Compute web-0", "Node server1", "PhysicalResource server1"]),
        ({"kinds": "Node,Rack", "field": "Rack:spec.floor=floor-1-1-1"}, ["Node server1"]),
    ],
)
async def test_filters_are_for_hosts_unless_a_kind_is_named(
    whole: Api, params: dict[str, str], names: list[str]
) -> None:
    sent = (await lines(whole, **params))[1:-1]
    hosts = [line for line in sent if line["kind"] in ("Node", "Compute", "PhysicalResource")]
    assert sorted(f"{line['kind']} {line['name']}" for line in hosts) == names
    assert len(hosts) < len(sent)


@pytest.mark.parametrize(
    ("params", "path", "word"),
    [
        ({"kinds": "Node,Token"}, "query.kinds", "'Token'"),
        ({"kinds": ""}, "query.kinds", "empty"),
        ({"label": "env lab"}, "labels", "env lab"),
        ({"label": "Rck:env=lab"}, "query.label", "Rck"),
        ({"kinds": "Node", "field": "Rack:spec.row=1"}, "query.field", "Rack"),
        ({"field": "Node:colour=red"}, "fields.colour", "Node"),
        ({"field": ["Node:state=Up", "Node:state=Down"]}, "query.field", "both"),
        ({"field": "Node:state=Up || Node:spec.providrs=x"}, "fields.spec.providrs", "perhaps 'providers'"),
        ({"field": "Node:spec.colour.shade!=x"}, "fields.spec.colour.shade", "colour"),
        ({"field": "Node:state=Up ||"}, "query.field", "must be path=value or path!=value"),
        ({"label": "Node:env=lab || Node:"}, "query.label", "a filter is missing"),
        ({"field": "||".join(["state=Up"] * 101)}, "query.field", "101 alternatives"),
        ({"label": ["!a," * 300, "!b," * 300]}, "query.label", "more than 500 filters"),
        ({"kind": "Node"}, "query.kind", "unknown"),
    ],
)
async def test_bad_questions_are_refused_with_the_path(
    whole: Api, params: dict[str, Any], path: str, word: str
) -> None:
    answer = await whole.get("/v1/topology", params=params)
    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["path"] == path
    assert word in problem["message"]


async def test_a_projects_token_is_told_its_own_computes_only(whole: Api, as_token: Callable[..., Api]) -> None:
    blue = as_token("viewer", "blue")
    sent = await lines(blue)
    assert [line["project"] for line in sent if line.get("kind") == "Compute"] == ["blue"]
    assert (await blue.get("/v1/topology", params={"project": "default"})).status_code == 403


async def asked_again(api: Api, tag: str, **params: Any) -> httpx.Response:
    return await api.get("/v1/topology", params=params, headers={"If-None-Match": tag})


async def test_304_until_something_of_it_changes(whole: Api, as_token: Callable[..., Api]) -> None:
    tag = (await whole.get("/v1/topology", params={"kinds": "Node"})).headers["etag"]
    assert (await whole.apply({"kind": "Region", "name": "kansai"})).status_code == 200
    again = await asked_again(whole, tag, kinds="Node")
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await asked_again(whole, tag, kinds="Node,Rack")).status_code == 200, "another question"
    assert (await asked_again(as_token("viewer", "blue"), tag, kinds="Node")).status_code == 200, "another reader"
    assert (await whole.apply({**MACHINE, "spec": {**MACHINE["spec"], "position": 11}})).status_code == 200
    changed = await asked_again(whole, tag, kinds="Node")
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag, "the node's line has its machine in it"
    tag = changed.headers["etag"]
    await whole.delete("/v1/clusters/tokyo1/nodes/server1")
    assert (await asked_again(whole, tag, kinds="Node")).status_code == 200, "a deletion is a change"


async def test_a_version_of_another_database_is_answered_in_full(whole: Api) -> None:
    tag = (await whole.get("/v1/topology")).headers["etag"]
    later = f'"9999999{tag[1:]}'
    assert (await asked_again(whole, later)).status_code == 200
