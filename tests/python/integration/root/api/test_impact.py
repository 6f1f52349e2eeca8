"""GET .../impact over the API: who may ask, what is answered, and what does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controller.model import document
from controller.model.node import NODE
from controller.store import resources
from controller.store.database import Database, Transaction
from tests.python.integration.root.api.conftest import Api

RULES = [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity", "hard": True}]
INVENTORY: list[dict[str, Any]] = [
    {"kind": "Rack", "name": "rack-2", "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1"}},
    {"kind": "PhysicalResource", "name": "feed-a", "datacenter": "tokyo", "spec": {"role": "PowerFeed"}},
    *(
        {
            "kind": "PhysicalResource",
            "name": f"pdu-{number}",
            "datacenter": "tokyo",
            "spec": {
                "role": "Pdu",
                "rack": f"rack-{number}",
                "power_links": [{"inlet": "in", "source": "feed-a"}],
            },
        }
        for number in (1, 2)
    ),
    *(
        {
            "kind": "PhysicalResource",
            "name": f"machine{number}",
            "datacenter": "tokyo",
            "spec": {
                "role": "Server",
                "rack": f"rack-{number}",
                "power_links": [{"inlet": "psu1", "source": f"pdu-{number}"}],
            },
        }
        for number in (1, 2)
    ),
    *(
        {
            "kind": "Node",
            "name": f"server{number}",
            "cluster": "tokyo1",
            "spec": {"providers": ["libvirt"], "physical_resource": f"machine{number}"},
        }
        for number in (1, 2)
    ),
    {"kind": "Project", "name": "shop"},
]


def compute(project: str, service: str, index: int, node: str) -> Any:
    spec = {
        "service": service,
        "index": index,
        "host_name": f"{service}-{index}.{project}.kanto",
        "cluster": "tokyo1",
        "provider": "libvirt",
        "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
        "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
        "schedule_policy": {"rules": RULES},
    }
    made = {"kind": "Compute", "name": f"{service}-{index}", "region": "kanto", "project": project, "spec": spec}
    return document.parse(made).model_copy(update={"state": "Running", "observed": {"node": node}})


@pytest.fixture
async def placed(site: Api, db: Database) -> Api:
    """
    feed-a -+- pdu-1 -- [server1] rack-1: web-0, shop/cart-0
            +- pdu-2 -- [server2] rack-2: web-1
    """
    answer = await site.apply(*INVENTORY)
    assert answer.status_code == 200, answer.text
    rows = [
        compute("default", "web", 0, "server1"),
        compute("default", "web", 1, "server2"),
        compute("shop", "cart", 0, "server1"),
    ]
    db.write(lambda tx: resources.insert(tx, rows))
    return site


@pytest.mark.design("J1", "J3", "J11")
async def test_a_pdu_takes_down_what_hangs_on_it(placed: Api) -> None:
    answer = await placed.get("/v1/datacenters/tokyo/physical-resources/pdu-1/impact")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["kind"], body["key"], body["role"]) == ("PhysicalResource", "tokyo/pdu-1", "Pdu")
    assert body["devices"] == [{"name": "machine1", "cause": "power"}, {"name": "pdu-1", "cause": "itself"}]
    assert body["nodes"] == [{"cluster": "tokyo1", "name": "server1", "cause": "power", "computes": 2}]
    assert [one["name"] for one in body["computes"]] == ["web-0", "cart-0"]
    cart, web = body["services"]
    assert (cart["name"], cart["left"], cart["down"]) == ("cart", 0, True)
    assert (web["name"], web["left"], web["running"], web["down"]) == ("web", 1, 1, False)
    assert [rule["reason"] for rule in web["rules"]] == ["", "the only one left is in rack rack-2"]
    assert web["domains"]["rack"] == {"before": 2, "after": 1}
    assert body["counts"] == {
        "devices": 2,
        "nodes": 1,
        "computes": 2,
        "loadbalancers": 0,
        "loadbalancers_down": 0,
        "services": 2,
        "services_below_rules": 2,
        "services_down": 1,
    }


def balancer(project: str, service: str, vip: str, *nodes: str) -> Any:
    template = {"provider": "memory-lb", "network": "service", "replicas": 2}
    spec = {"service": service, "cluster": "tokyo1", "vip": vip, "template": template}
    made = {"kind": "Loadbalancer", "name": service, "region": "kanto", "project": project, "spec": spec}
    seen = {"nodes": list(nodes), "ready": len(nodes)}
    return document.parse(made).model_copy(update={"status": "Active", "observed": seen})


@pytest.mark.design("J1", "K4")
async def test_loadbalancers_that_lose_instances_are_told_with_what_that_means(
    placed: Api, db: Database, as_token: Callable[..., Api]
) -> None:
    """web's instances are on both servers, cart's on server2 only; both servers are noted as up."""

    def fill(tx: Transaction) -> None:
        resources.insert(tx, [balancer("default", "web", "172.16.10.100", "server1", "server2")])
        resources.insert(tx, [balancer("shop", "cart", "172.16.10.101", "server2")])
        nodes = resources.list_all(tx, NODE, parents=("tokyo1",))
        resources.update(tx, [node.model_copy(update={"state": "Up"}) for node in nodes])

    db.write(fill)
    body = (await placed.get("/v1/datacenters/tokyo/racks/rack-2/impact")).json()
    cart, web = body["loadbalancers"]
    assert cart == {
        "project": "shop",
        "region": "kanto",
        "name": "cart",
        "service": "cart",
        "cluster": "tokyo1",
        "vip": "172.16.10.101",
        "replicas": 2,
        "lost": ["server2"],
        "left": 0,
        "running": 0,
        "down": True,
        "effect": "nothing answers at 172.16.10.101 any more",
    }
    assert web["effect"] == "1 of 2 instances answer at 172.16.10.100"
    assert [(one["name"], one["lost"], one["down"], one["cut_off"]) for one in body["services"]] == [
        ("cart", 0, False, True),
        ("web", 1, False, False),
    ]
    assert (body["counts"]["loadbalancers"], body["counts"]["loadbalancers_down"]) == (2, 1)
    assert [one["name"] for one in body["computes"]] == ["web-1"]
    async with as_token("viewer", "shop") as client:
        body = (await client.get("/v1/datacenters/tokyo/racks/rack-2/impact")).json()
    assert [one["name"] for one in body["loadbalancers"]] == ["cart"]


@pytest.mark.design("J1", "J2", "J4")
@pytest.mark.parametrize(
    ("path", "nodes"),
    [
        ("/v1/datacenters/tokyo", ["server1", "server2"]),
        ("/v1/datacenters/tokyo/floors/floor-1-1-1", ["server1", "server2"]),
        ("/v1/datacenters/tokyo/racks/rack-2", ["server2"]),
        ("/v1/datacenters/tokyo/physical-resources/feed-a", ["server1", "server2"]),
        ("/v1/datacenters/tokyo/physical-resources/machine2", ["server2"]),
        ("/v1/clusters/tokyo1/nodes/server1", ["server1"]),
    ],
)
async def test_every_kind_of_failure_can_be_asked_about(placed: Api, path: str, nodes: list[str]) -> None:
    answer = await placed.get(f"{path}/impact")
    assert answer.status_code == 200, answer.text
    assert [node["name"] for node in answer.json()["nodes"]] == nodes


async def test_a_projects_token_sees_its_own_services_only(placed: Api, as_token: Callable[..., Api]) -> None:
    async with as_token("viewer", "shop") as client:
        body = (await client.get("/v1/datacenters/tokyo/racks/rack-1/impact")).json()
    assert [(one["project"], one["name"]) for one in body["services"]] == [("shop", "cart")]
    assert [one["name"] for one in body["computes"]] == ["cart-0"]
    assert body["nodes"] == [{"cluster": "tokyo1", "name": "server1", "cause": "itself", "computes": 1}]
    assert body["counts"]["services"] == 1


async def test_lists_are_bounded_and_counts_are_of_all(placed: Api) -> None:
    body = (await placed.get("/v1/datacenters/tokyo/impact", params={"limit": 1})).json()
    assert [len(body[name]) for name in ("devices", "nodes", "computes", "services")] == [1, 1, 1, 1]
    assert (body["counts"]["nodes"], body["counts"]["computes"], body["counts"]["devices"]) == (2, 3, 5)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/datacenters/tokyo/physical-resources/pdu-9",
        "/v1/datacenters/osaka",
        "/v1/datacenters/osaka/racks/rack-1",
        "/v1/clusters/tokyo1/nodes/server9",
    ],
)
async def test_what_there_is_not_is_one_clear_error(placed: Api, path: str) -> None:
    answer = await placed.get(f"{path}/impact")
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("does not exist")
