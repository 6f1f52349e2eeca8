"""What a link tells its cluster, and where the Observe stream goes on after it broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from controller.clock import VirtualClock
from controller.root.cluster_peer import ClusterPeer
from controller.root.reconcile.cluster_link import ClusterLink
from controller.store import changes, lease
from controller.store.database import Database, Fence, Tier
from controller.wire.cluster_pb2 import DigestBatch, ObservedBatch, ObserveRequest, SyncChunk
from tests.python.databases import Databases


class Peer:
    """Sends one batch on each stream, then breaks it off."""

    def __init__(self, *batches: ObservedBatch) -> None:
        self.asked: list[int] = []
        self.told: list[SyncChunk] = []
        self._batches = list(batches)

    @contextmanager
    def calling(self) -> Iterator[Peer]:
        yield self

    async def Sync(self, chunks: Iterable[SyncChunk], timeout: float) -> None:
        self.told += chunks

    async def Digests(self, request: object, timeout: float) -> AsyncIterator[DigestBatch]:
        yield DigestBatch()

    async def Observe(self, request: ObserveRequest) -> AsyncIterator[ObservedBatch]:
        self.asked.append(request.since)
        yield self._batches.pop(0)


def snapshot(version: int) -> ObservedBatch:
    return ObservedBatch(version=version, snapshot=True, snapshot_end=True)


@pytest.fixture
def db(sqlite_databases: Databases) -> Database:
    return sqlite_databases.new(Tier.ROOT)


@pytest.mark.design("H5")
async def test_after_a_restore_of_the_cluster_the_stream_goes_on_from_its_lower_versions(db: Database) -> None:
    term = db.write(lambda tx: lease.reassign(tx, "controller", "one", 0, 60)).term
    peer = Peer(snapshot(100), snapshot(5), ObservedBatch(version=6))
    fence = Fence("controller", term)
    link = ClusterLink("tokyo1", cast(ClusterPeer, peer), db, fence, VirtualClock(), lambda words: None)
    for _ in range(3):
        await link._read()
    assert peer.asked == [0, 100, 5]
    assert all(not chunk.owners for chunk in peer.told), "only the term is told"


@pytest.mark.design("H2", "H5")
async def test_a_wish_goes_with_the_version_that_it_is_of(db: Database) -> None:
    term = db.write(lambda tx: lease.reassign(tx, "controller", "one", 0, 60)).term
    db.write(lambda tx: tx.take_versions(41))
    head = db.read(changes.head)
    peer = Peer()
    link = ClusterLink(
        "tokyo1", cast(ClusterPeer, peer), db, Fence("controller", term), VirtualClock(), lambda words: None
    )
    link._known = {"Node tokyo1/node-0": "d1"}
    await link._send(frozenset(link._known))
    assert [(chunk.term, chunk.sequence, chunk.owners[0].gone) for chunk in peer.told] == [(term, head, True)]
    assert head > 40
