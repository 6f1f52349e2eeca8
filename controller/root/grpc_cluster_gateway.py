"""The root API's questions to clusters, over gRPC (``root.cluster_gateway.ClusterCalls``)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

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
"""Seconds for what takes the whole cluster into account."""


class GrpcClusterCalls:
    """Implements ``ClusterCalls`` with the endpoints of the Cluster resources."""

    def __init__(self, db: Database, channels: Channels, lease_name: str) -> None:
        """``lease_name`` is the root controller's: a call that changes something carries its term."""
        self._db = db
        self._channels = channels
        self._lease = lease_name

    async def forecasts(self, services: Sequence[RegionService], beside: Sequence[AnyResource]) -> Sequence[Forecast]:
        """Ask the clusters in J9's order; the first that accepts is the forecast."""
        questions = await self._db.aread(lambda tx: [forecast.question(tx, each, beside) for each in services])
        return await forecast.ask(questions, self._forecast)

    async def _forecast(self, cluster: Cluster, wishes: Sequence[cluster_pb2.ServiceWish]) -> Sequence[bytes]:
        if not cluster.spec.endpoint:
            raise Unavailable(f"cluster {cluster.name!r} has no endpoint")
        with ClusterPeer.of(cluster, self._channels).calling() as stub:
            reply = await stub.Forecast(cluster_pb2.ForecastRequest(services=wishes), timeout=CALL_DEADLINE)
        return list(reply.forecasts)

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        """Drop the assignments of a lost node; see ``ClusterService.ForgetNode``."""
        peer, held = await self._peer(cluster), await self._db.aread(lambda tx: lease.get(tx, self._lease))
        site = await self._db.aread(lambda tx: schema.site(tx.connection))
        request = cluster_pb2.ForgetNodeRequest(node=node, site=site, term=held.term if held else 0)
        with peer.calling() as stub:
            reply = await stub.ForgetNode(request, timeout=CALL_DEADLINE)
        return list(reply.computes)

    async def plan_moves(self, cluster: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the cluster; see ``ClusterService.PlanMoves``."""
        request = cluster_pb2.PlanMovesRequest(question=json.dumps(question).encode())
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            reply = await stub.PlanMoves(request, timeout=CALL_DEADLINE)
        plan: dict[str, Any] = json.loads(reply.plan)
        return plan

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        """Free and total amounts of the cluster."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            reply = await stub.Capacity(cluster_pb2.CapacityRequest(), timeout=CALL_DEADLINE)
        return {descriptor.name: getattr(reply, descriptor.name) for descriptor in reply.DESCRIPTOR.fields}

    async def headroom(self, cluster: str, flavors: Sequence[ResourceFlavor], *, everything: bool) -> Mapping[str, Any]:
        """How many more of each flavor fit."""
        peer = await self._peer(cluster)
        documents = [flavor.model_dump_json().encode() for flavor in flavors]
        request = cluster_pb2.HeadroomRequest(flavors=documents, everything=everything)
        with peer.calling() as stub:
            reply = await stub.Headroom(request, timeout=LONG_DEADLINE)
        report: Mapping[str, Any] = json.loads(reply.report)
        return report

    async def schedule_snapshot(self, cluster: str) -> AsyncIterator[bytes]:
        """All that placement sees in the cluster, as JSON in parts."""
        peer = await self._peer(cluster)
        with peer.calling() as stub:
            async for part in stub.ScheduleSnapshot(cluster_pb2.ScheduleSnapshotRequest(), timeout=LONG_DEADLINE):
                yield part.data

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
        found = await self._db.aread(lambda tx: resources.get(tx, CLUSTER.key(cluster)))
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
