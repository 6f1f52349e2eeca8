"""The root API's calls to clusters, over gRPC. Implements ``root.cluster_gateway.ClusterCalls``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from controller.errors import Unavailable
from controller.model.cluster import CLUSTER, Cluster
from controller.model.flavor import ResourceFlavor
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource
from controller.root.cluster_gateway import ConsoleStream, Forecast
from controller.root.cluster_peer import CALL_DEADLINE, ClusterPeer
from controller.root.placement import forecast
from controller.rpc import Channels, outgoing_metadata
from controller.store import lease, resources, schema
from controller.store.database import Database
from controller.wire import cluster_pb2

LONG_DEADLINE = 120.0
"""Seconds for a call that reads the whole cluster."""


class GrpcClusterCalls:
    """Calls the clusters at the endpoints of the Cluster resources."""

    def __init__(self, db: Database, channels: Channels, lease_name: str) -> None:
        """``lease_name``: the lease of the root controller. A call that writes carries the term of that lease."""
        self._db = db
        self._channels = channels
        self._lease = lease_name

    async def forecasts(self, services: Sequence[RegionService], planned: Sequence[AnyResource]) -> Sequence[Forecast]:
        """Return the forecast of each service: that of the first cluster that accepts it."""
        prepared = await self._db.aread(lambda tx: [forecast.prepare(tx, each, planned) for each in services])
        return await forecast.ask(prepared, self._forecast)

    async def _forecast(self, cluster: Cluster, requests: Sequence[cluster_pb2.ServiceRequest]) -> Sequence[bytes]:
        if not cluster.spec.endpoint:
            raise Unavailable(f"cluster {cluster.name!r} has no endpoint")
        with ClusterPeer.of(cluster, self._channels).calling() as stub:
            reply = await stub.Forecast(cluster_pb2.ForecastRequest(services=requests), timeout=CALL_DEADLINE)
        return list(reply.forecasts)

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        """Delete the assignments of a lost node; see ``ClusterService.ForgetNode``."""
        peer, held = await self._peer(cluster), await self._db.aread(lambda tx: lease.get(tx, self._lease))
        site = await self._db.aread(lambda tx: schema.site(tx.connection))
        request = cluster_pb2.ForgetNodeRequest(node=node, site=site, term=held.term if held else 0)
        with peer.calling() as stub:
            reply = await stub.ForgetNode(request, timeout=CALL_DEADLINE)
        return list(reply.computes)

    async def plan_moves(self, cluster: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the moves of a drain or a rebalance; see ``ClusterService.PlanMoves``."""
        request = cluster_pb2.PlanMovesRequest(question=json.dumps(question).encode())
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            reply = await stub.PlanMoves(request, timeout=CALL_DEADLINE)
        plan: dict[str, Any] = json.loads(reply.plan)
        return plan

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        """Return the free and total amounts of the cluster."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            reply = await stub.Capacity(cluster_pb2.CapacityRequest(), timeout=CALL_DEADLINE)
        return {descriptor.name: getattr(reply, descriptor.name) for descriptor in reply.DESCRIPTOR.fields}

    async def headroom(self, cluster: str, flavors: Sequence[ResourceFlavor], *, everything: bool) -> Mapping[str, Any]:
        """Return how many more of each flavor fit."""
        peer = await self._peer(cluster)
        documents = [flavor.model_dump_json().encode() for flavor in flavors]
        request = cluster_pb2.HeadroomRequest(flavors=documents, everything=everything)
        with peer.calling() as stub:
            reply = await stub.Headroom(request, timeout=LONG_DEADLINE)
        report: Mapping[str, Any] = json.loads(reply.report)
        return report

    async def schedule_snapshot(self, cluster: str) -> AsyncGenerator[bytes, None]:
        """Return all that placement reads of the cluster, as JSON in parts."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            async for part in stub.ScheduleSnapshot(cluster_pb2.ScheduleSnapshotRequest(), timeout=LONG_DEADLINE):
                yield part.data

    @asynccontextmanager
    async def console(self, cluster: str, compute: str) -> AsyncIterator[ConsoleStream]:
        """Open a relay to the serial console of the Compute."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            call = stub.Console(metadata=outgoing_metadata())
            await call.write(cluster_pb2.ConsoleData(compute=compute))
            try:
                yield _Console(call)
            finally:
                call.cancel()

    async def _peer(self, cluster: str) -> ClusterPeer:
        found = await self._db.aread(lambda tx: resources.get(tx, CLUSTER.key(cluster)))
        if not found.spec.endpoint:
            raise Unavailable(f"cluster {cluster!r} has no endpoint")
        return ClusterPeer.of(found, self._channels)


class _Call(Protocol):
    """The part of a bidirectional call that a console needs."""

    async def write(self, message: cluster_pb2.ConsoleData) -> None: ...

    def __aiter__(self) -> AsyncIterator[cluster_pb2.ConsoleData]: ...


class _Console:
    """A ConsoleStream over a gRPC call."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._writing = asyncio.Lock()

    async def send(self, data: bytes) -> None:
        async with self._writing:
            await self._call.write(cluster_pb2.ConsoleData(data=data))

    async def received(self) -> AsyncIterator[bytes]:
        async for message in self._call:
            yield message.data
