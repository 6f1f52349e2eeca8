"""Which node may be forgotten: the controller that shows its state may be down."""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import held_reports
from controller.cluster.reconcile import adoption, node_state
from controller.cluster.root_link import apply_desired
from controller.cluster.root_link.service import forget_node
from controller.cluster.settings import ClusterApiSettings, ClusterControllerSettings
from controller.errors import Conflict
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import COMPUTE, Compute
from controller.model.node import NODE
from controller.model.registry import key_of
from controller.store import processes, resources, restore_hold
from controller.store.database import Database, Tier, Transaction
from controller.wire.agent_pb2 import ResourceReport
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node

pytestmark = pytest.mark.design("D5", "G6")


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """Has node-0, shown as Down by a controller that has gone away since."""
    made = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    row = node("node-0", "rack-0", registered=True).model_copy(update={"status": "Active", "state": "Down"})
    made.write(lambda tx: resources.insert(tx, [row]))
    return made


def forget(db: Database, *connected: str, site: str = "s1") -> list[str]:
    def work(tx: Transaction) -> list[str]:
        return forget_node(tx, CLUSTER, site, 1, "node-0", connected=connected.__contains__, down_after=60.0)

    return db.write(work)


def test_a_node_with_a_recent_heartbeat_is_kept_whatever_its_state_is(db: Database, clock: VirtualClock) -> None:
    db.write(lambda tx: processes.beat(tx, {"node-0": (tx.now, True, "")}))
    clock.shift(59.0)
    with pytest.raises(Conflict, match=r"node-0 sent a heartbeat 59 s ago.*none for 60 s"):
        forget(db)
    clock.shift(2.0)
    assert forget(db) == []


def test_a_node_whose_agent_is_connected_is_kept(db: Database) -> None:
    with pytest.raises(Conflict, match="agent of node-0 is connected"):
        forget(db, "node-0")
    assert forget(db, "node-1") == []


@pytest.mark.parametrize("site", ["s2", ""])
def test_only_the_clusters_own_root_may_give_a_node_up(db: Database, site: str) -> None:
    db.write(lambda tx: apply_desired.check_site(tx, "s1"))
    with pytest.raises(Conflict, match=f"this cluster is of site s1, and the calling root is {site or 'of none'}"):
        forget(db, site=site)
    assert forget(db) == []


def test_both_processes_wait_alike() -> None:
    api, controller = (
        each.model_fields["down_after_seconds"].default for each in (ClusterApiSettings, ClusterControllerSettings)
    )
    assert api == controller


@pytest.mark.design("G1")
def test_the_report_of_a_lost_node_is_not_waited_for_after_a_restore(db: Database) -> None:
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    reason = "waits until node-0 has reported: the cluster's database was restored"
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)) == reason
    forget(db)
    assert db.read(restore_hold.held) == []
    waits_for_root = "waits for the root: the cluster's database was restored"
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)) == waits_for_root, "with no node left as well"
    db.write(restore_hold.note_root_complete)
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)) == ""


def test_what_a_node_has_reported_during_a_hold_is_lost_with_it(db: Database, clock: VirtualClock) -> None:
    """Its Compute ran there and the backup does not know; the node is deleted before the others have reported."""
    lost = compute("web-0").model_copy(update={"status": "Initializing"})

    def report(tx: Transaction) -> None:
        resources.insert(tx, [lost])
        resources.insert(tx, [node("node-1", "rack-1", registered=True)])
        restore_hold.begin(tx, new_epoch=True)
        running = ResourceReport(resource_uid=lost.uid, assignment=f"{lost.uid}-9", role="Owner", state="Running")
        assert held_reports.take(tx, CLUSTER, "node-0", [running])

    db.write(report)
    clock.shift(120.0)
    forget(db)

    def leave(tx: Transaction) -> bool:
        row = resources.get(tx, NODE.key(CLUSTER, "node-0"))
        resources.update(tx, [row.model_copy(update={"status": "Deleting"})])
        return node_state.remove_empty(tx, resources.get(tx, key_of(row)))

    assert db.write(leave)
    db.write(lambda tx: held_reports.take(tx, CLUSTER, "node-1", []))
    db.write(restore_hold.note_root_complete)
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)) == ""
    assert not db.read(restore_hold.is_active)
    assert db.read(lambda tx: resources.list_all(tx, ASSIGNMENT)) == []
    assert db.read(lambda tx: resources.get(tx, key_of(lost))).facts.node == ""


@pytest.mark.design("G1")
def test_what_is_set_aside_waits_until_every_node_that_may_have_it_is_lost(db: Database) -> None:
    """It kept waiting for ever, without the reason and the commands that end it."""

    def fill(tx: Transaction) -> None:
        web = compute("web-0").model_copy(update={"status": "Error", "status_reason": "run `resourcectl db hold`"})
        spec = {"resource": key_of(web).path, "resource_kind": "Compute", "resource_uid": web.uid, "node": "node-0"}
        made = Assignment.model_validate(
            {"name": f"{web.uid}-1", "cluster": CLUSTER, "spec": {**spec, "role": "Owner"}}
        )
        resources.insert(tx, [web.model_copy(update={"observed": {"assignments": [made.name]}})])
        resources.insert(tx, [made])
        resources.insert(tx, [node("node-1", "rack-1")])
        restore_hold.end(tx, {web.uid: ["node-0", "node-1"]})

    def row() -> Compute:
        return db.read(lambda tx: resources.get(tx, COMPUTE.key("kanto", "web-0")))

    db.write(fill)
    forget(db)
    assert (row().status, row().status_reason) == ("Error", "run `resourcectl db hold`")
    assert db.read(restore_hold.set_aside) == {row().uid}
    db.write(lambda tx: restore_hold.forget_set_aside(tx, "node-1"))
    assert db.read(restore_hold.set_aside) == set()
