"""Disks that were kept aside are deleted when their time is over, and not before."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.agent.assignments import Assigned
from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.agent.quarantine_retention import ROUND_SECONDS, QuarantineRetention
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches, item

DAY = 86400.0


async def test_a_stray_stays_for_its_time_and_is_purged_then(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = MemoryDriver("memory:server0", world, clock=clock)
    bench = await benches.start(driver, clock)
    await bench.assign(item("u0"))
    await bench.until(lambda: world.running("u0") != [])
    await bench.assign()
    await bench.until(lambda: world.running("u0") == [])
    retention = QuarantineRetention(driver, clock, DAY, confirmed=lambda: True)
    await clock.advance(DAY - 60)
    await retention.purge_old()
    assert [one.uid for one in await driver.quarantined()] == ["u0"]
    await clock.advance(61)
    await retention.purge_old()
    assert await driver.quarantined() == []


async def test_an_agent_that_has_just_started_purges_nothing(clock: VirtualClock, world: MemoryHypervisors) -> None:
    """The host's clock may be wrong until it was set."""
    driver = MemoryDriver("memory:server0", world, clock=clock)
    await driver.ensure(Assigned(item("u0")).desired, run=False)
    await driver.quarantine("u0")
    await clock.advance(10 * DAY)
    running = asyncio.create_task(QuarantineRetention(driver, clock, DAY, confirmed=lambda: True).run())
    await clock.advance(ROUND_SECONDS - 1)
    assert len(await driver.quarantined()) == 1
    await clock.advance(2)
    assert await driver.quarantined() == []
    running.cancel()


class SetClock(VirtualClock):
    """A host's clock, which somebody sets."""

    def set(self, seconds: float) -> None:
        self._start += timedelta(seconds=seconds)


@pytest.mark.parametrize("jump", [15 * DAY, -3600.0, 61.0])
async def test_a_clock_that_jumps_deletes_nothing_before_the_whole_time_has_passed_anew(
    jump: float, world: MemoryHypervisors
) -> None:
    """A jump by two weeks deleted everything that was kept aside, within the hour."""
    clock = SetClock()
    driver = MemoryDriver("memory:server0", world, clock=clock)
    await driver.ensure(Assigned(item("u0")).desired, run=False)
    await driver.quarantine("u0")
    running = asyncio.create_task(QuarantineRetention(driver, clock, DAY, confirmed=lambda: True).run())
    await clock.advance(2 * ROUND_SECONDS + 1)
    clock.set(jump)
    for _ in range(24):
        await clock.advance(ROUND_SECONDS)
        assert len(await driver.quarantined()) == 1
    await clock.advance(2 * ROUND_SECONDS)
    assert await driver.quarantined() == []
    running.cancel()


async def test_a_node_whose_assignments_are_not_confirmed_keeps_everything(
    clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = MemoryDriver("memory:server0", world, clock=clock)
    await driver.ensure(Assigned(item("u0")).desired, run=False)
    await driver.quarantine("u0")
    confirmed = False
    retention = QuarantineRetention(driver, clock, DAY, confirmed=lambda: confirmed)
    await clock.advance(10 * DAY)
    await retention.purge_old()
    assert len(await driver.quarantined()) == 1
    confirmed = True
    await retention.purge_old()
    assert await driver.quarantined() == []


async def test_a_fault_in_a_round_does_not_end_the_agent(clock: VirtualClock, world: MemoryHypervisors) -> None:
    driver = MemoryDriver("memory:server0", world, clock=clock)
    await driver.ensure(Assigned(item("u0")).desired, run=False)
    await driver.quarantine("u0")
    faults = [ValueError("nobody foresaw it")]

    def confirmed() -> bool:
        if faults:
            raise faults.pop()
        return True

    running = asyncio.create_task(QuarantineRetention(driver, clock, DAY, confirmed=confirmed).run())
    await clock.advance(DAY + 2 * ROUND_SECONDS)
    assert await driver.quarantined() == []
    assert not running.done()
    running.cancel()
