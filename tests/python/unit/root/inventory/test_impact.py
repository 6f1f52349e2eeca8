"""What a failure does to services: replicas left and rules no longer met, drawn."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.cluster import CLUSTER, Cluster
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Node, NodeSpec
from controller.model.physical_resource import PhysicalResource
from controller.root.inventory import impact
from controller.root.inventory.impact import Failure, Impact, ServiceAfter, Site
from tests.python.unit.root.inventory.test_failure_domains import device, network, power

SPREAD_RACKS = {"axis": "rack", "mode": "AntiAffinity", "hard": True}
SPREAD_POWER = {"axis": "power", "mode": "AntiAffinity"}


def site(*, states: dict[str, str] | None = None) -> Site:
    """
    feed-a -- pdu-1 -+- [n1] r1   leaf01+leaf02       feed-b -- pdu-2 -+- [n3] r2   leaf01+leaf02
                     +- [n2] r1   leaf01+leaf02                        +- [n4] r3   leaf03
    feed-a and feed-b -- pdu-3 and pdu-4 -- [n5] r3   leaf03
    """
    pair, single = network("leaf01", "leaf02"), network("leaf03")
    devices: list[PhysicalResource] = [
        device("feed-a", "PowerFeed"),
        device("feed-b", "PowerFeed"),
        *(device(f"pdu-{n}", "Pdu", power_links=power(f"feed-{feed}")) for n, feed in enumerate("abab", start=1)),
        *(device(f"leaf0{number}", "RackLeafRouter") for number in (1, 2, 3)),
        device("s1", "Server", rack="r1", power_links=power("pdu-1"), network_links=pair),
        device("s2", "Server", rack="r1", power_links=power("pdu-1"), network_links=pair),
        device("s3", "Server", rack="r2", power_links=power("pdu-2"), network_links=pair),
        device("s4", "Server", rack="r3", power_links=power("pdu-2"), network_links=single),
        device("s5", "Server", rack="r3", power_links=power("pdu-3", "pdu-4"), network_links=single),
    ]
    nodes = [
        Node(
            name=f"n{number}",
            cluster="tokyo1",
            spec=NodeSpec(physical_resource=f"s{number}"),
            state=(states or {}).get(f"n{number}", "Up"),
        )
        for number in range(1, 6)
    ]
    cluster = Cluster.model_validate(dict(CLUSTER.example))
    return Site({each.name: each for each in devices}, {"tokyo1": cluster}, nodes)


def service(name: str, *nodes: str, rules: list[dict[str, Any]] | None = None, **fields: Any) -> list[Compute]:
    """Computes ``name-0`` on the first node, and so on; without a node where it is empty."""
    made = []
    for index, node in enumerate(nodes):
        spec = {
            "service": name,
            "index": index,
            "host_name": f"{name}-{index}.default.kanto",
            "cluster": "tokyo1",
            "provider": "memory",
            "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
            "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
            "schedule_policy": {"rules": rules or []},
        }
        observed = {"node": node} if node else {}
        document = {
            "name": f"{name}-{index}",
            "region": "kanto",
            "state": "Running",
            "observed": observed,
            "spec": spec,
        }
        made.append(Compute.model_validate({**document, **fields}))
    return made


def balancer(name: str, *nodes: str, ready: int | None = None, **fields: Any) -> Loadbalancer:
    """The Loadbalancer of a service, with an instance on each of the nodes."""
    template = {"provider": "memory-lb", "network": "service", "replicas": max(1, len(nodes))}
    spec = {"service": name, "cluster": "tokyo1", "vip": "172.16.10.100", "template": template}
    observed = {"nodes": list(nodes), "ready": len(nodes) if ready is None else ready}
    return Loadbalancer.model_validate(
        {"name": name, "region": "kanto", "status": "Active", "spec": spec, "observed": observed, **fields}
    )


def fail(
    *devices: str, computes: list[Compute], balancers: list[Loadbalancer] | None = None, at: Site | None = None
) -> Impact:
    return impact.of(Failure(frozenset(devices)), at or site(), computes, balancers or [])


def only(found: Impact) -> ServiceAfter:
    (one,) = found.services
    return one


@pytest.mark.design("J1", "J3")
def test_1_a_pdu_takes_its_nodes_and_their_computes_and_no_others() -> None:
    found = fail("pdu-1", computes=[*service("web", "n1", "n3", "n5"), *service("far", "n4")])
    assert {name: str(cause) for (_, name), cause in found.nodes.items()} == {"n1": "power", "n2": "power"}
    assert [compute.name for compute in found.computes] == ["web-0"]
    one = only(found)
    assert (one.owner, one.replicas, one.lost, one.left, one.running) == (("default", "kanto", "web"), 3, 1, 2, 2)
    assert not one.is_down


@pytest.mark.design("J1", "J3")
def test_2_a_node_on_two_feeds_falls_only_with_both() -> None:
    computes = service("web", "n5")
    assert fail("feed-a", computes=computes).services == ()
    assert fail("feed-b", computes=computes).services == ()
    assert only(fail("feed-a", "feed-b", computes=computes)).is_down


@pytest.mark.design("J1", "J5")
def test_3_a_leaf_pair_falls_only_as_a_pair() -> None:
    computes = service("web", "n1", "n4")
    assert fail("leaf01", computes=computes).nodes == {}
    found = fail("leaf01", "leaf02", computes=computes)
    assert sorted(name for _, name in found.nodes) == ["n1", "n2", "n3"]
    assert only(found).lost == 1


@pytest.mark.design("J4", "J11")
def test_4_what_is_left_stands_in_one_rack() -> None:
    one = only(fail("pdu-1", computes=service("web", "n1", "n4", "n5", rules=[SPREAD_POWER, SPREAD_RACKS])))
    assert [rule.reason for rule in one.rules] == ["", "all 2 left are in rack r3"]
    assert one.views == {"datacenter": (1, 1), "power": (3, 2), "network": (2, 1), "rack": (2, 1)}
    assert [rule.rule.axis for rule in one.broken] == ["rack"]


@pytest.mark.design("J3", "J11")
def test_5_the_last_one_left_is_no_spread() -> None:
    one = only(fail("feed-a", computes=service("web", "n1", "n3", rules=[SPREAD_POWER])))
    assert [rule.reason for rule in one.rules] == ["the only one left is in power feed-b"]
    assert not one.is_down


@pytest.mark.design("J4")
def test_6_a_hard_spread_that_could_not_be_made_again() -> None:
    """Three replicas in three racks; r1 falls: two are left in two racks, a third rack there is not."""
    one = only(fail("s1", "s2", computes=service("web", "n1", "n3", "n4", rules=[SPREAD_RACKS])))
    assert [rule.reason for rule in one.rules] == ["3 replicas need as many of rack, 2 stay up"]


@pytest.mark.design("J4")
def test_7_a_rack_that_a_hard_affinity_names_is_down() -> None:
    pinned = {"axis": "rack", "mode": "Affinity", "hard": True, "value": "r2"}
    one = only(fail("s3", computes=service("web", "n3", "n4", rules=[pinned])))
    assert [rule.reason for rule in one.rules] == ["rack r2 is down"]
    soft = only(fail("s3", computes=service("web", "n3", "n4", rules=[{**pinned, "hard": False}])))
    assert not soft.broken


@pytest.mark.design("J1")
def test_8_left_but_not_running_is_down_too() -> None:
    computes = service("web", "n1") + service("web", "n3", "n3", state="Stopped")[1:]
    one = only(fail("pdu-1", computes=computes))
    assert (one.left, one.running, one.is_down) == (1, 0, True)


@pytest.mark.design("J1")
def test_9_the_worst_services_come_first() -> None:
    computes = [
        *service("a-fine", "n1", "n3", "n4"),
        *service("b-below", "n1", "n3", rules=[SPREAD_POWER]),
        *service("c-down", "n2"),
    ]
    assert [each.owner[2] for each in fail("pdu-1", computes=computes).services] == ["c-down", "b-below", "a-fine"]


@pytest.mark.design("J1")
def test_10_what_is_not_placed_or_is_leaving_is_not_lost() -> None:
    computes = [*service("web", "n1", "", rules=[]), *service("old", "n1", status="Deleting")]
    found = fail("pdu-1", computes=computes)
    assert [compute.name for compute in found.computes] == ["web-0"]
    assert (only(found).replicas, only(found).lost, only(found).left) == (2, 1, 0)


def test_11_a_node_that_is_down_already_offers_no_domain() -> None:
    """Three replicas over three racks need r2, whose only node is down already: nothing new is broken by r1."""
    already = site(states={"n3": "Down"})
    one = only(fail("s1", "s2", computes=service("web", "n1", "n3", "n4", rules=[SPREAD_RACKS]), at=already))
    assert not one.broken


def test_12_a_node_without_a_machine_falls_by_its_own_name_only() -> None:
    lone = Site({}, site().clusters, [Node(name="n9", cluster="tokyo1", spec=NodeSpec())])
    computes = service("web", "n9")
    assert impact.of(Failure(), lone, computes).nodes == {}
    found = impact.of(Failure(nodes=frozenset({("tokyo1", "n9")})), lone, computes)
    assert found.nodes == {("tokyo1", "n9"): "itself"}
    assert only(found).is_down


@pytest.mark.design("J1")
def test_13_what_is_on_its_way_is_lost_with_the_node_it_comes_from_and_not_with_the_other() -> None:
    """web-0 runs on n1, and is being sent to n3: until it has arrived, only its copy on n1 is of use."""
    computes = service("web", "n1", "n4")
    computes[0] = computes[0].model_copy(update={"observed": {"node": "n1", "migrating_to": "n3"}})
    assert only(fail("s1", computes=computes)).lost == 1
    assert fail("s3", computes=computes).services == ()


@pytest.mark.design("J1", "K4")
def test_14_a_service_whose_loadbalancer_is_lost_is_cut_off_though_it_runs() -> None:
    """pdu-1: n1 and n2, with both instances of web's Loadbalancer. Its Computes are on n3 and n4, one nowhere yet."""
    web = service("web", "n3", "n4", "", rules=[SPREAD_RACKS])
    found = fail("pdu-1", computes=[*web, *service("far", "n5")], balancers=[balancer("web", "n1", "n2")])
    (lost,) = found.loadbalancers
    assert (lost.lost, lost.left, lost.running, lost.is_down) == (("n1", "n2"), 0, 0, True)
    assert lost.effect == "nothing answers at 172.16.10.100 any more"
    one = only(found)
    assert (one.owner[2], one.lost, one.left, one.is_down, one.is_cut_off) == ("web", 0, 2, False, True)
    assert not one.broken, "its rules are about its Computes, and those are where they were"


@pytest.mark.design("J1", "K4")
def test_15_what_is_left_of_a_loadbalancer_answers_where_its_node_is_up_and_it_was_ready() -> None:
    """pdu-1 takes the instance on n1; the one on n3 stays."""
    web = service("web", "n1", "n4")
    (lost,) = fail("pdu-1", computes=web, balancers=[balancer("web", "n1", "n3")]).loadbalancers
    assert (lost.lost, lost.left, lost.running, lost.is_down) == (("n1",), 1, 1, False)
    assert lost.effect == "1 of 2 instances answer at 172.16.10.100"
    already = site(states={"n3": "Down"})
    (lost,) = fail("pdu-1", computes=web, balancers=[balancer("web", "n1", "n3")], at=already).loadbalancers
    assert (lost.left, lost.running, lost.is_down) == (1, 0, True)
    (lost,) = fail("pdu-1", computes=web, balancers=[balancer("web", "n1", "n3", ready=0)]).loadbalancers
    assert lost.is_down


@pytest.mark.design("J1", "K4")
def test_16_loadbalancers_that_lose_nothing_or_are_leaving_are_not_told_and_the_worst_come_first() -> None:
    balancers = [
        balancer("a-half", "n1", "n3"),
        balancer("b-safe", "n3", "n4"),
        balancer("c-gone", "n2"),
        balancer("d-leaving", "n1", status="Deleting:Scheduled"),
        balancer("e-nowhere"),
    ]
    computes = [one for each in balancers for one in service(each.name, "n3", "n4")]
    found = fail("pdu-1", computes=computes, balancers=balancers)
    assert [each.loadbalancer.name for each in found.loadbalancers] == ["c-gone", "a-half"]
    assert [each.owner[2] for each in found.services] == ["c-gone", "a-half"]
