"""The calls of the REST API to clusters: a protocol, so that routes do not depend on gRPC.

The process passes an implementation in. Without one, forecasts are ``unknown``, and the actions that need a cluster
answer 503. Implementations raise Unavailable or TimedOut if a cluster is unreachable, NotFound if it does not know the
named resource.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from controller.model.flavor import ResourceFlavor
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource


@dataclass(frozen=True)
class Forecast:
    """Where the Computes of a service would be placed. A forecast promises nothing."""

    cluster: str = ""
    """The cluster that would accept the service; empty if none would."""
    placements: Mapping[str, str] = field(default_factory=dict)
    """Node by name of each new Compute."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Number of nodes by the reason why they were not chosen."""
    unknown: str = ""
    """Why there is no forecast; empty if there is one."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further answers of the cluster: ``why``, ``refused``, ``resized``, ``no_room``, ``leaving``, ``capacity``."""
    refused_by: Mapping[str, str] = field(default_factory=dict)
    """Clusters that were asked earlier and refused the service, with their counted reasons."""

    def render(self) -> dict[str, Any]:
        """Return the JSON form in a plan; empty details are left out."""
        if self.unknown:
            return {"unknown": self.unknown}
        more = {name: value for name, value in (*self.details.items(), ("refused_by", self.refused_by)) if value}
        placements, reasons = dict(self.placements), dict(self.reasons)
        return {"cluster": self.cluster, "placements": placements, "reasons": reasons, **more}


class ConsoleStream(Protocol):
    """Bytes to and from the serial console of one Compute."""

    async def send(self, data: bytes) -> None:
        """Send ``data`` as input."""

    def received(self) -> AsyncIterator[bytes]:
        """Return the output, until the console closes."""


class ClusterCalls(Protocol):
    """The calls that only a cluster can answer."""

    async def forecasts(self, services: Sequence[RegionService], planned: Sequence[AnyResource]) -> Sequence[Forecast]:
        """Return the forecast of each service; each one sees what those before it would take.

        ``planned``: what the same plan would write (flavors, images). Changes nothing.
        """

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        """Delete the assignments of a lost node without its report; return the Computes that were on it."""

    async def plan_moves(self, cluster: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the moves of a drain or a rebalance: ``{moves, blocked, message}``. Changes nothing."""

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        """Return the free and total vcpus, memory_mib and disk_gib, and the number of nodes."""

    async def headroom(self, cluster: str, flavors: Sequence[ResourceFlavor], *, everything: bool) -> Mapping[str, Any]:
        """Return how many more of each flavor fit, now and after the worst loss on each axis.

        ``everything``: every lost Compute is placed again, not only those with on_node_down Rebuild.
        """

    def schedule_snapshot(self, cluster: str) -> AsyncGenerator[bytes, None]:
        """Return all that placement reads of the cluster, as JSON in parts."""

    def console(self, cluster: str, compute: str) -> AbstractAsyncContextManager[ConsoleStream]:
        """Open the serial console of the Compute with that key path."""
