"""Observations that are shared."""

from __future__ import annotations

import asyncio

import pytest

from controller.agent.drivers.memory import MemoryDriver
from controller.agent.drivers.types import Machine
from controller.agent.observer import Observer
from controller.clock import VirtualClock
from controller.errors import TimedOut


class SlowDriver(MemoryDriver):
    """Counts observations; each takes a second."""

    observations = 0
    hang = False

    async def observe(self) -> list[Machine]:
        self.observations += 1
        if self.hang:
            await asyncio.Event().wait()
        await self._clock.sleep(1)
        return await super().observe()


async def test_observations_are_shared_and_never_older_than_the_call(clock: VirtualClock) -> None:
    driver = SlowDriver(clock=clock)
    observer = Observer(driver, 60)
    first = asyncio.create_task(observer.observe())
    await clock.advance(0.5)
    later = [asyncio.create_task(observer.observe()) for _ in range(10)]
    await clock.advance(0.6)
    assert first.done()
    assert not any(task.done() for task in later), "they came after that observation had begun"
    await clock.advance(2)
    assert all(task.done() for task in later)
    assert driver.observations == 2
    await observer.close()


async def test_an_observation_that_hangs_ends_with_the_deadline(clock: VirtualClock) -> None:
    driver = SlowDriver(clock=clock)
    driver.hang = True
    observer = Observer(driver, 0.02)
    with pytest.raises(TimedOut):
        await observer.observe()
    assert "did not answer" in observer.failure
    driver.hang = False
    observing = asyncio.create_task(observer.observe())
    observer._deadline = 10
    await clock.advance(2)
    assert await observing == {}
    assert observer.failure == ""
