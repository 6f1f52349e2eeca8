"""What a node starts after it was restarted."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches, item

HERE = "memory:server0"


def running(world: MemoryHypervisors) -> set[str]:
    return world.read(HERE).running()


async def test_on_node_up_decides_after_a_restart_of_the_node(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors, tmp_path: Path
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path, boot="a")
    wanted = [item("u0", on_node_up="None"), item("u1", index=1, on_node_up="Restart")]
    await bench.assign(*wanted)
    await bench.until(lambda: running(world) == {"u0", "u1"})
    await bench.stop()
    world.power_cycle(HERE)

    successor = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path, boot="b")
    await successor.assign(*wanted)
    await successor.until(lambda: running(world) == {"u1"})
    await successor.until(lambda: "on_node_up" in successor.report("u0").status_reason)
    await clock.advance(300)
    assert running(world) == {"u1"}
    assert "on_node_up" in successor.report("u0").status_reason
    await successor.assign(item("u0", on_node_up="None", reboots=1), wanted[1])
    await successor.until(lambda: running(world) == {"u0", "u1"})


@pytest.mark.design("E1", "A6")
async def test_a_restarted_node_starts_nothing_by_assignments_from_before(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors, tmp_path: Path
) -> None:
    """It may have been given up while it was off (ForgetNode): what it had may run elsewhere."""
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path, boot="a")
    await bench.assign(item("u0"), item("u1", index=1))
    await bench.until(lambda: running(world) == {"u0", "u1"})
    await bench.stop()
    world.power_cycle(HERE)

    for _ in range(2):  # the agent's own restart confirms nothing
        successor = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path, boot="b")
        await successor.until(lambda: "restarted" in successor.report("u0").status_reason)  # noqa: B023
        await clock.advance(300)
        assert running(world) == set()
        await successor.stop()
    successor = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path, boot="b")
    await successor.assign(item("u1", index=1))
    await successor.until(lambda: running(world) == {"u1"})
    await clock.advance(30)
    assert set(world.read(HERE).machines) == {"u1"}, "what was assigned elsewhere is removed"
    # From here on it fails static again.
    await successor.stop()
    last = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path, boot="b")
    world.crash(HERE, "u1")
    await last.until(lambda: running(world) == {"u1"})
