"""An agent that sends reports without end is read no faster than its limit, and others are read as before."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents.service import AgentServicer
from controller.wire.agent_pb2 import AgentMessage, Heartbeat, Report, ResourceReport


@pytest.fixture
def met() -> Counter[str]:
    return Counter()


@pytest.fixture
def servicer(clock: VirtualClock, met: Counter[str]) -> AgentServicer:
    unused: Any = None
    return AgentServicer(
        unused,
        cluster="tokyo1",
        clock=clock,
        authority=None,
        index=unused,
        sessions=unused,
        heartbeats=unused,
        registrar=unused,
        reports=unused,
        lifetime=timedelta(days=1),
        reached=lambda name: met.update([name]),
    )


async def test_a_flood_of_reports_is_read_at_the_limit(
    servicer: AgentServicer, clock: VirtualClock, met: Counter[str]
) -> None:
    flood = AgentMessage(report=Report(resources=[ResourceReport(assignment=f"a{n}") for n in range(1000)]))
    read = [0]

    async def reading() -> None:
        while True:
            await servicer._pace("flooding", flood)
            read[0] += 1

    running = asyncio.ensure_future(reading())
    await clock.advance(0)
    assert read[0] == 20, "a full report of many machines at once"
    await clock.advance(60)
    assert read[0] == 20 + 30
    assert set(met) == {"reports_of_agent"}
    before = clock.monotonic()
    await servicer._pace("other", AgentMessage(heartbeat=Heartbeat(healthy=True)))
    assert clock.monotonic() == before, "another one waits for nothing"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
