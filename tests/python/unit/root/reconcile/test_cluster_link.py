"""What a link tells its cluster, and where the Observe stream goes on after it broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import pytest

from controller.clock import VirtualClock
from controller.errors import InternalError, InvalidInput, Problem, ResourceError
from controller.model.cluster import Cluster
from controller.model.node import NODE
from controller.root.cluster_peer import ClusterPeer
from controller.root.reconcile import observed_state
from controller.root.reconcile.cluster_link import ClusterLink
from controller.store import changes, events, lease, resources
from controller.store.database import Database, Fence, Tier, Transaction
from controller.wire.cluster_pb2 import DigestBatch, ObservedBatch, ObserveRequest, SyncChunk
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, node

REFUSED = InvalidInput([Problem("document", "is not known to this cluster")])


class Peer:
    """Sends one batch on each stream, then breaks it off."""

    def __init__(
        self,
        *batches: ObservedBatch,
        digests: Mapping[str, str] | None = None,
        refused: str = "",
        error: ResourceError = REFUSED,
    ) -> None:
        """``refused``: the owner that the cluster answers with ``error``; "*": whatever this root sends."""
        self._digests = dict(digests or {})
        self._refused = refused
        self._error = error
        self.asked: list[int] = []
        self.told: list[SyncChunk] = []
        self._batches = list(batches)

    @contextmanager
    def calling(self) -> Iterator[Peer]:
        yield self

    async def Sync(self, chunks: Iterable[SyncChunk], timeout: float) -> None:
        for chunk in chunks:
            if self._refused == "*" or any(each.owner == self._refused for each in chunk.owners):
                raise self._error
            self.told.append(chunk)

    def take_all_again(self) -> None:
        self._refused = ""

    async def Digests(self, request: object, timeout: float) -> AsyncIterator[DigestBatch]:
        yield DigestBatch(digests=self._digests)

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


@pytest.mark.design("H5", "G1")
async def test_the_cluster_is_told_once_every_owner_was_compared(db: Database) -> None:
    """A cluster whose database was restored acts on nothing before that."""
    term = db.write(lambda tx: lease.reassign(tx, "controller", "one", 0, 60)).term
    two = {"Node tokyo1/a": "d1", "Node tokyo1/b": "d1"}
    for known in ({}, two):
        peer = Peer(snapshot(1), digests=known)
        fence = Fence("controller", term)
        link = ClusterLink("tokyo1", cast(ClusterPeer, peer), db, fence, VirtualClock(), lambda words: None)
        await link._read()
        for name in known:
            assert not any(chunk.complete for chunk in peer.told)
            await link._send(frozenset([name]))
        assert [chunk.complete for chunk in peer.told].count(True) == 1
        assert peer.told[-1].complete


TWO = {"Node tokyo1/a": "d1", "Node tokyo1/b": "d1"}


def link_to(peer: Peer, db: Database) -> ClusterLink:
    term = db.write(lambda tx: lease.reassign(tx, "controller", "one", 0, 60)).term
    fence = Fence("controller", term)
    return ClusterLink("tokyo1", cast(ClusterPeer, peer), db, fence, VirtualClock(), lambda words: None)


def rounds(peer: Peer) -> int:
    return [chunk.complete for chunk in peer.told].count(True)


@pytest.mark.design("H5", "G1")
async def test_a_round_that_is_slower_than_the_resync_comes_to_its_end(db: Database) -> None:
    """Each resync began the round again: a root that needs more than a minute held its clusters forever."""
    peer = Peer(snapshot(1), digests=TWO)
    link = link_to(peer, db)
    await link._read()
    await link._send(frozenset(["Node tokyo1/a"]))
    await link._owners()
    await link._send(frozenset(["Node tokyo1/b"]))
    assert rounds(peer) == 1
    await link._owners()
    await link._send(frozenset(TWO))
    assert rounds(peer) == 2, "a hold that began meanwhile waits for a round of its own"


@pytest.mark.design("H5", "G1")
async def test_an_owner_that_the_cluster_refuses_for_good_holds_nothing_up(db: Database) -> None:
    peer = Peer(snapshot(1), digests=TWO, refused="Node tokyo1/b")
    link = link_to(peer, db)
    await link._read()
    await link._send(frozenset(["Node tokyo1/a"]))
    assert rounds(peer) == 0
    with pytest.raises(InvalidInput):
        await link._send(frozenset(["Node tokyo1/b"]))
    assert rounds(peer) == 1


@pytest.mark.design("H5", "G1")
async def test_a_cluster_that_refuses_the_root_itself_has_compared_nothing(db: Database) -> None:
    peer = Peer(snapshot(1), digests=TWO, refused="*")
    link = link_to(peer, db)
    await link._owners()
    for name in TWO:
        with pytest.raises(InvalidInput):
            await link._send(frozenset([name]))
    peer.take_all_again()
    await link._send(frozenset(["Node tokyo1/a"]))
    assert rounds(peer) == 0
    await link._send(frozenset(["Node tokyo1/b"]))
    assert rounds(peer) == 1


@pytest.mark.design("H5", "G1", "A5")
@pytest.mark.parametrize(
    ("error", "observed", "ended"),
    [(REFUSED, {}, 1), (REFUSED, {"registered": True}, 0), (InternalError("internal error"), {}, 0)],
    ids=["refused", "joined", "internal"],
)
async def test_an_owner_that_a_cluster_cannot_apply_holds_no_other_up_and_shows_why(
    db: Database, error: ResourceError, observed: dict[str, object], ended: int
) -> None:
    """The cluster's hold ends without what it refused for good, but not before it knows each node that has joined."""
    rows = [node("a", "r1"), node("b", "r1").model_copy(update={"observed": observed})]
    home = Cluster.model_validate({"name": CLUSTER, "spec": {"region": "kanto", "datacenter": "tokyo"}})
    db.write(lambda tx: resources.insert(tx, [home]))
    db.write(lambda tx: resources.insert(tx, rows))
    peer = Peer(snapshot(1), digests=TWO, refused="Node tokyo1/b", error=error)
    link = link_to(peer, db)
    await link._read()
    await link._owners()
    with pytest.raises(type(error)):
        await link._send(frozenset(TWO))
    await link._send(frozenset(["Node tokyo1/a"]))
    assert rounds(peer) == 0
    for _ in range(2):
        with pytest.raises(type(error)):
            await link._send(frozenset(["Node tokyo1/b"]))
    assert rounds(peer) == ended

    def shown(tx: Transaction) -> tuple[str, list[str]]:
        found = events.of(tx, NODE.name, f"{CLUSTER}/b")
        return resources.get(tx, NODE.key(CLUSTER, "b")).status_reason, [each.spec.reason for each in found]

    reason, told = db.read(shown)
    assert reason.startswith(f"cluster {CLUSTER} has not applied this: {error.message}")
    assert told == ["NotApplied"]
    seen = rows[1].model_copy(update={"state": "Up"})
    assert observed_state.merge(db.read(lambda tx: resources.get(tx, NODE.key(CLUSTER, "b"))), seen).status_reason
    assert db.read(lambda tx: resources.get(tx, NODE.key(CLUSTER, "a"))).status_reason == ""
    peer.take_all_again()
    await link._send(frozenset(["Node tokyo1/b"]))
    assert db.read(shown)[0] == ""


@pytest.mark.design("H5", "G1")
async def test_the_root_remembers_which_agents_had_registered_though_a_restored_cluster_does_not(db: Database) -> None:
    rows = [node("a", "r1", registered=True), node("b", "r1")]
    db.write(lambda tx: resources.insert(tx, rows))
    peer = Peer(snapshot(1), digests=TWO)
    link = link_to(peer, db)
    await link._read()

    unknowing = observed_state.Batch(resources=[node("a", "r1").model_copy(update={"observed": {}})])
    db.write(lambda tx: observed_state.apply(tx, unknowing))
    link = link_to(peer, db)  # the root has been started again
    await link._owners()
    await link._note_compared(link._uncompared, frozenset(TWO))
    assert [list(chunk.joined) for chunk in peer.told if chunk.complete] == [["a"]]
    db.write(lambda tx: resources.delete(tx, [NODE.key(CLUSTER, "a")]))
    await link._owners()
    assert link._joined == set()
