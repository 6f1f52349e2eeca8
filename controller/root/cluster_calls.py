"""The root API's questions to clusters, over gRPC (``root.api.calls.ClusterCalls``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from controller.errors import NoRoom, ResourceError, Unavailable
from controller.model.cluster import CLUSTER, Cluster
from controller.model.region_service import RegionService
from controller.root.api.calls import ConsoleStream, Forecast
from controller.root.controller import placement
from controller.root.peer import CALL_DEADLINE, ClusterPeer
from controller.rpc import Channels, outgoing_metadata
from controller.store import lease, resources
from controller.store.database import Database
from controller.wire import cluster_pb2


class GrpcClusterCalls:
    """Implements ``ClusterCalls`` with the endpoints of the Cluster resources."""

    def __init__(self, db: Database, channels: Channels, lease_name: str) -> None:
        """``lease_name`` is the root controller's: a call that changes something carries its term."""
        self._db = db
        self._channels = channels
        self._lease = lease_name

    async def forecast(self, service: RegionService) -> Forecast:
        """Ask the clusters in J9's order; the first that accepts is the forecast."""
        asked = await self._db.aread(lambda tx: placement.candidates(tx, service))
        if not asked:
            return Forecast(unknown="no cluster of the region passes the service's cluster filters")
        refused: NoRoom | None = None
        for candidate in asked:
            cluster = candidate.cluster
            if not candidate.computes:
                return Forecast(cluster=cluster.name)
            try:
                placements = await ClusterPeer.of(cluster, self._channels).offer(candidate.computes)
                return Forecast(cluster=cluster.name, placements=placements)
            except NoRoom as error:
                refused = error
            except ResourceError as error:
                return Forecast(unknown=f"cluster {cluster.name}: {error.message}")
        return Forecast(reasons=refused.reasons if refused else {})

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        """Drop the assignments of a lost node; see ``ClusterService.ForgetNode``."""
        peer, held = await self._peer(cluster), await self._db.aread(lambda tx: lease.get(tx, self._lease))
        request = cluster_pb2.ForgetNodeRequest(node=node, term=held.term if held else 0)
        with peer.calling() as stub:
            reply = await stub.ForgetNode(request, timeout=CALL_DEADLINE)
        return list(reply.computes)

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        """Free and total amounts of the cluster."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            reply = await stub.Capacity(cluster_pb2.CapacityRequest(), timeout=CALL_DEADLINE)
        return {descriptor.name: getattr(reply, descriptor.name) for descriptor in reply.DESCRIPTOR.fields}

    @asynccontextmanager
    async def console(self, cluster: str, compute: str) -> AsyncIterator[ConsoleStream]:
        """A relay to the serial console of the Compute."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            call = stub.Console(metadata=outgoing_metadata())
            await call.write(cluster_pb2.ConsoleData(compute=compute))
            try:
                yield _Console(call)
            finally:
                call.cancel()

    async def _peer(self, cluster: str) -> ClusterPeer:
        found = cast(Cluster, await self._db.aread(lambda tx: resources.get(tx, CLUSTER.key(cluster))))
        if not found.spec.endpoint:
            raise Unavailable(f"cluster {cluster!r} has no endpoint")
        return ClusterPeer.of(found, self._channels)


class _Console:
    """A ConsoleStream over a gRPC call."""

    def __init__(self, call: object) -> None:
        self._call = cast("_Call", call)
        self._writing = asyncio.Lock()

    async def send(self, data: bytes) -> None:
        async with self._writing:
            await self._call.write(cluster_pb2.ConsoleData(data=data))

    async def received(self) -> AsyncIterator[bytes]:
        async for message in self._call:
            yield message.data


class _Call(AsyncIterator[cluster_pb2.ConsoleData]):
    """What is used of a bidirectional call."""

    async def write(self, message: cluster_pb2.ConsoleData) -> None: ...
