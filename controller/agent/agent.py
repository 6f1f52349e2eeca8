"""The agent of one node: driver, assignments, reconcile loop, session; wired together.

It knows no settings and no files but its state folder, so that a process may hold a hundred of
them (simulation) and tests may run one on a virtual clock.

Promises: while the cluster API is away, nothing is removed and what was assigned is kept running.
At the end of ``run`` machines stay as they are. A hypervisor that is away makes the node
unhealthy, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from grpc import aio

from controller.agent.assignments import Assignments
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Event, HostFacts, MachineEvent
from controller.agent.journal import Journal
from controller.agent.loadbalancers import MemoryLoadbalancers
from controller.agent.machine_reconciler import Limits, Machines
from controller.agent.network import NetworkKeeper, NetworkPort
from controller.agent.observer import Observer
from controller.agent.reports import Reports
from controller.agent.session import Pace, Session
from controller.clock import Clock
from controller.errors import ResourceError
from controller.loop import Backoff, Loop, Outcome, log_outcome
from controller.model.provider import ProviderDriver
from controller.wire.agent_pb2 import Hello

_log = structlog.get_logger("agent")

SIDE_BY_SIDE = 1024
"""Resources worked on at once. What is heavy has its own bound (``Limits.starts``); waiting is cheap."""


@dataclass(frozen=True)
class Options:
    """What an agent is told about itself."""

    node: str
    migration_address: str = ""
    """Where other nodes' hypervisors reach this one's."""
    version: str = ""
    boot: str = ""
    """Changes with each restart of the node; empty: not known, nothing is concluded from it."""
    providers: Mapping[str, ProviderDriver] = field(default_factory=dict)
    """Drivers by name of provider."""
    resync: float = 60.0
    """Seconds between two looks at everything."""
    observe_deadline: float = 60.0
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    backoff: Backoff = field(default_factory=Backoff)


class Agent:
    """One node."""

    def __init__(
        self,
        options: Options,
        driver: Driver,
        channel: Callable[[], aio.Channel],
        *,
        clock: Clock,
        state: Path | None = None,
        network: NetworkPort | None = None,
        endpoint: Callable[[], str] = str,
        report: Callable[[Outcome], None] = log_outcome,
        source: random.Random | None = None,
    ) -> None:
        """``channel`` gives a channel to the cluster API; ``state`` None: nothing is kept (simulation).

        ``endpoint`` says where it answers Status and Console, ``report`` is told the outcome of each round of work.
        """
        self.options = options
        self.driver = driver
        self.assignments = Assignments(state)
        self.journal = Journal(state)
        self.reports = Reports()
        self.observer = Observer(driver, options.observe_deadline)
        self._clock = clock
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._facts: HostFacts | None = None
        self._network = NetworkKeeper(network, self.observer, self.assignments, clock=clock) if network else None
        self._loadbalancers = MemoryLoadbalancers(options.providers, self.reports)
        self._machines: Machines | None = None
        self._endpoint = endpoint
        self._stopping = asyncio.Event()
        self.loop = Loop(
            "agent",
            self._work,
            clock=clock,
            keys=self._keys,
            concurrency=SIDE_BY_SIDE,
            resync=options.resync,
            backoff=options.backoff,
            report=report,
            source=self._random,
        )
        self.session = Session(
            channel,
            self._hello,
            self.assignments,
            self.reports,
            picture=self._picture,
            trouble=self.trouble,
            wake=self._wake,
            wake_all=self._wake_all,
            clock=clock,
            pace=options.pace,
            source=self._random,
        )

    def trouble(self) -> str:
        """Why the node is not healthy; empty when it is."""
        if self._facts is None:
            return self.observer.trouble or "the hypervisor has not answered yet"
        return self.observer.trouble

    def stop(self) -> None:
        """Begin nothing new; ``run`` returns when what is under way has ended and was reported."""
        self._stopping.set()
        self.loop.stop()

    async def run(self) -> None:
        """Work until ``stop``; cancelled, it ends at once. Machines stay as they are in any case."""
        self.assignments.load()
        self.journal.load()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._open()
            if self._stopping.is_set():
                return
            self.driver.events().listeners.append(self._event)
            works = [self.loop.run(), self.session.run()]
            if self._network is not None:
                works.append(self._network.run())
            tasks = [asyncio.create_task(work) for work in works]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._clock.sleep(2 * self.options.pace.gather)  # for the last report
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.observer.close()
            await self.driver.close()

    async def _open(self) -> None:
        """Connect to the hypervisor, however long that takes."""
        failures = 0
        opened = False
        while not self._stopping.is_set():
            try:
                if not opened:
                    await self.driver.open()
                    opened = True
                self._facts = await self.driver.facts()
                self._machines = self._make_machines(self._facts)
                if self.options.boot:
                    await self._machines.hold_after_boot(self.options.boot)
            except ResourceError as error:
                failures += 1
                self.observer.trouble = error.message
                delay = self.options.backoff.delay(failures, self._random)
                _log.warning("the hypervisor is away", error=error.message, retry_in=round(delay, 2))
                await self._clock.sleep(delay)
            else:
                return

    def _make_machines(self, facts: HostFacts) -> Machines:
        return Machines(
            self.driver,
            self.observer,
            self.assignments,
            self.journal,
            self.reports,
            clock=self._clock,
            accelerator=facts.accelerator,
            limits=self.options.limits,
            providers=self.options.providers,
            changed=self._follow,
        )

    async def _work(self, uid: str) -> float | None:
        assert self._machines is not None
        assigned = self.assignments.of(uid)
        if assigned is not None and assigned.kind == "Loadbalancer":
            self._loadbalancers.reconcile(assigned)
            return None
        return await self._machines.reconcile(uid)

    async def _picture(self) -> None:
        assert self._machines is not None
        await self._machines.picture()

    async def _keys(self) -> Iterable[str]:
        return {*self.assignments.uids(), *await self.observer.look()}

    async def _hello(self) -> Hello:
        facts, options = self._facts, self.options
        assert facts is not None
        capacity = {
            "capacity": facts.capacity.model_dump(mode="json"),
            "numa": [cell.model_dump(mode="json") for cell in facts.numa],
            "providers": sorted(options.providers),
            "accelerator": facts.accelerator,
        }
        return Hello(
            node=options.node,
            endpoint=self._endpoint(),
            migration_address=options.migration_address,
            version=options.version,
            capacity=json.dumps(capacity).encode(),
        )

    def _event(self, event: MachineEvent) -> None:
        if event.event is Event.LOST:
            self._wake_all()
        else:
            self.loop.wake(event.uid)
        self._follow()

    def _wake(self, uids: Iterable[str]) -> None:
        self.loop.wake(*uids)
        self._follow()

    def _wake_all(self) -> None:
        self._soon = asyncio.create_task(self._list_and_wake())

    async def _list_and_wake(self) -> None:
        try:
            self.loop.wake(*await self._keys())
        except ResourceError as error:
            # The resync comes back to it.
            _log.warning("cannot look at the machines", error=error.message)
        self._follow()

    def _follow(self) -> None:
        """Let the host's network follow the machines."""
        if self._network is not None:
            self._network.wake()
