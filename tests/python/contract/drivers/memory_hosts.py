"""The in-memory implementations in the driver contract suite."""

from __future__ import annotations

from collections.abc import Sequence

from controller.agent.drivers.memory import MemoryDriver, MemoryWorld
from controller.agent.drivers.memory.failing_drivers import MemoryDriverRefusesImage
from controller.agent.drivers.types import MigrationTarget
from controller.model.image import ImageSpec
from controller.model.node import NumaCell
from tests.python.contract.drivers.hosts import Hosts


class MemoryHosts(Hosts):
    """Two hosts of a memory world."""

    provider = "memory"
    shutdown_timeout = 1

    def __init__(self, world: MemoryWorld, *, seconds: float = 0) -> None:
        self.world = world
        self._seconds = seconds
        for host in (0, 1):
            with world.edit(self.target(host).address):
                pass

    async def pinning_driver(self, host: int = 0) -> MemoryDriver:
        shared, pinned = ((0, 1), (2, 3)) if host == 0 else ((2, 3), (0, 1))
        cell = NumaCell(cell=0, cpus=shared, pinned_cpus=pinned, memory_mib=4096)
        return await self.driver(host, numa=(cell,))

    async def restart_hypervisor(self, host: int = 0) -> None:
        pass  # the world needs none

    async def driver(self, host: int = 0, numa: Sequence[NumaCell] = ()) -> MemoryDriver:
        # The plain driver reads no images, so the variant that refuses marked ones stands in for it.
        driver = MemoryDriverRefusesImage(
            marker="bad-image",
            address=self.target(host).address,
            world=self.world,
            numa=numa,
            start_seconds=self._seconds,
            shutdown_seconds=self._seconds,
            migration_seconds=self._seconds,
        )
        await driver.open()
        return driver

    def target(self, host: int) -> MigrationTarget:
        return MigrationTarget(node=f"server{host}", address=f"memory:server{host}")

    def image(self, *, other: bool = False) -> ImageSpec:
        digit = "1" if other else "0"
        return ImageSpec(url=f"file:///srv/guest-{digit}.qcow2", checksum="sha256:" + digit * 64)

    def bad_image(self) -> ImageSpec:
        return ImageSpec(url="file:///srv/bad-image.qcow2", checksum="sha256:" + "f" * 64)

    async def crash(self, uid: str, host: int = 0) -> None:
        self.world.crash(self.target(host).address, uid)

    async def root_disk(self, uid: str, host: int = 0) -> str | None:
        disk = self.world.read(self.target(host).address).disks.get(uid)
        return f"{host}-{disk.generation}" if disk else None

    async def close(self) -> None:
        assert self.world.double_runs() == []
