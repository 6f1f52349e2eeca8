"""What a target does before and after a machine arrives."""

from __future__ import annotations

import pytest

from controller.agent.drivers.memory.failing_drivers import (
    MemoryDriverRefusesImage,
    MemoryDriverRollsBackAtFinish,
)
from tests.python.unit.agent.bench import item
from tests.python.unit.agent.pair import SOURCE, TARGET, Pair

pytestmark = pytest.mark.design("E1")


async def test_a_definition_left_on_the_target_is_removed_by_the_next_try(pair: Pair) -> None:
    await pair.start(MemoryDriverRollsBackAtFinish)
    await pair.send(2)
    await pair.source.until(lambda: pair.source.report().migration == "Failed")
    assert pair.world.running("u0") == [SOURCE]
    pair.source.agent.driver.failures = 0  # type: ignore[attr-defined]
    await pair.send(3)
    await pair.source.until(lambda: pair.source.report().migration == "Sent")
    await pair.swap(3)


async def test_a_target_that_cannot_prepare_says_so(pair: Pair) -> None:
    await pair.start()
    await pair.target.stop()
    await pair.start_target(MemoryDriverRefusesImage)
    await pair.target.assign(item(role="Incoming", name="u0-2", attempt=2))
    await pair.target.until(lambda: pair.target.report().migration == "Failed")
    assert pair.target.report().status == "Error"
    assert "guest.qcow2" in pair.target.report().status_reason


async def test_an_incoming_assignment_never_runs_anything(pair: Pair) -> None:
    await pair.start()
    await pair.prepare()
    await pair.clock.advance(300)
    assert pair.world.running("u0") == [SOURCE]
    assert pair.world.read(TARGET).machines == {}
    await pair.target.assign()
    await pair.target.until(lambda: pair.world.read(TARGET).disks == {})
