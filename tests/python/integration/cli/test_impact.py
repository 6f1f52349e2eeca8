"""resourcectl impact on the example site: words for things, tables and refusals."""

from __future__ import annotations

import json

import pytest

from controller.cli.exit_codes import ExitCode
from controller.model import document
from controller.model.node import NODE
from controller.store import resources
from controller.store.database import Database, Transaction
from tests.python.integration.cli.conftest import Shell

RACK = "floor-1-1-1-rack-1-1"
OTHER = "floor-1-1-1-rack-1-2"


@pytest.fixture
def placed(tokyo: Shell, db: Database) -> Shell:
    """web-0 and web-1 run in one rack, web-2 in the other; the cluster that would place them is played."""
    rules = [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity"}]
    rows = []
    for index, node in enumerate((f"{RACK}-server1", f"{RACK}-server2", f"{OTHER}-server1")):
        spec = {
            "service": "web",
            "index": index,
            "host_name": f"web-{index}.default.kanto",
            "cluster": "tokyo1",
            "provider": "libvirt",
            "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
            "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
            "schedule_policy": {"rules": rules},
        }
        made = document.parse({"kind": "Compute", "name": f"web-{index}", "region": "kanto", "spec": spec})
        rows.append(made.model_copy(update={"state": "Running", "observed": {"node": node}}))
    db.write(lambda tx: resources.insert(tx, rows))
    return tokyo


@pytest.mark.design("J1", "J4", "J11")
def test_a_rack_that_fails_is_told_with_what_is_left(placed: Shell) -> None:
    lines = placed.ok("impact", "rack", OTHER).splitlines()
    assert lines[0].split() == ["SERVICE", "REPLICAS", "LOST", "LEFT", "RUNNING", "VERDICT", "REASON"]
    assert lines[1].split(maxsplit=5)[:5] == ["default/kanto/web", "3", "1", "2", "2"]
    assert "below its rules" in lines[1]
    assert f"soft AntiAffinity over rack: all 2 left are in rack {RACK}" in lines[1]
    assert f"  node tokyo1/{OTHER}-server1 (itself), 1 Compute" in lines
    told = json.loads(placed.ok("impact", "rack", f"tokyo/{OTHER}", "-o", "json"))
    assert told["counts"]["computes"] == 1


@pytest.mark.design("J1")
def test_services_beyond_the_limit_are_counted(placed: Shell, db: Database) -> None:
    """web-0 and cart-0 are lost with one node; one service is shown."""
    web = json.loads(placed.ok("get", "vm", "web-0", "-o", "json"))
    spec = {**web["spec"], "service": "cart", "host_name": "cart-0.default.kanto"}
    cart = document.parse({"kind": "Compute", "name": "cart-0", "region": "kanto", "spec": spec})
    seen = {"state": "Running", "observed": {"node": f"{RACK}-server1"}}
    db.write(lambda tx: resources.insert(tx, [cart.model_copy(update=seen)]))
    lines = placed.ok("impact", "node", f"tokyo1/{RACK}-server1", "--limit", "1").splitlines()
    assert [line.split()[0] for line in lines[1:2]] == ["default/kanto/cart"]
    assert lines[2] == "and 1 more service"
    assert "more services" not in placed.ok("impact", "node", f"tokyo1/{RACK}-server1")


@pytest.mark.design("J1", "K4")
def test_a_service_that_loses_its_loadbalancer_is_cut_off(placed: Shell, db: Database) -> None:
    template = {"provider": "memory-lb", "network": "service"}
    spec = {"service": "web", "cluster": "tokyo1", "vip": "172.16.10.100", "template": template}
    made = document.parse({"kind": "Loadbalancer", "name": "web", "region": "kanto", "spec": spec})
    seen = {"nodes": [f"{OTHER}-server2"], "ready": 1}
    db.write(lambda tx: resources.insert(tx, [made.model_copy(update={"status": "Active", "observed": seen})]))
    lines = placed.ok("impact", "node", f"tokyo1/{OTHER}-server2").splitlines()
    effect = "nothing answers at 172.16.10.100 any more"
    row = next(line for line in lines if line.startswith("default/kanto/web"))
    assert row.split()[1:5] == ["3", "0", "3", "3"]
    assert "cut off" in row
    assert f"Loadbalancer: {effect}" in row
    assert f"  loadbalancer default/kanto/web on {OTHER}-server2: {effect}" in lines
    (head,) = [line for line in lines if "would go down" in line]
    assert head.endswith("1 Loadbalancer would lose instances, 1 of them all that answer")


@pytest.mark.design("J1", "J3")
def test_one_of_two_pdus_takes_no_node_down(placed: Shell) -> None:
    lines = placed.ok("impact", "pdu", f"{RACK}-pdu-a", "--datacenter", "tokyo").splitlines()
    assert "0 nodes and 0 Computes would go down" in lines[0]
    assert f"  device {RACK}-pdu-a (itself)" in lines


@pytest.mark.design("J1", "J2")
def test_a_datacenter_takes_everything(placed: Shell) -> None:
    told = json.loads(placed.ok("impact", "datacenter", "tokyo", "-o", "json"))
    assert [(one["name"], one["down"]) for one in told["services"]] == [("web", True)]
    assert told["counts"]["nodes"] == 4


def test_what_cannot_be_is_said_in_one_line(placed: Shell) -> None:
    for words, code, message in (
        (("cable", "x"), ExitCode.USAGE, "KIND 'cable' cannot fail"),
        (("pdu", f"{RACK}-server1"), ExitCode.USAGE, "must be a pdu, it is a Server"),
        (("pdu", "missing"), ExitCode.NOT_FOUND, "PhysicalResource tokyo/missing does not exist"),
        (("node", "missing"), ExitCode.NOT_FOUND, "Node tokyo1/missing does not exist"),
    ):
        result = placed.run("impact", *words)
        assert result.exit_code == code, result.output
        (line,) = result.stderr.splitlines()
        assert message in line


@pytest.mark.design("J3", "J5")
def test_a_node_without_power_or_network_domain_shows_a_dash(placed: Shell, db: Database) -> None:
    zones = {
        f"{RACK}-server1": {"power": "pdu-a", "network": "leaf-1"},
        f"{RACK}-server2": {"power": "pdu-b"},
        f"{OTHER}-server1": {"network": "leaf-2"},
    }

    def observe(tx: Transaction) -> None:
        nodes = [each for each in resources.list_all(tx, NODE) if each.name in zones]
        seen = [each.model_copy(update={"observed": each.observed | {"zones": zones[each.name]}}) for each in nodes]
        resources.update(tx, seen)

    db.write(observe)
    header, *rows = placed.ok("get", "nodes", "-o", "wide").splitlines()
    at = [header.index(title) for title in ("POWER", "NETWORK", "STATE")]
    shown = {row.split()[0]: (row[at[0] : at[1]].strip(), row[at[1] : at[2]].strip()) for row in rows}
    assert shown == {
        f"{RACK}-server1": ("pdu-a", "leaf-1"),
        f"{RACK}-server2": ("pdu-b", "-"),
        f"{OTHER}-server1": ("-", "leaf-2"),
        f"{OTHER}-server2": ("-", "-"),
    }
