"""When digests may go out on the Observe stream."""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.root_link import apply_desired
from controller.cluster.root_link.apply_desired import OwnerState
from controller.cluster.root_link.stream_observed import Observer
from controller.store import changes
from controller.store.changes import Feed
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute

WEB = "RegionService default/kanto/web"


@pytest.fixture
def db(sqlite_databases: Databases) -> Database:
    return sqlite_databases.new(Tier.CLUSTER, cluster=CLUSTER)


def send_desired(db: Database, service: str, digest: str) -> int:
    """Apply a desired state; return the version that it led to."""
    owner = f"RegionService default/kanto/{service}"
    db.write(lambda tx: apply_desired.apply(tx, 1, [OwnerState(owner, digest, [compute(f"{service}-{digest}")])]))
    return db.read(changes.head)


@pytest.mark.design("H5")
async def test_a_busy_cluster_keeps_no_digest_back_for_ever(db: Database) -> None:
    """Something is written between any two looks; a digest goes once the rows of its own time were sent."""
    observer = Observer(db, Feed(db, VirtualClock()), CLUSTER)
    reached = send_desired(db, "web", "1")
    assert await observer._new_digests() == {}, "its rows are still to come"
    send_desired(db, "shop", "1")
    observer._version = reached
    assert await observer._new_digests() == {WEB: "1"}
    later = send_desired(db, "shop", "2")
    assert await observer._new_digests() == {}
    observer._version = later
    assert await observer._new_digests() == {"RegionService default/kanto/shop": "2"}
