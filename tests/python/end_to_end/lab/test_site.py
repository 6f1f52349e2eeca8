"""The example site with real virtual machines: what a user does in the first hour."""

from __future__ import annotations

import os

import pytest

from controller.lab import keeper, up
from controller.model import registry
from tests.python.end_to_end.lab.conftest import EXAMPLES
from tests.python.end_to_end.lab.site import WEB, Site, compute, watched
from tests.python.integration.lab.conftest import traces

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]


@pytest.mark.design("A1", "A2", "A4", "A5", "A6", "B5", "J4")
def test_up_ends_with_three_machines_spread_over_racks_that_answer(site: Site) -> None:
    site.until_settled(3)
    racks = [row["observed"]["rack"] for row in site.computes()]
    assert len(set(racks)) == 2
    assert len({row["observed"]["node"] for row in site.computes()}) == 3


def test_up_again_changes_nothing(site: Site) -> None:
    before, answers = site.computes(), site.answers()
    result = up.up(site.lab.settings, EXAMPLES)
    assert result.complete
    after = site.computes()
    assert [(row["uid"], row["revision"], row["observed"]["node"]) for row in after] == [
        (row["uid"], row["revision"], row["observed"]["node"]) for row in before
    ]
    assert {name: answer["boot_id"] for name, answer in site.answers().items()} == {
        name: answer["boot_id"] for name, answer in answers.items()
    }


@pytest.mark.design("K2", "K3")
def test_scale_up_down_and_delete_one_by_name(site: Site) -> None:
    before = site.answers()
    site.act(WEB, "scale", {"replicas": 5})
    site.until_settled(5)
    site.act(WEB, "scale", {"replicas": 3})
    site.until_settled(3)
    assert {name: answer["boot_id"] for name, answer in site.answers().items()} == {
        name: answer["boot_id"] for name, answer in before.items()
    }, "the tail went, the others were left alone"
    site.call(lambda client: client.delete(compute("web-1")))
    site.until_settled(2)
    assert [row["name"] for row in site.computes()] == ["web-0", "web-2"]


@pytest.mark.design("E1", "E10")
def test_a_machine_migrates_without_a_reboot(site: Site) -> None:
    name = site.computes()[0]["name"]
    before = site.answers()[name]
    source = site.node_of(name)
    used = {row["observed"]["node"] for row in site.computes()}
    target = next(node for node in site.lab.nodes if node.name not in used)
    with watched(site.lab) as twice:
        site.act(compute(name), "migrate", {"node": target.name})
        site.until(lambda: "" if site.node_of(name) == target else f"still on {source.name}")
        site.until_settled(len(site.computes()))
    after = site.answers()[name]
    assert twice == []
    assert after["boot_id"] == before["boot_id"]
    assert after["uptime"] > before["uptime"]


def test_a_drained_node_is_empty_and_its_machines_run_on_elsewhere(site: Site) -> None:
    row = site.computes()[0]
    node, boot = row["observed"]["node"], site.answers()[row["name"]]["boot_id"]
    key = registry.get("Node").key("tokyo1", node)
    with watched(site.lab) as twice:
        site.act(key, "drain")
        site.until(lambda: "" if site.node_of(row["name"]).name != node else f"still on {node}")
        site.until_settled(len(site.computes()))
    site.act(key, "uncordon")
    assert twice == []
    assert site.answers()[row["name"]]["boot_id"] == boot


def test_machines_run_on_while_the_control_plane_is_away(site: Site) -> None:
    before = site.answers()
    keeper.stop(site.lab)
    addresses = [answer["addresses"] for answer in before.values()]
    assert keeper.running(site.lab.settings.state) is None
    assert len(site.machines()) == len(addresses)
    assert up.up(site.lab.settings, EXAMPLES).complete
    assert {name: answer["boot_id"] for name, answer in site.answers().items()} == {
        name: answer["boot_id"] for name, answer in before.items()
    }


@pytest.mark.design("K4")
def test_after_delete_and_down_nothing_is_left(site: Site) -> None:
    site.call(lambda client: client.delete(WEB))
    site.until(lambda: f"{site.computes()} {site.machines()}" if site.computes() or site.machines() else "")
    assert site.leaks() == ""
    up.down(site.lab.settings)
    assert traces(site.lab) == []
