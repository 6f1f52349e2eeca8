"""Fixtures for agents on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.agent.drivers.memory import MemoryHypervisors
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches
from tests.python.unit.agent.pair import Pair


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def world() -> MemoryHypervisors:
    return MemoryHypervisors()


@pytest.fixture
async def benches() -> AsyncIterator[Benches]:
    async with Benches() as benches:
        yield benches


@pytest.fixture
async def pair(benches: Benches, clock: VirtualClock, world: MemoryHypervisors, tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(benches, clock, world, tmp_path)
    yield pair
    assert world.double_runs() == []
