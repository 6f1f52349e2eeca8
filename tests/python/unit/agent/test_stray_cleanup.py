"""Machines that no assignment names are kept aside, after a full set only."""

from __future__ import annotations

from pathlib import Path

from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches, item

HERE = "memory:server0"


def running(world: MemoryHypervisors) -> set[str]:
    return world.read(HERE).running()


async def test_strays_go_only_after_a_full_set_of_this_session(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors, tmp_path: Path
) -> None:
    driver = MemoryDriver(HERE, world, clock=clock)
    bench = await benches.start(driver, clock, state=tmp_path)
    await bench.assign(item("u0"), item("u1", index=1))
    await bench.until(lambda: running(world) == {"u0", "u1"})
    await bench.stop()

    (tmp_path / "assignments").unlink()  # the agent's disk was lost
    successor = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path)
    await clock.advance(300)
    assert running(world) == {"u0", "u1"}, "with the API away nothing is removed"
    await successor.assign(item("u5", index=5), full=False)
    await successor.until(lambda: "u5" in running(world))
    await clock.advance(300)
    assert {"u0", "u1"} <= running(world), "changes alone prove nothing about the rest"
    await successor.assign(item("u1", index=1), item("u5", index=5))
    await successor.until(lambda: running(world) == {"u1", "u5"})
    assert "u0" not in world.read(HERE).disks
    assert [(one.uid, one.name) for one in await driver.quarantined()] == [("u0", "default.kanto.web-0")]
    await successor.until(lambda: successor.agent.reports.get("u0") is None or successor.report("u0").state == "Absent")
