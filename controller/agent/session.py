"""Keeps the agent's one stream to its cluster's API: hello, heartbeats and reports up, assignments down.

A stream that ends is opened again, with a jittered back-off, until the agent stops. Without a
stream the agent keeps the assignments that it has. While new ones cannot be kept on disk they wait, and so do those
after them; heartbeats go on and say why.

Ordering: messages are sent in the order in which they were taken. A report is taken and written
under one lock, so an older report never follows a newer one. Each session opens with a full report
as soon as the hypervisor has answered (an empty report would mean that the node has no machines);
the full report is repeated at the resync interval.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from grpc import aio

from controller.agent.assignments import Assignments
from controller.agent.drivers.types import Quarantined
from controller.agent.quarantine_listing import QuarantineListing
from controller.agent.reports import Reports
from controller.clock import Clock
from controller.errors import ResourceError, TemporaryError, Unavailable
from controller.loop import Backoff
from controller.rpc import outgoing_metadata, translated
from controller.wire.agent_pb2 import AgentMessage, ApiMessage, Heartbeat, Hello, QuarantinedDisks, Report
from controller.wire.agent_pb2 import Assignments as AssignmentsMessage
from controller.wire.agent_pb2_grpc import AgentServiceStub

_log = structlog.get_logger("agent.session")

_MOST_QUARANTINED = 200
"""How many of the disks that are kept aside a report lists."""


@dataclass(frozen=True)
class Intervals:
    """The intervals of a session; seconds."""

    heartbeat: float = 5.0
    gather: float = 0.03
    """How long changes are collected before they are sent together."""
    resync: float = 60.0
    """Between two full reports."""
    reconnect: Backoff = field(default_factory=lambda: Backoff(first=0.2, cap=10.0))


class Session:
    """Keeps the stream, applies assignments and requeues what they changed."""

    def __init__(
        self,
        channel: Callable[[], aio.Channel],
        hello: Callable[[], Awaitable[Hello]],
        assignments: Assignments,
        reports: Reports,
        *,
        report_all: Callable[[], Awaitable[None]],
        quarantined: Callable[[], Awaitable[Sequence[Quarantined]]],
        unhealthy_reason: Callable[[], str],
        requeue: Callable[[Iterable[str]], None],
        requeue_all: Callable[[], None],
        check_state: Callable[[], Awaitable[None]],
        clock: Clock,
        intervals: Intervals | None = None,
        source: random.Random | None = None,
    ) -> None:
        """``report_all`` brings all reports up to date; ``requeue`` has resources reconciled soon.
        ``quarantined`` returns the disks that are kept aside on the node.

        ``unhealthy_reason`` returns why the node is not healthy; empty when it is. ``check_state`` raises
        Unavailable while assignments cannot be kept.
        """
        self._channel = channel
        self._hello = hello
        self._assignments = assignments
        self._reports = reports
        self._update_reports = report_all
        self._quarantine = QuarantineListing(quarantined)
        self._unhealthy_reason = unhealthy_reason
        self._requeue = requeue
        self._requeue_all = requeue_all
        self._check_state = check_state
        self._restart = asyncio.Event()
        self._clock = clock
        self._intervals = intervals or Intervals()
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._writing = asyncio.Lock()
        self.connected = False
        """Whether a stream is open on which assignments came."""
        self.last_error = ""

    @property
    def quarantine_bytes(self) -> int:
        """Return what all disks that are kept aside took at the last full report."""
        return self._quarantine.size_bytes

    def restart(self) -> None:
        """Open a new stream, with a new hello: what it said is not true any more."""
        self._restart.set()

    async def run(self) -> None:
        """Keep a stream open until cancelled."""
        failures = 0
        while True:
            previous = self.last_error
            try:
                await self._once()
                self.last_error = "the cluster API ended the session"
            except ResourceError as error:
                self.last_error = error.message
            except Exception as error:
                # Nothing that comes over the wire may end the agent: log it with its trace, and connect again.
                self.last_error = repr(error)
                _log.exception("session broken")
            failures = 1 if self.connected else failures + 1
            self.connected = False
            self._assignments.session_ended()
            delay = self._intervals.reconnect.delay(failures, self._random)
            if self.last_error != previous or failures == 1:
                _log.info("session ended", error=self.last_error, retry_in=round(delay, 2))
            await self._clock.sleep(delay)

    async def _once(self) -> None:
        self._restart.clear()
        hello = await self._hello()
        with translated("cluster API"):
            call: Any = AgentServiceStub(self._channel()).Session(metadata=outgoing_metadata())
            tasks: list[asyncio.Task[None]] = []
            try:
                await call.write(AgentMessage(hello=hello))
                works = (
                    self._receive(call),
                    self._send_heartbeats(call),
                    self._send_changes(call),
                    self._resend_all(call),
                    self._await_restart(),
                )
                tasks = [asyncio.create_task(work) for work in works]
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    _raise_end(task)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                call.cancel()

    async def _receive(self, call: Any) -> None:
        while True:
            message = await call.read()
            if not isinstance(message, ApiMessage):  # the end of the stream
                code, details = await call.code(), await call.details()
                _log.debug("stream ended", code=str(code), details=details)
                await _raise_status(call)
                return
            if message.WhichOneof("body") == "assignments":
                first = not self._assignments.confirmed
                changed = await self._keep(message.assignments)
                self.connected = True
                self._requeue(changed)
                if first and self._assignments.confirmed:
                    self._requeue_all()  # finds the machines that are not assigned any more

    async def _keep(self, message: AssignmentsMessage) -> set[str]:
        """Apply a message as soon as it can be kept on disk; those after it wait, and heartbeats go on meanwhile."""
        failures = 0
        while True:
            try:
                await self._check_state()
                return await self._assignments.apply(message)
            except TemporaryError as error:
                failures += 1
                if failures == 1:
                    _log.warning("assignments wait until they can be kept", error=error.message)
                await self._clock.sleep(self._intervals.reconnect.delay(failures, self._random))

    async def _await_restart(self) -> None:
        await self._restart.wait()

    async def _send_heartbeats(self, call: Any) -> None:
        # A random delay: agents that started together do not send their heartbeats together.
        await self._clock.sleep(self._intervals.heartbeat * self._random.random())
        while True:
            reason = self._unhealthy_reason()
            async with self._writing:
                await call.write(AgentMessage(heartbeat=Heartbeat(healthy=not reason, message=reason)))
            await self._clock.sleep(self._intervals.heartbeat)

    async def _send_changes(self, call: Any) -> None:
        await self._send_all(call)
        while True:
            await self._reports.changed.wait()
            await self._clock.sleep(self._intervals.gather)
            async with self._writing:
                changed = self._reports.take_changed()
                if changed:
                    report = Report(assignments_version=self._assignments.version, resources=changed)
                    await call.write(AgentMessage(report=report))

    async def _resend_all(self, call: Any) -> None:
        while True:
            await self._clock.sleep(self._intervals.resync * self._random.uniform(0.9, 1.1))
            await self._send_all(call)

    async def _send_all(self, call: Any) -> None:
        """Send all reports as soon as the hypervisor can be observed."""
        failures = 0
        while True:
            try:
                await self._update_reports()
                break
            except ResourceError as error:
                failures += 1
                _log.warning("cannot observe the machines", error=error.message)
                await self._clock.sleep(self._intervals.reconnect.delay(failures, self._random))
        await self._quarantine.refresh()
        async with self._writing:
            version = self._assignments.version
            report = Report(
                full=True,
                assignments_version=version,
                resources=self._reports.take_all(),
                quarantine=[_disks(one) for one in self._quarantine.kept[:_MOST_QUARANTINED]],
                quarantine_bytes=self.quarantine_bytes,
            )
            await call.write(AgentMessage(report=report))


def _disks(one: Quarantined) -> QuarantinedDisks:
    return QuarantinedDisks(key=one.key, uid=one.uid, name=one.name, at=one.at.isoformat(), size_bytes=one.size_bytes)


async def _raise_status(call: Any) -> None:
    """Raise what ended the stream, if it was an error."""
    code = await call.code()
    if code.value[0] != 0:
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
        raise aio.AioRpcError(code, initial, trailing, await call.details(), "")


def _raise_end(task: asyncio.Task[None]) -> None:
    """Raise why a part of the session ended; gRPC's errors for a dead stream become Unavailable."""
    if task.cancelled():
        raise Unavailable("the stream was cancelled")
    error = task.exception()
    if isinstance(error, asyncio.InvalidStateError):
        raise Unavailable("the stream has ended") from error
    if error is not None:
        raise error
