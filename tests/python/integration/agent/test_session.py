"""The agent's session over real gRPC with mutual TLS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.agent.agent import Agent
from controller.agent.drivers.base import Driver
from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.agent.drivers.memory.failing_drivers import MemoryDriverAway, MemoryDriverHangs
from controller.agent.drivers.types import Quarantined
from controller.agent.options import Options
from controller.agent.session import Intervals
from controller.clock import SystemClock
from controller.loop import Backoff
from controller.model.provider import ProviderDriver
from controller.pki import server_name
from controller.rpc import Channels
from tests.python.eventually import eventually
from tests.python.integration.agent.api import API, SCOPE, Site, serve
from tests.python.unit.agent.bench import item

INTERVALS = Intervals(heartbeat=0.1, gather=0.02, resync=60, reconnect=Backoff(first=0.05, cap=0.2))


@asynccontextmanager
async def running_agent(
    site: Site, driver: Driver, *, node: str = "server0", state: Path | None = None, pace: Intervals = INTERVALS
) -> AsyncIterator[Agent]:
    channels = Channels(site.node_folder(node))
    options = Options(
        node=node,
        migration_address=f"memory:{node}",
        version="test",
        providers={"memory": ProviderDriver.MEMORY},
        intervals=pace,
        backoff=Backoff(first=0.05, cap=0.5),
    )
    agent = Agent(
        options,
        driver,
        lambda: channels.get(site.target, server_name(SCOPE, API.kind)),
        clock=SystemClock(),
        state=state,
        endpoint=lambda: "127.0.0.1:7000",
    )
    task = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await channels.close()


@pytest.mark.design("A6", "F4")
async def test_hello_heartbeats_and_a_full_report(site: Site) -> None:
    async with running_agent(site, MemoryDriver("memory:server0")):
        await eventually(lambda: len(site.api.messages("server0", "heartbeat")) >= 3)
        (hello,) = site.api.messages("server0", "hello")
        assert (hello.node, hello.endpoint, hello.migration_address) == ("server0", "127.0.0.1:7000", "memory:server0")
        facts = json.loads(hello.capacity)
        assert facts["capacity"]["vcpus"] == 64
        assert (facts["providers"], facts["accelerator"]) == (["memory"], "memory")
        first = site.api.messages("server0", "report")[0]
        assert first.full
        assert list(first.resources) == []
        assert all(beat.healthy for beat in site.api.messages("server0", "heartbeat"))


class KeepsMany(MemoryDriver):
    """A host that keeps more disks aside than a report lists."""

    async def quarantined(self) -> list[Quarantined]:
        return [
            Quarantined(f"u{index}", f"u{index}", "", datetime(2026, 1, 1, tzinfo=UTC), 1000) for index in range(300)
        ]


async def test_what_all_disks_that_are_kept_aside_take_is_told(site: Site) -> None:
    async with running_agent(site, KeepsMany("memory:server0")) as agent:
        await eventually(lambda: site.api.messages("server0", "report"))
        report = site.api.messages("server0", "report")[0]
        assert (len(report.quarantine), report.quarantine_bytes) == (200, 300_000)
        assert agent.session.quarantine_bytes == 300_000


async def test_assignments_come_and_reports_go(site: Site) -> None:
    async with running_agent(site, MemoryDriver("memory:server0")):
        site.api.assign("server0", *(item(f"u{index}", index=index) for index in range(40)))
        await eventually(lambda: [one.status for one in site.api.state("server0").values()] == ["Active"] * 40)
        changes = [one for one in site.api.messages("server0", "report") if not one.full]
        assert len(changes) < 20, "changes are gathered, not sent one by one"
        site.api.assign("server0", *(item(f"u{index}", index=index, role="Leaving") for index in range(40)))
        await eventually(lambda: {one.state for one in site.api.state("server0").values()} == {"Absent"})
        site.api.assign("server0")
        await asyncio.sleep(0)
        site.api.end_session("server0")
        await eventually(lambda: len(site.api.messages("server0", "hello")) == 2)
        await eventually(lambda: site.api.messages("server0", "report")[-1].full)
        assert site.api.state("server0") == {}


async def test_the_api_goes_away_and_comes_back(site: Site, tmp_path: Path) -> None:
    world = MemoryHypervisors()
    port = int(site.target.rpartition(":")[2])
    async with serve(tmp_path / "second") as own:
        port = int(own.target.rpartition(":")[2])
        own.api.assign("server0", item("u0"))
        async with running_agent(own, MemoryDriver("memory:server0", world), state=tmp_path / "state") as agent:
            await eventually(lambda: world.running("u0"))
            for session in list(own.api.sessions):
                own.api.end_session(session)
            await eventually(lambda: len(own.api.messages("server0", "hello")) == 2)
            await eventually(lambda: agent.session.connected)
    assert world.running("u0") == ["memory:server0"], "an agent that ends leaves its machines alone"

    # The API is away: an agent that starts now keeps its assignments.
    async with serve(tmp_path / "second", port=port) as own:
        folder = own.node_folder("server0")
    channels = Channels(folder)
    agent = Agent(
        Options(node="server0", intervals=INTERVALS, providers={"memory": ProviderDriver.MEMORY}),
        MemoryDriver("memory:server0", world),
        lambda: channels.get(f"127.0.0.1:{port}", server_name(SCOPE, API.kind)),
        clock=SystemClock(),
        state=tmp_path / "state",
    )
    task = asyncio.create_task(agent.run())
    try:
        world.crash("memory:server0", "u0")
        await eventually(lambda: world.running("u0"))
        await eventually(lambda: agent.session.last_error != "")
        async with serve(tmp_path / "second", port=port) as again:
            again.api.assign("server0", item("u1", index=1))
            await eventually(lambda: world.running("u1"))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await channels.close()


async def test_a_hung_hypervisor_never_stalls_heartbeats_nor_empties_the_report(site: Site) -> None:
    driver = MemoryDriverAway("memory:server0")
    driver.away = False
    async with running_agent(site, driver):
        site.api.assign("server0", item("u0"))
        await eventually(lambda: site.api.resource("server0", "u0").state == "Running")
        driver.away = True
        site.api.end_session("server0")
        await eventually(lambda: len(site.api.messages("server0", "hello")) == 2)
        await eventually(lambda: any(not one.healthy for one in site.api.messages("server0", "heartbeat")))
        assert site.api.resource("server0", "u0").state == "Running", "no report is better than a wrong one"
        assert "away" in site.api.messages("server0", "heartbeat")[-1].message
        driver.away = False
        await eventually(lambda: site.api.messages("server0", "heartbeat")[-1].healthy)


async def test_one_hung_machine_leaves_the_others_and_the_heartbeats_alone(site: Site) -> None:
    async with running_agent(site, MemoryDriverHangs("memory:server0", marker="web-9")):
        site.api.assign("server0", item("u9", index=9), item("u1", index=1))
        await eventually(lambda: site.api.resource("server0", "u1").state == "Running")
        count = len(site.api.messages("server0", "heartbeat"))
        await eventually(lambda: len(site.api.messages("server0", "heartbeat")) > count + 2)
        assert site.api.resource("server0", "u9").state == "Absent"
