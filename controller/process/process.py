"""A process of the control plane: the common parts, which the roles compose.

::

    process = Process(ProcessKind.RESOURCE_CONTROLLER, settings)
    process.add_service(lambda server: add_XServicer_to_server(servicer, server))
    process.add_task("feed", feed.run)
    process.elect(database, lambda fence: RootController(..., fence).run(), api=client)
    process.watch_database(database)
    process.heartbeat_to(client.send_heartbeat)
    await process.run()

Ordering of ``run``: health page, certificate, gRPC, tasks, ready. At SIGTERM: not ready; stoppable tasks are stopped,
and gRPC refuses new calls; after ``drain_seconds`` at most, the remaining tasks are cancelled; the health page closes
last. A task that ends with an error ends the process with that error, so that its supervisor sees it. A task that ends
without an error has no effect.

Not promised: that a thread stuck in foreign code ends. The process does, by force, ten seconds
after the drain's deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from controller.clock import Clock, SystemClock
from controller.errors import ResourceError, find_stale
from controller.loop import Outcome, log_outcome
from controller.model.service_process import ProcessKind, ProcessRole
from controller.pki import CredentialFolder, Renewer
from controller.process import certificate
from controller.process.health import HealthServer
from controller.process.heartbeat import Heartbeat, SendHeartbeat
from controller.process.logs import configure_logs
from controller.process.metrics import Metrics
from controller.process.self_description import VERSION, SelfDescription
from controller.process.settings import ProcessSettings
from controller.process.standing import Standing
from controller.rpc import Channels, RpcServer, StatusServicer
from controller.rpc.call_limits import CallLimits
from controller.rpc.server import AddServicer
from controller.wire.status_pb2_grpc import add_StatusServiceServicer_to_server

if TYPE_CHECKING:
    from controller.process.mastership import Mastership, Work
    from controller.store.database import Database, Fence

FORCE_SECONDS = 10.0
"""Seconds after a drain's deadline until a process that hangs is ended by force."""

DATABASE_SECONDS = 2.0
"""Between two questions to the database whether it is there."""

_STARTING = "process"

Run = Callable[[], Awaitable[None]]
Reassign = Callable[[str, str, int], Awaitable[Standing]]


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    run: Run
    stop: Callable[[], None] | None


class Process:
    """One process; everything is added before ``run``, which is called once."""

    def __init__(
        self,
        kind: ProcessKind,
        settings: ProcessSettings,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Must be called in the event loop that the process runs in."""
        self.kind = kind
        self.settings = settings
        self.clock = clock or SystemClock()
        configure_logs(kind.value, settings.name, settings.log_level)
        self.log = structlog.get_logger("process")
        self.identity = certificate.identity_of(kind, settings)
        self.folder = CredentialFolder(settings.tls.folder)
        self.channels = Channels(self.folder)
        self.metrics = Metrics(process=kind.value, name=settings.name, version=VERSION)
        limits = CallLimits(self.clock, self.metrics.limit_reached)
        self.server = RpcServer(self.folder, observe=self.metrics.call, limits=limits)
        self.mastership: Mastership | None = None
        self._renewer = certificate.local_renewer(self.folder, self.identity, settings, self.clock)
        self._listeners: list[tuple[str, bool, Callable[[int], None]]] = []
        self._tasks: list[_Task] = []
        self._self = SelfDescription(kind, settings.name, settings.cluster, settings.endpoint)
        self._self.not_ready(_STARTING, "starting")
        self._heartbeat: Heartbeat | None = None
        self._stop = asyncio.Event()
        self.health = HealthServer(
            settings.health,
            lambda: self._self.not_ready_parts,
            self.metrics.registry,
            clock=self.clock,
            reached=self.metrics.limit_reached,
        )
        self.add_service(lambda server: add_StatusServiceServicer_to_server(StatusServicer(self._self.status), server))

    @property
    def endpoint(self) -> str:
        """Return where others reach the gRPC server; known once ``run`` listens."""
        return self._self.endpoint

    # --- composing

    def add_service(self, add: AddServicer) -> None:
        """Add a gRPC service."""
        self.server.add(add)

    def add_listener(
        self, address: str, *, client_certificate: bool = True, bound: Callable[[int], None] = lambda _: None
    ) -> None:
        """Answer gRPC on one more address; ``bound`` is called with its port."""
        self._listeners.append((address, client_certificate, bound))

    def add_task(self, name: str, run: Run, *, stop: Callable[[], None] | None = None) -> None:
        """Run a task; ``stop`` asks it to finish when the process drains."""
        self._tasks.append(_Task(name, run, stop))

    def renew_with(self, renewer: Renewer) -> None:
        """Get and renew the certificate from another source than the settings' authority; a joining node does so."""
        self._renewer = renewer

    def not_ready(self, part: str, why: str) -> None:
        """Mark a part as not ready, with the reason."""
        self._self.not_ready(part, why)
        self._send_heartbeat_soon()

    def ready(self, part: str) -> None:
        """Mark a part as ready."""
        if self._self.ready(part):
            self._send_heartbeat_soon()

    def report(self, outcome: Outcome) -> None:
        """Count and log an outcome of the process's loops; check the mastership if a write was refused as stale."""
        self.metrics.outcome(outcome)
        log_outcome(outcome)
        if self.mastership is not None and find_stale(outcome.error) is not None:
            self.mastership.doubt()

    def watch_database(self, db: Database) -> None:
        """Be ready only while the database answers."""

        async def watch() -> None:
            while True:
                try:
                    await db.aread(lambda tx: tx.now)
                except ResourceError as error:
                    if "database" not in self._self.not_ready_parts:
                        self.log.error("the database is away", error=error.message)
                    self.not_ready("database", error.message)
                else:
                    self.ready("database")
                await self.clock.sleep(DATABASE_SECONDS)

        self.add_task("database", watch)

    def heartbeat_to(self, send: SendHeartbeat) -> None:
        """Report the process's ServiceProcess at the settings' interval."""
        self._heartbeat = Heartbeat(
            send,
            self._self.heartbeat,
            clock=self.clock,
            interval=self.settings.heartbeat_seconds,
            note=lambda received: self.metrics.heartbeats.labels("received" if received else "lost").inc(),
        )
        self.add_task("heartbeat", self._heartbeat.run)

    def elect(self, db: Database, work: Work, *, reassign: Reassign, lease_seconds: float) -> Mastership:
        """Stand for election, and do ``work`` while master; a slave is ready as well."""
        from controller.process.mastership import Mastership  # an agent has no database: it loads none

        self._self.role = ProcessRole.SLAVE
        kind, name = self.kind.value, self.settings.name
        mastership = Mastership(
            db,
            kind=kind,
            name=name,
            ask=lambda observed_term: reassign(kind, name, observed_term),
            clock=self.clock,
            lease_seconds=lease_seconds,
            changed=self._mastership_changed,
        )
        self.mastership = mastership
        self.add_task("mastership", lambda: mastership.run(work))
        return mastership

    def shut_down(self) -> None:
        """Begin the drain, as SIGTERM does."""
        self._stop.set()

    # --- running

    async def run(self) -> None:
        """Serve until SIGTERM or ``shut_down``; raises the error of a task that failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.shut_down)
        stopping = asyncio.create_task(self._stop.wait())
        running: dict[asyncio.Future[None], _Task] = {}
        try:
            await self.health.start()
            starting = asyncio.create_task(self._start())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                running = {asyncio.ensure_future(task.run()): task for task in self._tasks}
                self.ready(_STARTING)
                self.log.info("running", endpoint=self.endpoint, health=self.health.address, version=VERSION)
                await self._watch(running, stopping)
            else:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
        finally:
            await self._drain(running)
            stopping.cancel()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        self.log.info("ended")

    async def _start(self) -> None:
        await certificate.wait_for_certificate(
            self.folder,
            self.identity,
            self._renewer,
            clock=self.clock,
            not_ready=lambda why: self.not_ready(_STARTING, why),
        )
        if self._renewer is not None:
            self.add_task("certificate", self._renewer.run)
        port = self.server.listen(self.settings.listen)
        address = self.settings.listen
        if not address.startswith("unix:"):
            address = f"{address.rpartition(':')[0]}:{port}"
        self._self.endpoint = self.settings.endpoint or address
        for listener, client_certificate, bound in self._listeners:
            bound(self.server.listen(listener, client_certificate=client_certificate))
        await self.server.start()
        self.metrics.certificate_end.set_function(lambda: self.folder.load().valid_until.timestamp())

    async def _watch(self, running: dict[asyncio.Future[None], _Task], stopping: asyncio.Future[Any]) -> None:
        """Wait for the stop; raises the error of a failed task."""
        waiting: set[asyncio.Future[Any]] = {stopping, *running}
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for ended in done & running.keys():
                error = ended.exception()
                if error is not None:
                    name = running[ended].name
                    self.log.error("task failed", task=name, error=repr(error), exc_info=error)
                    raise error
            if stopping in done:
                return

    async def _drain(self, running: dict[asyncio.Future[None], _Task]) -> None:
        """End all tasks and servers within the deadline."""
        force = threading.Timer(self.settings.drain_seconds + FORCE_SECONDS, _force, [self.log])
        force.daemon = True
        force.start()
        self.not_ready(_STARTING, "draining")
        self.log.info("draining")
        left = {task for task in running if not task.done()}
        stoppable = {task for task in left if running[task].stop is not None}
        for task in stoppable:
            stop = running[task].stop
            assert stop is not None
            stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(
                self.server.stop(self.settings.drain_seconds),
                *([asyncio.wait(stoppable, timeout=self.settings.drain_seconds)] if stoppable else []),
            )
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=FORCE_SECONDS / 2)
        if self._heartbeat is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heartbeat.once(), 1.0)
        await self.channels.close()
        await self.health.close()
        force.cancel()

    # --- heartbeats

    def _send_heartbeat_soon(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.changed()

    def _mastership_changed(self, fence: Fence | None) -> None:
        self._self.role = ProcessRole.SLAVE if fence is None else ProcessRole.MASTER
        if fence is not None:
            self._self.term = fence.term
        self.metrics.master.set(0 if fence is None else 1)
        self.metrics.term.set(self._self.term)
        self._send_heartbeat_soon()


def _force(log: structlog.stdlib.BoundLogger) -> None:
    log.error("the drain hangs; ended by force")
    os._exit(1)
