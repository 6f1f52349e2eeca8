"""The agent's one stream to its cluster's API: hello, heartbeats and reports up, assignments down.

It is dialled again for ever, with a jittered back-off. While it is away the agent goes on with the
assignments that it has.

Ordering: messages go out in the order in which they were taken; a report is taken and written
under one lock, so an older report never follows a newer one. A full report opens each session as
soon as the hypervisor has answered (an empty one would say that nothing is here), and is repeated
at the resync interval.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from grpc import aio

from controller.agent.assignments import Assignments
from controller.agent.reports import Reports
from controller.clock import Clock
from controller.errors import ResourceError, Unavailable
from controller.loop import Backoff
from controller.rpc import outgoing_metadata, translated
from controller.wire.agent_pb2 import AgentMessage, ApiMessage, Heartbeat, Hello, Report
from controller.wire.agent_pb2_grpc import AgentServiceStub

_log = structlog.get_logger("agent.session")


@dataclass(frozen=True)
class Pace:
    """How often; seconds."""

    heartbeat: float = 5.0
    gather: float = 0.03
    """How long changes are gathered before they are sent together."""
    resync: float = 60.0
    """Between two full reports."""
    reconnect: Backoff = field(default_factory=lambda: Backoff(first=0.2, cap=10.0))


class Session:
    """Keeps the stream; tells others what came."""

    def __init__(
        self,
        channel: Callable[[], aio.Channel],
        hello: Callable[[], Awaitable[Hello]],
        assignments: Assignments,
        reports: Reports,
        *,
        picture: Callable[[], Awaitable[None]],
        trouble: Callable[[], str],
        wake: Callable[[Iterable[str]], None],
        wake_all: Callable[[], None],
        clock: Clock,
        pace: Pace | None = None,
        source: random.Random | None = None,
    ) -> None:
        """``picture`` brings all reports up to date, ``trouble`` says why the node is not healthy."""
        self._channel = channel
        self._hello = hello
        self._assignments = assignments
        self._reports = reports
        self._picture = picture
        self._trouble = trouble
        self._wake = wake
        self._wake_all = wake_all
        self._clock = clock
        self._pace = pace or Pace()
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._writing = asyncio.Lock()
        self.connected = False
        """Whether a stream stands on which assignments came."""
        self.last_error = ""

    async def run(self) -> None:
        """Dial for ever; cancel to end."""
        failures = 0
        while True:
            told = self.last_error
            try:
                await self._once()
                self.last_error = "the cluster API ended the session"
            except ResourceError as error:
                self.last_error = error.message
            except Exception as error:
                # Nothing that comes over the wire may end the agent: log it with its trace, dial again.
                self.last_error = repr(error)
                _log.exception("session broken")
            failures = 1 if self.connected else failures + 1
            self.connected = False
            self._assignments.session_ended()
            delay = self._pace.reconnect.delay(failures, self._random)
            if self.last_error != told or failures == 1:
                _log.info("session ended", error=self.last_error, retry_in=round(delay, 2))
            await self._clock.sleep(delay)

    async def _once(self) -> None:
        hello = await self._hello()
        with translated("cluster API"):
            call: Any = AgentServiceStub(self._channel()).Session(metadata=outgoing_metadata())
            tasks: list[asyncio.Task[None]] = []
            try:
                await call.write(AgentMessage(hello=hello))
                works = (self._receive(call), self._beat(call), self._report(call), self._report_all(call))
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
                changed = await self._assignments.take(message.assignments)
                self.connected = True
                self._wake(changed)
                if first and self._assignments.confirmed:
                    self._wake_all()  # what nothing assigns any more is found by a look at everything

    async def _beat(self, call: Any) -> None:
        # Spread over the interval, so that agents that were started together do not beat together.
        await self._clock.sleep(self._pace.heartbeat * self._random.random())
        while True:
            trouble = self._trouble()
            async with self._writing:
                await call.write(AgentMessage(heartbeat=Heartbeat(healthy=not trouble, message=trouble)))
            await self._clock.sleep(self._pace.heartbeat)

    async def _report(self, call: Any) -> None:
        await self._send_all(call)
        while True:
            await self._reports.changed.wait()
            await self._clock.sleep(self._pace.gather)
            async with self._writing:
                changed = self._reports.take_changed()
                if changed:
                    report = Report(assignments_version=self._assignments.version, resources=changed)
                    await call.write(AgentMessage(report=report))

    async def _report_all(self, call: Any) -> None:
        while True:
            await self._clock.sleep(self._pace.resync * self._random.uniform(0.9, 1.1))
            await self._send_all(call)

    async def _send_all(self, call: Any) -> None:
        """Send everything, as soon as the hypervisor tells."""
        failures = 0
        while True:
            try:
                await self._picture()
                break
            except ResourceError as error:
                failures += 1
                _log.warning("cannot look at the machines", error=error.message)
                await self._clock.sleep(self._pace.reconnect.delay(failures, self._random))
        async with self._writing:
            version = self._assignments.version
            report = Report(full=True, assignments_version=version, resources=self._reports.take_all())
            await call.write(AgentMessage(report=report))


async def _raise_status(call: Any) -> None:
    """Raise what ended the stream, if it was an error."""
    code = await call.code()
    if code.value[0] != 0:
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
        raise aio.AioRpcError(code, initial, trailing, await call.details(), "")


def _raise_end(task: asyncio.Task[None]) -> None:
    """Raise why a part of the session ended; gRPC's own words for a dead stream become ours."""
    if task.cancelled():
        raise Unavailable("the stream was cancelled")
    error = task.exception()
    if isinstance(error, asyncio.InvalidStateError):
        raise Unavailable("the stream has ended") from error
    if error is not None:
        raise error
