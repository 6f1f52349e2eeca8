"""A ClusterCalls that answers from memory, and variants that fail by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from controller.errors import Unavailable
from controller.model.region_service import RegionService
from controller.root.api.calls import Forecast


class EchoConsole:
    """Says back what is typed, until ``exit``."""

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

    async def forecast(self, service: RegionService) -> Forecast:
        names = [f"{service.name}-{index}" for index in range(service.spec.replicas)]
        return Forecast("tokyo1", dict.fromkeys(names, "server1"))

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        self.forgotten.append((cluster, node))
        return []

    async def capacity(self, cluster: str) -> Mapping[str, int]:
        return {"free_vcpus": 1}

    @asynccontextmanager
    async def console(self, cluster: str, compute: str) -> AsyncIterator[EchoConsole]:
        yield EchoConsole()


class ClustersAway(FakeClusters):
    """No cluster answers."""

    async def forecast(self, service: RegionService) -> Forecast:
        raise Unavailable("cluster tokyo1 is away")

    async def forget_node(self, cluster: str, node: str) -> list[str]:
        raise Unavailable("cluster tokyo1 is away")
