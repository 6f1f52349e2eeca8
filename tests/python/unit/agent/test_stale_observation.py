"""A report under ``migrate_ready`` is of an observation that began after that assignment had come.

Once, an observation that had begun before could answer it: the controller took a copy that did not exist any more
for complete, and had the source's copy removed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.agent.drivers.types import Machine
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches, item

pytestmark = pytest.mark.design("E1", "D5")
HERE = "memory:server0"


class MeanwhileDriver(MemoryDriver):
    """Does something once, after the next observation and before its result is known."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def observe(self) -> list[Machine]:
        seen = await super().observe()
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return seen


@pytest.mark.parametrize("asker", ["the reconcile of one machine", "the report of all"])
async def test_an_observation_from_before_does_not_answer(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors, asker: str
) -> None:
    driver = MeanwhileDriver(HERE, world, clock=clock)
    bench = await benches.start(driver, clock)
    await bench.assign(item())
    await bench.until(lambda: bench.report().state == "Running")
    await bench.assign(item(role="Incoming", attempt=2))
    await bench.until(lambda: bench.report().role == "Incoming")
    assert not bench.report().ready

    async def removed_and_asked() -> None:
        with world.edit(HERE) as (here,):
            here.machines.clear()
        await bench.assign(item(role="Incoming", attempt=2, migrate_ready=True))

    driver.meanwhile = removed_and_asked
    if asker == "the report of all":
        assert bench.agent._machines is not None
        await bench.agent._machines.report_all()
    else:
        bench.agent._requeue({"u0"})
    await bench.until(lambda: bench.report().ready)
    assert {one.state for one in bench.reported if one.ready} == {"Absent"}
