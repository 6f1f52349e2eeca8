"""Runs SIMULATED AGENTS for scale runs and benchmarks: many nodes in one process, nothing runs on them.

Each one is the real agent on a real connection, with a certificate and a TLS connection of its own.
Only the driver is the in-memory one, and no state is kept on disk. Machines migrate between agents
of one process. The process signs the certificates with the cluster's authority, which only a test
site has available; the nodes must exist in the cluster.

    python -m controller.agent.simulate --agents 100 --api 127.0.0.1:7443 --cluster tokyo1 \
        --authority pki/scopes/cluster/tokyo1
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from grpc import aio

from controller.agent.agent import Agent
from controller.agent.drivers.memory import DEFAULT_CAPACITY, MemoryDriver, MemoryHypervisors
from controller.agent.machine_reconciler import WorkLimits
from controller.agent.options import Options
from controller.agent.session import Intervals
from controller.clock import Clock, SystemClock
from controller.model.node import Capacity
from controller.model.provider import ProviderDriver
from controller.pki import CredentialFolder, Credentials, Identity, cluster_scope, server_name
from controller.rpc.channel import secure_channel

_log = structlog.get_logger("simulate")

LIFETIME = timedelta(days=7)
"""Lifetime of the simulated nodes' certificates: longer than any run, because they are not renewed."""


@dataclass(frozen=True)
class Simulation:
    """The configuration of a simulation; times in seconds."""

    agents: int
    api: str
    cluster: str
    authority: Path
    names: tuple[str, ...] = ()
    """The nodes. Empty: ``agents`` nodes of numbered names."""
    prefix: str = "sim-"
    first: int = 0
    """Number of the first node: ``sim-0``."""
    heartbeat: float = 5.0
    resync: float = 60.0
    ramp: float = 2.0
    """Seconds over which the agents start."""
    start_seconds: float = 0.0
    provider: str = "memory"
    capacity: Capacity = DEFAULT_CAPACITY

    @property
    def nodes(self) -> list[str]:
        """Return the names of the nodes."""
        return list(self.names) or [f"{self.prefix}{number}" for number in range(self.first, self.first + self.agents)]


class Simulator:
    """The agents of one process."""

    def __init__(self, simulation: Simulation, *, clock: Clock | None = None) -> None:
        self.simulation = simulation
        self.world = MemoryHypervisors()
        self.agents: list[Agent] = []
        self._clock = clock or SystemClock()
        self._channels: list[aio.Channel] = []

    async def run(self) -> None:
        """Run all agents until cancelled."""
        authority = CredentialFolder(self.simulation.authority).load_authority()
        pause = self.simulation.ramp / max(1, len(self.simulation.nodes))
        tasks: list[asyncio.Task[None]] = []
        try:
            for node in self.simulation.nodes:
                identity = Identity.node(self.simulation.cluster, node)
                key, issued = authority.issue(identity, clock=self._clock, ttl=LIFETIME)
                agent = self._make(node, Credentials(key, issued.chain, issued.roots))
                self.agents.append(agent)
                tasks.append(asyncio.create_task(agent.run()))
                await self._clock.sleep(pause)
            _log.warning("SIMULATED agents are up: nothing runs on them", agents=len(tasks))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(channel.close(None) for channel in self._channels))

    @property
    def connected(self) -> int:
        """Return how many agents have a session on which assignments came."""
        return sum(agent.session.connected for agent in self.agents)

    def _make(self, node: str, credentials: Credentials) -> Agent:
        simulation = self.simulation
        address = f"memory:{node}"
        driver = MemoryDriver(
            address,
            self.world,
            clock=self._clock,
            capacity=simulation.capacity,
            start_seconds=simulation.start_seconds,
        )
        options = Options(
            node=node,
            migration_address=address,
            version="simulated",
            providers={simulation.provider: ProviderDriver.MEMORY},
            resync=simulation.resync,
            limits=WorkLimits(starts=64),
            intervals=Intervals(heartbeat=simulation.heartbeat, resync=simulation.resync),
        )
        return Agent(options, driver, self._dial(credentials), clock=self._clock, source=random.Random(node))  # noqa: S311

    def _dial(self, credentials: Credentials) -> Callable[[], aio.Channel]:
        made: list[aio.Channel] = []

        def channel() -> aio.Channel:
            if not made:
                name = server_name(cluster_scope(self.simulation.cluster), "cluster-api")
                made.append(secure_channel(self.simulation.api, name, credentials))
                self._channels.extend(made)
            return made[0]

        return channel


def parse(arguments: Sequence[str]) -> Simulation:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="simulate", description="SIMULATED agents: nothing runs on them.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--agents", type=int, default=0, help="how many nodes")
    which.add_argument("--names", type=_names, default=(), help="names of the nodes, with commas between")
    parser.add_argument("--api", required=True, help="host:port or unix:/path of the cluster API")
    parser.add_argument("--cluster", required=True, help="name of the cluster")
    parser.add_argument("--authority", type=Path, required=True, help="folder of the cluster's authority")
    parser.add_argument("--prefix", default="sim-", help="nodes are named PREFIX0, PREFIX1, ...")
    parser.add_argument("--first", type=int, default=0, help="number of the first node")
    parser.add_argument("--heartbeat", type=float, default=5.0, help="seconds between two heartbeats")
    parser.add_argument("--resync", type=float, default=60.0, help="seconds between two full reports")
    parser.add_argument("--ramp", type=float, default=2.0, help="seconds over which the agents start")
    parser.add_argument("--start-seconds", type=float, default=0.0, help="how long a machine takes to start")
    parser.add_argument("--provider", default="memory", help="name of the provider that the nodes offer")
    parser.add_argument("--vcpus", type=int, default=DEFAULT_CAPACITY.vcpus, help="vcpus of each node")
    parser.add_argument("--memory-mib", type=int, default=DEFAULT_CAPACITY.memory_mib, help="memory of each node")
    parser.add_argument("--disk-gib", type=int, default=DEFAULT_CAPACITY.disk_gib, help="disk of each node")
    given = vars(parser.parse_args(arguments))
    capacity = Capacity(vcpus=given.pop("vcpus"), memory_mib=given.pop("memory_mib"), disk_gib=given.pop("disk_gib"))
    return Simulation(**given, capacity=capacity)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


async def simulate(simulation: Simulation) -> None:
    """Run until SIGTERM or SIGINT."""
    task = asyncio.ensure_future(Simulator(simulation).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    asyncio.run(simulate(parse(sys.argv[1:])))
