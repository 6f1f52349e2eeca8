"""A source and a target whose controller is the test, for tests of migrations."""

from __future__ import annotations

from pathlib import Path

from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.clock import VirtualClock
from controller.wire.agent_pb2 import AssignmentItem
from tests.python.unit.agent.bench import Bench, Benches, item

SOURCE, TARGET = "memory:server0", "memory:server1"


class Pair:
    """A source that runs u0, and a target."""

    def __init__(self, benches: Benches, clock: VirtualClock, world: MemoryHypervisors, folder: Path) -> None:
        self.benches, self.clock, self.world, self.folder = benches, clock, world, folder
        self.source: Bench
        self.target: Bench

    async def start(self, kind: type[MemoryDriver] = MemoryDriver, *, seconds: float = 3) -> None:
        driver = kind(SOURCE, self.world, clock=self.clock, migration_seconds=seconds)
        self.source = await self.benches.start(driver, self.clock, state=self.folder / "source")
        await self.start_target()
        await self.source.assign(item())
        await self.target.assign()
        await self.source.until(lambda: self.world.running("u0") == [SOURCE])

    async def start_target(self, kind: type[MemoryDriver] = MemoryDriver) -> None:
        driver = kind(TARGET, self.world, clock=self.clock)
        self.target = await self.benches.start(driver, self.clock, node="server1", state=self.folder / "target")

    async def restart_source(self) -> None:
        await self.source.stop()
        driver = MemoryDriver(SOURCE, self.world, clock=self.clock)
        self.source = await self.benches.start(driver, self.clock, state=self.folder / "source")

    def sending(self, attempt: int = 2, *, ready: bool = True) -> AssignmentItem:
        return item(migrate_to="server1", migrate_address=TARGET, migrate_ready=ready, attempt=attempt)

    async def prepare(self, attempt: int = 2) -> None:
        await self.target.assign(item(role="Incoming", name=f"u0-{attempt}", attempt=attempt))
        await self.target.until(lambda: self.target.report().migration == "Prepared")

    async def send(self, attempt: int = 2) -> None:
        await self.source.assign(item(migrate_to="server1", attempt=attempt))
        await self.prepare(attempt)
        await self.source.assign(
            item(migrate_to="server1", migrate_address=TARGET, migrate_ready=True, attempt=attempt)
        )

    async def swap(self, attempt: int = 2) -> None:
        await self.source.assign(item(role="Leaving"))
        await self.target.assign(item(role="Owner", name=f"u0-{attempt}", attempt=attempt))
        await self.source.until(lambda: self.source.report().state == "Absent")
        await self.target.until(lambda: self.target.report().state == "Running")
