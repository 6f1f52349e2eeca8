"""Which node may be forgotten: the controller that shows its state may be down."""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.reconcile import adoption
from controller.cluster.root_link import apply_desired
from controller.cluster.root_link.service import forget_node
from controller.cluster.settings import ClusterApiSettings, ClusterControllerSettings
from controller.errors import Conflict
from controller.store import processes, resources, restore_hold
from controller.store.database import Database, Tier, Transaction
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, node

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
