"""Push of the status of devices: only when asked, only of devices that are nodes, and nothing else of them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from controller.model.node import NODE
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.cli.conftest import Shell
from tests.python.integration.netbox.conftest import MAPPING
from tests.python.integration.netbox.standin import StandIn

DEVICES = "dcim/devices"
ASKED = MAPPING + "push: {devices: {unknown: null}}\n"
NODES = """
[{"kind": "Cluster", "name": "c1", "spec": {"region": "germany", "datacenter": "dc1"}},
 {"kind": "PhysicalResource", "name": "mine", "datacenter": "dc1", "spec": {"role": "Server"}},
 {"kind": "Node", "name": "n1", "cluster": "c1", "spec": {"physical_resource": "dc1-r001-srv01"}},
 {"kind": "Node", "name": "n2", "cluster": "c1", "spec": {"physical_resource": "dc1-r001-srv02"}},
 {"kind": "Node", "name": "n3", "cluster": "c1", "spec": {"physical_resource": "mine"}},
 {"kind": "Node", "name": "n4", "cluster": "c1"}]
"""


def _see(db: Database, **states: str) -> None:
    """As the cluster reports its nodes."""

    def change(tx: Any) -> None:
        stored = {one.name: one for one in resources.list_all(tx, NODE)}
        resources.update(tx, [stored[name].model_copy(update={"state": state}) for name, state in states.items()])

    db.write(change)


@pytest.fixture
def nodes(ops: Shell, db: Database, netbox: StandIn, mapping: str) -> Shell:
    """Pulled, with nodes that are down, and NetBox knows the cluster already."""
    ops.ok("netbox", "pull", "-m", mapping)
    ops.ok("apply", "-f", "-", stdin=NODES)
    _see(db, n1="Down", n2="Down", n3="Down", n4="Down")
    ops.ok("netbox", "push", "-m", mapping)
    assert not [write for write in netbox.writes if write[1] == DEVICES]
    netbox.writes.clear()
    return ops


@pytest.mark.design("N4")
def test_no_device_is_written_unless_the_mapping_asks(nodes: Shell, netbox: StandIn, mapping: str) -> None:
    assert "0 to create, 0 to update" in nodes.ok("netbox", "push", "-m", mapping)
    assert not netbox.writes


@pytest.mark.design("N4")
def test_status_of_devices_follows_their_nodes_and_nothing_else_is_touched(
    nodes: Shell, db: Database, netbox: StandIn, mapping: str
) -> None:
    nodes.write("netbox.yaml", ASKED)
    netbox.find(DEVICES, name="dc1-r001-srv02")["status"] = {"value": "planned", "label": "Planned"}
    by_hand = {**netbox.find(DEVICES, name="dc1-r001-srv03"), "id": 9999, "name": "mine"}
    netbox.lists[DEVICES][9999] = by_hand
    before = copy.deepcopy(netbox.lists)
    planned = nodes.ok("netbox", "push", "-m", mapping, "--dry-run")
    assert "dc1/dc1-r001-srv01" in planned
    assert "status: active -> offline" in planned
    assert "left as it is: dcim/devices dc1/dc1-r001-srv02 is planned, which a push does not replace" in planned
    assert netbox.lists == before
    assert "0 to create, 1 to update" in nodes.ok("netbox", "push", "-m", mapping)
    assert netbox.writes == [("update", DEVICES, 1)]
    device = netbox.find(DEVICES, name="dc1-r001-srv01")
    assert device["status"]["value"] == "offline"
    device["status"] = before[DEVICES][device["id"]]["status"]
    assert netbox.lists == before
    assert by_hand["status"]["value"] == "active"


@pytest.mark.design("N4")
def test_a_second_push_of_status_writes_nothing_and_a_node_that_is_back_is_active(
    nodes: Shell, db: Database, netbox: StandIn, mapping: str
) -> None:
    nodes.write("netbox.yaml", ASKED)
    nodes.ok("netbox", "push", "-m", mapping)
    netbox.writes.clear()
    nodes.ok("netbox", "push", "-m", mapping)
    _see(db, n1="Unknown")
    nodes.ok("netbox", "push", "-m", mapping)
    assert not netbox.writes
    _see(db, n1="Up")
    assert "status: offline -> active" in nodes.ok("netbox", "push", "-m", mapping)
    assert "0 differ" in nodes.ok("netbox", "pull", "-m", mapping)


@pytest.mark.design("N4")
def test_devices_that_another_netbox_has_are_not_written(nodes: Shell, netbox: StandIn, mapping: str) -> None:
    nodes.write("netbox.yaml", ASKED + "instance: other\n")
    assert "0 to create, 0 to update" in nodes.ok("netbox", "push", "-m", mapping, "--dry-run")
    nodes.write("netbox.yaml", ASKED)
    assert "0 to create, 0 to update" not in nodes.ok("netbox", "push", "-m", mapping, "--dry-run")


@pytest.mark.design("N4")
def test_devices_of_a_version_without_instances_are_written_after_a_pull(nodes: Shell, mapping: str) -> None:
    """Their netbox-id may be that of another NetBox."""
    nodes.write("netbox.yaml", ASKED)
    documents = json.loads(nodes.ok("get", "physical-resources", "-o", "json"))
    for one in documents:
        one["labels"].pop("netbox-instance", None)
    nodes.ok("apply", "-f", "-", stdin=json.dumps(documents))
    assert "0 to create, 0 to update" in nodes.ok("netbox", "push", "-m", mapping)
    nodes.ok("netbox", "pull", "-m", mapping)
    assert "0 to create, 2 to update" in nodes.ok("netbox", "push", "-m", mapping)
