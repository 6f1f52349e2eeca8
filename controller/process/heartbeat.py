"""The own ServiceProcess, told to the API of the tier at an interval and at every change (A9, F4).

A heartbeat that does not get through is not repeated by itself: the next one says more.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from controller.clock import Clock
from controller.errors import ResourceError
from controller.process.mastership import Standing
from controller.rpc import Channels, translated
from controller.wire import api_pb2
from controller.wire.api_pb2_grpc import ApiServiceStub

Tell = Callable[[api_pb2.UpdateNodeRequest], Awaitable[None]]
"""Brings it to the API; raises our errors."""


class ApiClient:
    """The ApiService of a tier, as a process of that tier uses it."""

    def __init__(self, channels: Channels, target: str, server_name: str, *, timeout: float = 5.0) -> None:
        self._channels = channels
        self._target = target
        self._server_name = server_name
        self._timeout = timeout

    async def tell(self, request: api_pb2.UpdateNodeRequest) -> None:
        """UpdateNode; a ``Tell``."""
        with translated(self._target):
            await self._stub().UpdateNode(request, timeout=self._timeout)

    async def reassign(self, kind: str, name: str, observed_term: int) -> Standing:
        """ReassignRole."""
        request = api_pb2.ReassignRoleRequest(kind=kind, name=name, observed_term=observed_term)
        with translated(self._target):
            reply = await self._stub().ReassignRole(request, timeout=self._timeout)
        return Standing(reply.holder, reply.term, reply.expires_in_seconds)

    def _stub(self) -> ApiServiceStub:
        return ApiServiceStub(self._channels.get(self._target, self._server_name))


class Heartbeat:
    """Tells ``say()`` about every ``interval`` seconds, and soon after ``changed``."""

    def __init__(
        self,
        tell: Tell,
        say: Callable[[], api_pb2.UpdateNodeRequest],
        *,
        clock: Clock,
        interval: float,
        note: Callable[[bool], None] = lambda _: None,
        source: random.Random | None = None,
    ) -> None:
        """``note`` is told of each heartbeat whether it got through."""
        self._tell = tell
        self._say = say
        self._clock = clock
        self._interval = interval
        self._note = note
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._changed = asyncio.Event()
        self._log = structlog.get_logger("heartbeat")
        self._failing = False

    def changed(self) -> None:
        """There is news: do not wait for the interval."""
        self._changed.set()

    async def run(self) -> None:
        """Tell for ever; cancel to end."""
        while True:
            self._changed.clear()
            await self.once()
            pause = asyncio.ensure_future(self._clock.sleep(self._interval * self._random.uniform(0.9, 1.1)))
            news = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({pause, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                news.cancel()

    async def once(self) -> None:
        """Tell now; a failure is logged when it is the first in a row."""
        try:
            await self._tell(self._say())
        except ResourceError as error:
            if not self._failing:
                self._log.warning("the API does not hear us", error=error.message)
            self._failing = True
        else:
            self._failing = False
        self._note(not self._failing)
