"""What the controller remembers of its own writes: it must not grow while nobody else writes.

Own changes are passed over by the feed, so that no batch comes that would have the list cut.
"""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.reconcile.cluster_controller import ClusterController
from controller.model.node import Capacity
from controller.model.registry import key_of
from controller.store import capacity, changes, lease, resources
from controller.store.changes import Feed
from controller.store.database import Fence, Tier, Transaction
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node


@pytest.mark.design("G4", "J10")
async def test_passes_one_after_the_other_are_remembered_as_one(
    sqlite_databases: Databases, clock: VirtualClock
) -> None:
    db = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    rows = [compute(f"web-{index}").model_copy(update={"status": "Initializing"}) for index in range(20)]

    def fill(tx: Transaction) -> int:
        resources.insert(tx, [node("n1", "r1").model_copy(update={"state": "Up"})])
        capacity.set_total(tx, "n1", Capacity(vcpus=40, memory_mib=40960, disk_gib=400))
        resources.insert(tx, rows)
        return lease.reassign(tx, "cluster-controller", "one", 0, 10.0).term

    fence = Fence("cluster-controller", db.write(fill))
    controller = ClusterController(db, Feed(db, clock), fence, cluster=CLUSTER, clock=clock)
    before = db.read(changes.head)
    for row in rows[:10]:
        await controller._work(frozenset({str(key_of(row))}))
    assert controller._own == [range(before + 1, db.read(changes.head) + 1)]
    db.write(lambda tx: resources.insert(tx, [compute("db-0")]))
    for row in rows[10:]:
        await controller._work(frozenset({str(key_of(row))}))
    first, second = controller._own
    assert second.start == first.stop + 1, "what another wrote in between is not among them"
    assert second.stop == db.read(changes.head) + 1
