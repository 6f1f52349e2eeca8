"""The agent as a process of its own: it joins, is killed in the middle of things, and comes back."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from controller.agent.drivers.memory import FolderHypervisors
from controller.agent.drivers.types import MachineState
from tests.python.eventually import eventually
from tests.python.integration.agent.api import Site
from tests.python.unit.agent.bench import item

RUN = "from controller.cli.main import main; main()"

pytestmark = [pytest.mark.design("A6", "A9")]


class AgentProcess:
    """``resourcectl run cluster-agent`` on a shared in-memory world."""

    def __init__(self, site: Site, node: str, *, migration_seconds: float = 0, start_seconds: float = 0) -> None:
        self.site, self.node = site, node
        self.folder = site.path / "agents" / node
        self.folder.mkdir(parents=True, exist_ok=True)
        site.api.tokens.add(f"token-{node}")
        (self.folder / "token").write_text(f"token-{node}\n")
        self.config = self.folder / "agent.toml"
        self.config.write_text(
            f"""
            name = "{node}"
            cluster = "tokyo1"
            driver = "Memory"
            state_folder = "{self.folder}/state"
            migration_address = "memory:{node}"
            heartbeat_seconds = 0.3
            resync_seconds = 5
            health = "unix:{self.folder}/health.sock"
            listen = "unix:{self.folder}/grpc.sock"
            providers = [{{name = "memory", driver = "Memory"}}]
            [api]
            target = "{site.target}"
            [tls]
            folder = "{self.folder}/tls"
            [join]
            target = "{site.join_target}"
            token_file = "{self.folder}/token"
            authority = "{site.root}"
            [memory]
            world = "{site.path}/world"
            migration_seconds = {migration_seconds}
            start_seconds = {start_seconds}
            """
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-W",
                "error",
                "-c",
                RUN,
                "run",
                "cluster-agent",
                "--config",
                str(self.config),
                stderr=log,
            )
        before = len(self.site.api.messages(self.node, "hello"))
        await eventually(lambda: len(self.site.api.messages(self.node, "hello")) > before)

    async def ready(self) -> bool:
        return b"200 OK" in await self.page("/readyz")

    async def page(self, path: str) -> bytes:
        """Return the answer of the health page."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / "health.sock"))
        try:
            writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def agents(site: Site, *nodes: str, **options: float) -> AsyncIterator[list[AgentProcess]]:
    async with AsyncExitStack() as stack:
        made = [AgentProcess(site, node, **options) for node in nodes]
        for agent in made:
            stack.push_async_callback(agent.end)
            await agent.start()
        yield made


@pytest.fixture
def world(site: Site) -> FolderHypervisors:
    return FolderHypervisors(site.path / "world")


async def test_joins_works_drains_and_leaves_machines_running(site: Site, world: FolderHypervisors) -> None:
    async with agents(site, "server0") as (agent,):
        assert site.api.joins == 1
        site.api.assign("server0", item("u0"))
        await eventually(lambda: world.running("u0"))
        await eventually(agent.ready)
        assert b"resource_quarantine_bytes 0.0" in await agent.page("/metrics")
        assert await agent.end(signal.SIGTERM) == 0
        assert world.running("u0") == ["memory:server0"]
        await agent.start()
        assert site.api.joins == 1, "the second start uses the certificate"
        await eventually(lambda: site.api.resource("server0", "u0").state == "Running")
        assert world.read("memory:server0").machines["u0"].boots == 1


async def test_killed_in_the_middle_of_a_create(site: Site, world: FolderHypervisors) -> None:
    async with agents(site, "server0", start_seconds=0.5) as (agent,):
        site.api.assign("server0", *(item(f"u{index}", index=index) for index in range(8)))
        await eventually(lambda: len(world.read("memory:server0").machines) >= 4)
        await agent.end()
        await agent.start()
        await eventually(lambda: len(world.read("memory:server0").running()) == 8)
        machines = world.read("memory:server0").machines
        assert {machine.boots for machine in machines.values()} == {1}
        await eventually(lambda: {one.status for one in site.api.state("server0").values()} == {"Active"})


@pytest.mark.design("E1")
@pytest.mark.parametrize("victim", ["source", "target"])
async def test_killed_in_the_middle_of_a_migration(site: Site, world: FolderHypervisors, victim: str) -> None:
    async with agents(site, "server0", "server1", migration_seconds=3) as (source, target):
        site.api.assign("server0", item("u0"))
        await eventually(lambda: world.running("u0"))
        site.api.assign("server0", item("u0", migrate_to="server1", attempt=2))
        site.api.assign("server1", item("u0", name="u0-2", role="Incoming", attempt=2))
        await eventually(lambda: site.api.resource("server1", "u0").migration == "Prepared")
        send = item("u0", migrate_to="server1", migrate_address="memory:server1", migrate_ready=True, attempt=2)
        site.api.assign("server0", send)
        await eventually(lambda: "u0" in world.read("memory:server1").machines)
        killed = source if victim == "source" else target
        await killed.end()
        await killed.start()
        await eventually(lambda: site.api.resource("server0", "u0").migration in ("Sent", "Failed", "Unclear"))
        report = site.api.resource("server0", "u0")
        if report.state == "Running":
            assert world.running("u0") == ["memory:server0"]
            site.api.assign("server0", item("u0", attempt=3))
            site.api.assign("server1", item("u0", name="u0-2", role="Leaving", attempt=2))
            await eventually(lambda: site.api.resource("server1", "u0").state == "Absent")
            assert world.running("u0") == ["memory:server0"]
        else:
            assert world.running("u0") == []
            await eventually(lambda: site.api.resource("server1", "u0").state_reason == "user")
            site.api.assign("server0", item("u0", role="Leaving"))
            site.api.assign("server1", item("u0", name="u0-2", attempt=2))
            await eventually(lambda: world.running("u0") == ["memory:server1"])
            copy = world.read("memory:server1").machines["u0"]
            assert (copy.state, copy.boots) == (MachineState.RUNNING, 1)
        assert world.double_runs() == []
