"""Runs the agent of one node for its process: driver, assignments, reconcile loop and session, wired together.

The agent reads no settings and no files but those in its state folder, so a process may run a
hundred agents (simulation) and a test may run one on a virtual clock.

Promises: while the cluster API is away, nothing is removed and assigned machines are kept running.
When ``run`` ends, machines stay as they are. A hypervisor that is away makes the node unhealthy,
and has no other effect. While the node's state on disk is not its own (``state_guard``) the agent reports and sends
heartbeats with the reason, and does nothing to machines; routes still follow what runs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from grpc import aio

from controller.agent.assignments import Assignments
from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Event, HostFacts, MachineEvent
from controller.agent.guarded_driver import GuardedDriver
from controller.agent.hello import hello
from controller.agent.journal import Journal
from controller.agent.kept_state import KeptState
from controller.agent.loadbalancers import MemoryLoadbalancers
from controller.agent.machine_reconciler import MachineReconciler
from controller.agent.network import NetworkPort, NetworkReconciler
from controller.agent.observer import Observer
from controller.agent.options import Options
from controller.agent.quarantine_retention import QuarantineRetention
from controller.agent.reports import Reports
from controller.agent.session import Session
from controller.agent.state_guard import StateGuard
from controller.clock import Clock
from controller.errors import ResourceError
from controller.loop import Loop, Outcome, log_outcome
from controller.wire.agent_pb2 import Hello

_log = structlog.get_logger("agent")

CONCURRENCY = 1024
"""Resources that are reconciled at the same time. Heavy steps have a bound of their own (``WorkLimits.starts``)."""


class Agent:
    """The agent of one node."""

    def __init__(
        self,
        options: Options,
        driver: Driver,
        channel: Callable[[], aio.Channel],
        *,
        clock: Clock,
        state: Path | None = None,
        guard: StateGuard | None = None,
        network: NetworkPort | None = None,
        endpoint: Callable[[], str] = str,
        report: Callable[[Outcome], None] = log_outcome,
        source: random.Random | None = None,
    ) -> None:
        """``channel`` returns a channel to the cluster API; ``state`` None: nothing is kept on disk (simulation).

        ``guard`` watches the state folder and whatever else the node must not lose; default: ``state`` alone.
        ``endpoint`` returns the address that serves Status and Console. ``report`` is called with the
        outcome of each round of a resource.
        """
        self.options = options
        self.driver = driver
        if guard is None and state is not None:
            guard = StateGuard([state], node=options.node)
        write = guard.write if guard is not None else None
        self.assignments = Assignments(state, write=write)
        self.journal = Journal(state, write=write)
        self._state = KeptState(self.assignments, self.journal, guard, clock)
        self._acting = driver if guard is None else GuardedDriver(driver, guard)
        self.reports = Reports()
        self.observer = Observer(driver, options.observe_deadline)
        self._clock = clock
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._facts: HostFacts | None = None
        self._network = NetworkReconciler(network, self.observer, self.assignments, clock=clock) if network else None
        self._loadbalancers = MemoryLoadbalancers(options.providers, self.reports)
        self._machines: MachineReconciler | None = None
        self._endpoint = endpoint
        self._stopping = asyncio.Event()
        self.loop = Loop(
            "agent",
            self._reconcile,
            clock=clock,
            keys=self._keys,
            concurrency=CONCURRENCY,
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
            report_all=self._report_all,
            quarantined=driver.quarantined,
            unhealthy_reason=self.unhealthy_reason,
            requeue=self._requeue,
            requeue_all=self._requeue_all,
            check_state=self._state.check,
            clock=clock,
            intervals=options.intervals,
            source=self._random,
        )

    def unhealthy_reason(self) -> str:
        """Return why the node is not healthy; empty when it is."""
        return self._state.reason or self.hypervisor_reason()

    def hypervisor_reason(self) -> str:
        """Return why the machines cannot be seen; empty when they can."""
        if self._facts is None:
            return self.observer.failure or "the hypervisor has not answered yet"
        return self.observer.failure

    def stop(self) -> None:
        """Begin nothing new; ``run`` returns when the steps in progress have ended and were reported."""
        self._stopping.set()
        self.loop.stop()

    async def run(self) -> None:
        """Reconcile until ``stop``; when cancelled, end at once. Machines stay as they are in any case."""
        tasks: list[asyncio.Task[None]] = []
        try:
            was_own = await self._state.load()
            await self._open()
            if self._stopping.is_set():
                return
            self.driver.events().listeners.append(self._event)
            tasks.append(asyncio.create_task(self.session.run()))
            if not was_own:
                await self._wait_for_state()
            await self._register_boot()
            if self._stopping.is_set():
                return
            retention = QuarantineRetention(
                self._acting,
                self._clock,
                self.options.quarantine_seconds,
                confirmed=lambda: self.assignments.confirmed,
            )
            works = [self.loop.run(), retention.run(), self._state.watch(self._requeue_all)]
            if self._network is not None:
                works.append(self._network.run())
            tasks += [asyncio.create_task(work) for work in works]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._clock.sleep(2 * self.options.intervals.gather)  # for the last report
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.observer.close()
            await self.driver.close()
            self._state.close()

    async def _wait_for_state(self) -> None:
        """Wait until the state is this node's, and read it; the host is read again, because its disk is another one."""
        await self._state.load_in_the_end(self._stopping)
        await self._open()
        self.session.restart()

    async def _register_boot(self) -> None:
        """Have machines stay off that must, if the node was restarted; retry until that succeeds."""
        assert self._machines is not None
        failures = 0
        while self.options.boot and not self._stopping.is_set():
            try:
                await self._machines.boot_hold.register_boot(self.options.boot)
            except ResourceError as error:
                failures += 1
                delay = self.options.backoff.delay(failures, self._random)
                _log.warning("cannot register the boot", error=error.message, retry_in=round(delay, 2))
                await self._clock.sleep(delay)
            else:
                return

    async def _open(self) -> None:
        """Connect to the hypervisor; retry until that succeeds."""
        failures = 0
        opened = False
        while not self._stopping.is_set():
            try:
                if not opened:
                    await self.driver.open()
                    opened = True
                self._facts = await self.driver.facts()
                self._machines = self._make_machines(self._facts)
            except ResourceError as error:
                failures += 1
                self.observer.failure = error.message
                delay = self.options.backoff.delay(failures, self._random)
                _log.warning("the hypervisor is away", error=error.message, retry_in=round(delay, 2))
                await self._clock.sleep(delay)
            else:
                return

    def _make_machines(self, facts: HostFacts) -> MachineReconciler:
        return MachineReconciler(
            self._acting,
            self.observer,
            self.assignments,
            self.journal,
            self.reports,
            clock=self._clock,
            accelerator=facts.accelerator,
            limits=self.options.limits,
            providers=self.options.providers,
            changed=self._trigger_network,
        )

    async def _reconcile(self, uid: str) -> float | None:
        assert self._machines is not None
        assigned = self.assignments.get(uid)
        if assigned is not None and assigned.kind == "Loadbalancer":
            self._loadbalancers.reconcile(assigned)
            return None
        return await self._machines.reconcile(uid)

    async def _report_all(self) -> None:
        await self._state.loaded.wait()  # without the assignments, a report would take machines for strays
        assert self._machines is not None
        await self._machines.report_all()

    async def _keys(self) -> Iterable[str]:
        return {*self.assignments.uids(), *await self.observer.observe()}

    async def _hello(self) -> Hello:
        assert self._facts is not None
        return hello(self.options, self._facts, self._endpoint(), self.assignments)

    def _event(self, event: MachineEvent) -> None:
        if event.event is Event.LOST:
            self._requeue_all()
        else:
            self.loop.wake(event.uid)
        self._trigger_network()

    def _requeue(self, uids: Iterable[str]) -> None:
        self.loop.wake(*uids)
        self._trigger_network()

    def _requeue_all(self) -> None:
        self._requeueing = asyncio.create_task(self._list_and_requeue())

    async def _list_and_requeue(self) -> None:
        try:
            self.loop.wake(*await self._keys())
        except ResourceError as error:
            # The next resync repeats it.
            _log.warning("cannot observe the machines", error=error.message)
        self._trigger_network()

    def _trigger_network(self) -> None:
        """Have the host's network reconciled with the machines soon."""
        if self._network is not None:
            self._network.trigger()
