"""What the API asks of clusters: a protocol, so that routes know nothing of gRPC.

The process wires an implementation in; without one, forecasts are ``unknown`` and the actions
that need a cluster answer 503. Implementations raise Unavailable or TimedOut when a cluster is
away, NotFound when it does not know what is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from controller.model.flavor import ResourceFlavor
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource


@dataclass(frozen=True)
class Forecast:
    """What would become of a service's Computes; nothing is promised (decisions: plans)."""

    cluster: str = ""
    """The one that would take it; empty when none would."""
    placements: Mapping[str, str] = field(default_factory=dict)
    """Name of each new Compute to its node."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why nodes were not taken, counted."""
    unknown: str = ""
    """Why nothing can be told; empty when it can."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the cluster tells beside: ``why``, ``refused``, ``resized``, ``no_room``, ``leaving``, ``capacity``."""
    refused_by: Mapping[str, str] = field(default_factory=dict)
    """Clusters that were asked first and would not take it, with their counted reasons."""

    def render(self) -> dict[str, Any]:
        """The JSON form in a plan; of the details only what there is."""
        if self.unknown:
            return {"unknown": self.unknown}
        more = {name: value for name, value in (*self.details.items(), ("refused_by", self.refused_by)) if value}
        placements, reasons = dict(self.placements), dict(self.reasons)
        return {"cluster": self.cluster, "placements": placements, "reasons": reasons, **more}


class ConsoleStream(Protocol):
    """Bytes to and from the serial console of one Compute."""

    async def send(self, data: bytes) -> None:
        """Type ``data``."""

    def received(self) -> AsyncIterator[bytes]:
        """What the console prints, until it closes."""


class ClusterCalls(Protocol):
    """The questions that only a cluster can answer."""

    async def forecasts(self, services: Sequence[RegionService], beside: Sequence[AnyResource]) -> Sequence[Forecast]:
        """Ask the clusters where the Computes of the services would go, each after those before it.

        ``beside`` is what the same plan would write (flavors, images). Changes nothing.
        """

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        """Drop a lost node's assignments without its word; returns the Computes that were on it."""

    async def plan_moves(self, cluster: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """The moves that a drain or a rebalance would make: ``{moves, blocked, message}``. Changes nothing."""

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        """Free and total vcpus, memory_mib and disk_gib, and the number of nodes."""

    async def headroom(self, cluster: str, flavors: Sequence[ResourceFlavor], *, everything: bool) -> Mapping[str, Any]:
        """How many more of each flavor fit, now and after the worst loss on each axis.

        ``everything``: all that was lost is placed again, not only where on_node_down is Rebuild.
        """

    def schedule_snapshot(self, cluster: str) -> AsyncIterator[bytes]:
        """All that placement sees in the cluster, as JSON in parts."""

    def console(self, cluster: str, compute: str) -> AbstractAsyncContextManager[ConsoleStream]:
        """The serial console of the Compute with that key path."""
