"""The API of one cluster, for the root's controller and its API: a stub for each call, errors translated.

Each call gets its channel afresh, because channels change when the certificate is renewed (``rpc.channel``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from controller.errors import NoRoom
from controller.model.cluster import Cluster
from controller.model.compute import Compute
from controller.pki import server_name
from controller.rpc import Channels, translated
from controller.schedule import reasons
from controller.wire import cluster_pb2, cluster_pb2_grpc

CALL_DEADLINE = 20.0
"""Seconds for one call; a Sync of many owners is sent in several calls."""


@dataclass(frozen=True)
class ClusterPeer:
    """The API of one cluster."""

    name: str
    endpoint: str
    channels: Channels

    @classmethod
    def of(cls, cluster: Cluster, channels: Channels) -> ClusterPeer:
        """Return the peer for a Cluster resource."""
        return cls(cluster.name, cluster.spec.endpoint, channels)

    @contextmanager
    def calling(self) -> Iterator[cluster_pb2_grpc.ClusterServiceStub]:
        """Return a stub; its calls raise ResourceErrors (Unavailable, TimedOut, ...)."""
        expected = server_name(f"cluster/{self.name}", "cluster-api")
        with translated(f"cluster {self.name}"):
            yield cluster_pb2_grpc.ClusterServiceStub(self.channels.get(self.endpoint, expected))

    async def offer(self, computes: Iterable[Compute], timeout: float = CALL_DEADLINE) -> Mapping[str, str]:
        """Ask whether the cluster would accept these Computes; return the node by name of each.

        Raises NoRoom with the counted reasons, Unavailable, TimedOut. Changes nothing.
        """
        documents = [item.model_dump_json().encode() for item in computes]
        with self.calling() as stub:
            reply = await stub.Offer(cluster_pb2.OfferRequest(computes=documents), timeout=timeout)
        if not reply.accepted:
            raise NoRoom(_refusal(reply, len(documents)), reply.reasons)
        return {placement.compute: placement.node for placement in reply.placements}


def _refusal(reply: cluster_pb2.OfferReply, asked: int) -> str:
    """Return the reasons as plans show them: ``1 of 5: 4 nodes: 4 rack already used``. Each node counts once."""
    return reasons.refusals({reasons.message(reply.reasons): asked - len(reply.placements)}, asked)
