"""The whole of a service's life through the REST API and every process, in-memory driver."""

from __future__ import annotations

from typing import Any

import pytest

from controller.client import Client
from controller.model import registry
from tests.python.end_to_end.plant import CLUSTER, Document, Plant

COMPUTE = registry.get("Compute")
NODE = registry.get("Node")
SERVICE = registry.get("RegionService")


@pytest.fixture(autouse=True)
def _nothing_is_left(site: Plant) -> Any:
    """Every test begins and ends with an empty site, and no machine ever ran twice."""
    yield
    for node in site.nodes:
        site.act(NODE.key(CLUSTER, node), "uncordon")
    if site.service() is not None:
        site.delete_service()
    site.until(lambda: site.settled(0))
    site.until(lambda: site.leaks() == [], what=str(site.leaks()))
    assert site.world.double_runs() == []


def up(site: Plant, replicas: int, **compute: Any) -> None:
    site.put_service(replicas, **compute)
    site.until(lambda: site.settled(replicas))


def node_of(site: Plant, name: str) -> str:
    (row,) = [row for row in site.computes() if row["name"] == name]
    return str(row["observed"]["node"])


@pytest.mark.design("A1", "A2", "A4", "A5", "K1", "K2", "K3", "K5", "H5", "J10")
def test_create_scale_and_delete(site: Plant) -> None:
    up(site, 3)
    assert [row["name"] for row in site.computes()] == ["web-0", "web-1", "web-2"]
    assert len({row["observed"]["node"] for row in site.computes()}) == 3, "spread over the nodes"
    up(site, 5)
    up(site, 2)
    assert [row["name"] for row in site.computes()] == ["web-0", "web-1"], "the tail went"
    assert site.leaks() == []


@pytest.mark.design("K3")
def test_delete_one_by_name_and_the_last_one_takes_the_service(site: Plant) -> None:
    up(site, 3)
    site.remove(COMPUTE.key("kanto", "web-1"))
    site.until(lambda: site.settled(2))
    assert [row["name"] for row in site.computes()] == ["web-0", "web-2"]
    up(site, 3)
    assert [row["name"] for row in site.computes()] == ["web-0", "web-1", "web-2"], "the lowest free index"
    for name in ("web-0", "web-1", "web-2"):
        site.remove(COMPUTE.key("kanto", name))
    site.until(lambda: site.settled(0))


@pytest.mark.design("D3")
def test_update_and_roll_back(site: Plant) -> None:
    up(site, 2)
    up(site, 2, user_data="#second")
    assert [row["revision"] for row in site.computes()] == [2, 2]
    site.act(SERVICE.key("kanto", "web"), "rollback", {"revision": 1})
    site.until(lambda: [row["spec"]["user_data"] for row in site.computes()] == ["", ""] and site.settled(2))
    assert [row["revision"] for row in site.computes()] == [3, 3]


@pytest.mark.design("E1")
def test_migrate_keeps_the_machine_and_its_address(site: Plant) -> None:
    up(site, 1)
    (before,) = site.computes()
    source = before["observed"]["node"]
    target = next(node for node in site.nodes if node != source)
    site.act(COMPUTE.key("kanto", "web-0"), "migrate", {"node": target})
    site.until(lambda: node_of(site, "web-0") == target and site.settled(1))
    (after,) = site.computes()
    assert after["uid"] == before["uid"]
    assert after["spec"]["interfaces"] == before["spec"]["interfaces"]
    site.until(lambda: site.leaks() == [])


@pytest.mark.design("F3")
def test_drain_moves_everything_away_and_uncordon_lets_it_come_back(site: Plant) -> None:
    up(site, 3)
    node = node_of(site, "web-0")
    site.act(NODE.key(CLUSTER, node), "drain")
    site.until(lambda: all(row["observed"].get("node") != node for row in site.computes()) and site.settled(3))
    up(site, 4)
    assert all(row["observed"]["node"] != node for row in site.computes()), "a drained node gets nothing new"


@pytest.mark.design("F3", "J4", "M3")
def test_two_nodes_are_evacuated_as_one_and_a_rebalance_brings_their_share_back(site: Plant) -> None:
    up(site, 4)
    leaving = ["node0", "node1"]
    cluster, web = registry.get("Cluster").key(CLUSTER), SERVICE.key("kanto", "web")

    def foreseen(client: Client) -> Document:
        return client.plan_act(cluster, "drain", {"nodes": leaving})

    moves = site.call(foreseen)["moves"]
    assert {move["to"] for move in moves} == {"node2"}
    site.act(cluster, "drain", {"nodes": leaving})
    site.until(lambda: {row["observed"].get("node") for row in site.computes()} == {"node2"} and site.settled(4))
    site.until(lambda: all(_drain(site, node).get("remaining") == 0 for node in leaving))
    site.act(cluster, "cancel-drain", {"nodes": leaving})
    site.until(lambda: not any(_drain(site, node) for node in leaving))
    assert len(site.call(lambda client: client.act(web, "rebalance", {"at_once": 2}))["moves"]) > 1
    site.until(lambda: len({row["observed"].get("node") for row in site.computes()}) == 3 and site.settled(4))

    def calm() -> bool:
        return all(row["observed"].get("migrations", 0) == row["spec"]["migrations"] for row in site.computes())

    site.until(lambda: calm() and site.leaks() == [])
    assert site.call(lambda client: client.act(web, "rebalance"))["message"] == "it is balanced already"


@pytest.mark.design("F3")
def test_a_drain_called_off_half_way_leaves_every_machine_running_once(site: Plant) -> None:
    up(site, 4)
    cluster = registry.get("Cluster").key(CLUSTER)
    site.act(cluster, "drain", {"nodes": ["node0", "node1"]})
    site.until(lambda: any(_drain(site, node).get("moving") for node in ("node0", "node1")))
    site.act(cluster, "cancel-drain", {"nodes": ["node0", "node1"]})
    site.until(lambda: not _drain(site, "node0") and not _drain(site, "node1"))
    site.until(lambda: site.settled(4) and site.leaks() == [])
    assert {row["observed"].get("node") for row in site.computes()} > {"node2"}, "not everything has left"
    assert all(row["spec"]["schedulable"] for row in site.rows("Node", CLUSTER))


def _drain(site: Plant, node: str) -> Document:
    row: Document = site.call(lambda client: client.get(NODE.key(CLUSTER, node)))
    found: Document = row["observed"].get("drain", {})
    return found


@pytest.mark.design("F3")
def test_a_drain_that_cannot_finish_names_what_blocks_it(site: Plant) -> None:
    rules = [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "node", "mode": "AntiAffinity", "hard": True}]
    up(site, 3, schedule_policy={"rules": rules})
    node = node_of(site, "web-0")
    site.act(NODE.key(CLUSTER, node), "drain")

    def blocked() -> bool:
        row: Document = site.call(lambda client: client.get(NODE.key(CLUSTER, node)))
        return "web-0" in str(row["observed"].get("drain", {}).get("blocked_by"))

    site.until(blocked)
    assert site.settled(3), "what cannot move stays as it is"


@pytest.mark.design("I1", "J10")
def test_what_does_not_fit_says_why_and_the_rest_runs(site: Plant) -> None:
    rules = [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "node", "mode": "AntiAffinity", "hard": True}]
    site.put_service(4, schedule_policy={"rules": rules})
    site.until(lambda: (site.service() or {}).get("status") == "Error")
    assert "3 nodes" in (site.service() or {})["status_reason"]


@pytest.mark.design("K5")
def test_stop_start_and_reboot_one_machine(site: Plant) -> None:
    up(site, 2)

    def act(verb: str) -> None:
        site.act(COMPUTE.key("kanto", "web-1"), verb)

    act("stop")
    site.until(lambda: [row["state"] for row in site.computes()] == ["Running", "Stopped"])
    assert sum(site.running().values()) == 1
    act("start")
    site.until(lambda: site.settled(2))
    act("reboot")
    site.until(lambda: site.settled(2))
