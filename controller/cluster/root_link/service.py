"""ClusterService: the calls of the root to the cluster's API; only the root's two processes may call.

Design: G4
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from controller.cluster import owner_documents
from controller.cluster.agents.console import relay
from controller.cluster.forecast import admission, move_preview, rpc
from controller.cluster.moves import node_loss
from controller.cluster.root_link import apply_desired, stream_observed
from controller.cluster.unit_of_work import reported_copies, storage
from controller.errors import Conflict, InvalidInput, NotFound, Problem
from controller.model.compute import Compute
from controller.model.node import NODE
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import AnyResource
from controller.pki import ROOT
from controller.rpc import Channels
from controller.rpc.identity import Context, require_identity
from controller.store import processes, resources, restore_hold
from controller.store.changes import Feed
from controller.store.database import Database, Transaction
from controller.wire import cluster_pb2, cluster_pb2_grpc

_CONTROLLER = ("resource-controller",)
_BOTH = ("resource-controller", "resource-api")
_DIGESTS_PER_MESSAGE = 2000


class ClusterServicer(cluster_pb2_grpc.ClusterServiceServicer):
    """Serves the root."""

    def __init__(
        self,
        db: Database,
        feed: Feed,
        channels: Channels,
        cluster: str,
        *,
        connected: Callable[[str], bool],
        down_after: float,
    ) -> None:
        """``connected`` returns whether a node's agent has a session here; it is called from any thread.

        ``down_after`` is the time in seconds without a heartbeat before a node may be forgotten.
        """
        self._db = db
        self._feed = feed
        self._channels = channels
        self._cluster = cluster
        self._connected = connected
        self._down_after = down_after
        self._observers: set[asyncio.Task[Any]] = set()
        self._log = structlog.get_logger("cluster-service")

    async def Sync(
        self, request_iterator: AsyncIterator[cluster_pb2.SyncChunk], context: Context
    ) -> cluster_pb2.SyncReply:
        """Apply the desired state of the owners in the stream.

        Raises StaleTerm, Conflict (another root, or older than what was applied), InvalidInput. An
        owner whose documents are incomplete when the stream breaks is not changed.
        """
        require_identity(context, scope=ROOT, kinds=_CONTROLLER)
        parts: dict[str, list[AnyResource]] = {}
        async for chunk in request_iterator:
            owners: list[apply_desired.OwnerState] = []
            for state in chunk.owners:
                documents = parts.pop(state.owner, []) + owner_documents.parse(state.owner, state.documents)
                if state.more:
                    parts[state.owner] = documents
                else:
                    deleted = frozenset(state.deleted_uids)
                    owners.append(apply_desired.OwnerState(state.owner, state.digest, documents, state.gone, deleted))
            if owners:
                await self._db.awrite(partial(_apply, cluster=self._cluster, chunk=chunk, owners=owners))
            elif not chunk.owners:  # a new master announces its term
                await self._db.awrite(partial(_apply, cluster=self._cluster, chunk=chunk, owners=()))
        if parts:
            raise InvalidInput([Problem(owner, "its documents are incomplete") for owner in parts])
        return cluster_pb2.SyncReply()

    async def Digests(
        self, request: cluster_pb2.DigestsRequest, context: Context
    ) -> AsyncIterator[cluster_pb2.DigestBatch]:
        """Return the digest of the state applied last, by owner, in parts."""
        require_identity(context, scope=ROOT, kinds=_CONTROLLER)
        known = list((await self._db.aread(apply_desired.digests)).items())
        for start in range(0, len(known), _DIGESTS_PER_MESSAGE):
            yield cluster_pb2.DigestBatch(digests=dict(known[start : start + _DIGESTS_PER_MESSAGE]))

    async def Observe(
        self, request: cluster_pb2.ObserveRequest, context: Context
    ) -> AsyncIterator[cluster_pb2.ObservedBatch]:
        """Stream the observed state until the process drains."""
        require_identity(context, scope=ROOT, kinds=_CONTROLLER)
        task = asyncio.current_task()
        assert task is not None
        self._observers.add(task)
        try:
            async for batch in stream_observed.Observer(self._db, self._feed, self._cluster).batches(request.since):
                yield batch
        finally:
            self._observers.discard(task)

    def stop(self) -> None:
        """End the streams of observed state; they do not end by themselves."""
        for task in list(self._observers):
            task.cancel()

    async def Offer(self, request: cluster_pb2.OfferRequest, context: Context) -> cluster_pb2.OfferReply:
        """Return whether the cluster would take the Computes now; raises InvalidInput."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        documents = owner_documents.parse(REGION_SERVICE.name, request.computes)
        computes = [each for each in documents if isinstance(each, Compute)]
        made = await self._db.aread(partial(admission.offer, cluster=self._cluster, computes=computes))
        return cluster_pb2.OfferReply(
            accepted=made.accepted,
            reasons=made.reasons,
            placements=[cluster_pb2.Placement(compute=name, node=node) for name, node in made.placements.items()],
        )

    async def PlanMoves(self, request: cluster_pb2.PlanMovesRequest, context: Context) -> cluster_pb2.PlanMovesReply:
        """Return the moves that a drain or a rebalance would make now; raises InvalidInput."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        work = partial(move_preview.answer, cluster=self._cluster, question=request.question)
        return cluster_pb2.PlanMovesReply(plan=await self._db.aread(work))

    async def Capacity(self, request: cluster_pb2.CapacityRequest, context: Context) -> cluster_pb2.CapacityReply:
        """Return sums over the nodes that take new resources."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        sums = await self._db.aread(partial(admission.totals, cluster=self._cluster))
        return cluster_pb2.CapacityReply(
            free_vcpus=int(sums.free.vcpus),
            free_memory_mib=sums.free.memory_mib,
            free_disk_gib=sums.free.disk_gib,
            total_vcpus=int(sums.total.vcpus),
            total_memory_mib=sums.total.memory_mib,
            total_disk_gib=sums.total.disk_gib,
            nodes=sums.nodes,
        )

    async def Forecast(self, request: cluster_pb2.ForecastRequest, context: Context) -> cluster_pb2.ForecastReply:
        """Return where the Computes of services would go; raises InvalidInput."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        return await rpc.forecast(self._db, self._cluster, request)

    async def Headroom(self, request: cluster_pb2.HeadroomRequest, context: Context) -> cluster_pb2.HeadroomReply:
        """Return how many more of each flavor fit; raises InvalidInput."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        return await rpc.headroom(self._db, self._cluster, request)

    async def ScheduleSnapshot(
        self, request: cluster_pb2.ScheduleSnapshotRequest, context: Context
    ) -> AsyncIterator[cluster_pb2.ScheduleSnapshotPart]:
        """Return what placement reads of the cluster, in parts."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        async for part in rpc.schedule_snapshot(self._db, self._cluster):
            yield part

    async def ForgetNode(self, request: cluster_pb2.ForgetNodeRequest, context: Context) -> cluster_pb2.ForgetNodeReply:
        """Drop everything that is assigned to a lost node, see ``forget_node``."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        work = partial(
            forget_node,
            cluster=self._cluster,
            site=request.site,
            term=request.term,
            name=request.node,
            connected=self._connected,
            down_after=self._down_after,
        )
        had = await self._db.awrite(work)
        self._log.warning("node forgotten", node=request.node, computes=len(had))
        return cluster_pb2.ForgetNodeReply(computes=had)

    async def Console(
        self, request_iterator: AsyncIterator[cluster_pb2.ConsoleData], context: Context
    ) -> AsyncIterator[cluster_pb2.ConsoleData]:
        """Relay the console of a Compute; raises NotFound, Conflict, Unavailable."""
        require_identity(context, scope=ROOT, kinds=_BOTH)
        async for data in relay(self._db, self._channels, self._cluster, request_iterator):
            yield data


def forget_node(
    tx: Transaction,
    cluster: str,
    site: str,
    term: int,
    name: str,
    *,
    connected: Callable[[str], bool],
    down_after: float,
) -> list[str]:
    """Drop everything that is assigned to a lost node; return the keys of what it had.

    A node is lost if it is not Up, has no session here and sent no heartbeat for ``down_after`` seconds:
    its state alone is as old as the controller's last reading. The controller, woken by the changes,
    does the rest. Raises StaleTerm, NotFound, Conflict (the node is not lost).
    """
    apply_desired.check_site(tx, site)
    apply_desired.check_term(tx, term)
    node = resources.find(tx, NODE.key(cluster, name))
    if node is None:
        raise NotFound(f"cluster {cluster} has no node {name!r}")
    if node.state == "Up":
        raise Conflict(f"{name} is Up: drain it, or fence it first")
    if connected(name):
        raise Conflict(f"the agent of {name} is connected: drain the node, or fence it first")
    beat = processes.beats(tx).get(name)
    if beat is not None and (quiet := tx.now - beat.at) < timedelta(seconds=down_after):
        raise Conflict(
            f"{name} sent a heartbeat {quiet.total_seconds():.0f} s ago: drain it, or fence it "
            f"and call again when it has sent none for {down_after:g} s"
        )
    work = storage.load_of_node(tx, cluster, name)
    restore_hold.forget_set_aside(tx, name)
    had = node_loss.forget(work, name, restore_hold.set_aside(tx))
    storage.store(tx, work)
    restore_hold.release(tx, node)
    reported_copies.forget(tx, name)
    return had


def _apply(
    tx: Transaction, cluster: str, chunk: cluster_pb2.SyncChunk, owners: Sequence[apply_desired.OwnerState]
) -> None:
    apply_desired.check_site(tx, chunk.site)
    if owners:
        apply_desired.apply(tx, chunk.term, owners, chunk.sequence)
    else:
        apply_desired.check_term(tx, chunk.term)
        if chunk.complete:
            restore_hold.hold_joined(tx, cluster, chunk.joined)
            restore_hold.note_root_complete(tx)
