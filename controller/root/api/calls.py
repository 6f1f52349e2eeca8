"""What the API asks of clusters: a protocol, so that routes know nothing of gRPC.

The process wires an implementation in; without one, forecasts are ``unknown`` and the actions
that need a cluster answer 503. Implementations raise Unavailable or TimedOut when a cluster is
away, NotFound when it does not know what is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from controller.model.region_service import RegionService


@dataclass(frozen=True)
class Forecast:
    """Where a service's new Computes would go; nothing is promised (decisions: plans)."""

    cluster: str = ""
    placements: Mapping[str, str] = field(default_factory=dict)
    """Compute name to node name."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why nodes were not taken, counted."""
    unknown: str = ""
    """Why nothing can be told; empty when it can."""

    def render(self) -> dict[str, Any]:
        """The JSON form in a plan."""
        if self.unknown:
            return {"unknown": self.unknown}
        return {"cluster": self.cluster, "placements": dict(self.placements), "reasons": dict(self.reasons)}


class ConsoleStream(Protocol):
    """Bytes to and from the serial console of one Compute."""

    async def send(self, data: bytes) -> None:
        """Type ``data``."""

    def received(self) -> AsyncIterator[bytes]:
        """What the console prints, until it closes."""


class ClusterCalls(Protocol):
    """The questions that only a cluster can answer."""

    async def forecast(self, service: RegionService) -> Forecast:
        """Ask the clusters where the Computes of ``service`` would go. Changes nothing."""

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        """Drop a lost node's assignments without its word; returns the Computes that were on it."""

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        """Free and total vcpus, memory_mib and disk_gib, and the number of nodes."""

    def console(self, cluster: str, compute: str) -> AbstractAsyncContextManager[ConsoleStream]:
        """The serial console of the Compute with that key path."""
