"""A ClusterCalls that answers from memory, and variants that fail by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from controller.errors import Unavailable
from controller.model.flavor import ResourceFlavor
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource
from controller.root.cluster_gateway import Forecast


class EchoConsole:
    """Echoes what is typed, until ``exit``."""

    def __init__(self) -> None:
        self._typed: list[bytes] = []
        self._closed = False

    async def send(self, data: bytes) -> None:
        self._typed.append(data)

    async def received(self) -> AsyncIterator[bytes]:
        while True:
            while self._typed:
                data = self._typed.pop(0)
                if data == b"exit":
                    return
                yield data
            await asyncio.sleep(0)


class FakeClusters:
    """Every Compute goes to server1; nodes are forgotten at once."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, str]] = []
        self.questions: list[tuple[str, Mapping[str, Any]]] = []
        self.moves: dict[str, Any] = {"moves": [], "blocked": [], "message": "it is balanced already"}

    async def forecasts(self, services: Sequence[RegionService], planned: Sequence[AnyResource]) -> list[Forecast]:
        return [
            Forecast("tokyo1", {f"{each.name}-{index}": "server1" for index in range(each.spec.replicas)})
            for each in services
        ]

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        self.forgotten.append((cluster, node))
        return []

    async def plan_moves(self, cluster: str, question: Mapping[str, Any]) -> dict[str, Any]:
        self.questions.append((cluster, question))
        return self.moves

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        return {"free_vcpus": 1}

    async def headroom(self, cluster: str, flavors: Sequence[ResourceFlavor], *, everything: bool) -> Mapping[str, Any]:
        loss = {"domain": "rack-1", "fits": 3, "nodes": 1, "moved": 2, "unplaced": 1, "staying": 4}
        return {
            "nodes": 2,
            "open_nodes": 1,
            "computes": 7,
            "moving": "all" if everything else "rebuild",
            "dimensions": {"vcpus": {"total": 8, "free": 4.5}},
            "flavors": [{"name": each.name, "fits": 9, "after_loss": {"rack": loss}} for each in flavors],
        }

    async def schedule_snapshot(self, cluster: str) -> AsyncGenerator[bytes, None]:
        yield b'{"version": 1, "nodes": [], '
        yield b'"services": {}}'

    @asynccontextmanager
    async def console(self, cluster: str, compute: str) -> AsyncIterator[EchoConsole]:
        yield EchoConsole()


class ClustersAway(FakeClusters):
    """No cluster answers."""

    async def forecasts(self, services: Sequence[RegionService], planned: Sequence[AnyResource]) -> list[Forecast]:
        raise Unavailable("cluster tokyo1 is away")

    async def headroom(self, cluster: str, flavors: Sequence[ResourceFlavor], *, everything: bool) -> Mapping[str, Any]:
        raise Unavailable("cluster tokyo1 is away")

    async def schedule_snapshot(self, cluster: str) -> AsyncGenerator[bytes, None]:
        raise Unavailable("cluster tokyo1 is away")
        yield b""

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        raise Unavailable("cluster tokyo1 is away")

    async def plan_moves(self, cluster: str, question: Mapping[str, Any]) -> dict[str, Any]:
        raise Unavailable("cluster tokyo1 is away")
