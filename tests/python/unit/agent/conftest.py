"""Fixtures for agents on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.agent.drivers.memory_world import MemoryHypervisors
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches


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
