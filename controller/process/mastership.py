"""Election of masters: one master per kind of process and tier, by a lease with a term.

The API hands out the lease (ReassignRole, compare-and-swap on the database's clock); the master
renews it in the database itself, so that it stays master while the API restarts. Two guards:

- *The database* refuses writes of a superseded term (``Fence``). This alone makes it safe.
- *The local monotonic clock*: the lease counts from before each request, so that for the master it ends earlier than
  for the database. A master that could not renew in time steps down, even while the renewal hangs.

Ordering: the work of a term is cancelled and has ended before the next term is requested. A process that was suspended
may do a little work after it resumes; its writes are refused. A Mastership belongs to one event loop.

Design: H2
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from controller.clock import Clock
from controller.errors import ResourceError, StaleTerm, TemporaryError, find_stale
from controller.loop import Backoff
from controller.process.standing import Standing
from controller.store import lease
from controller.store.database import Database, Fence

Work = Callable[[Fence], Awaitable[None]]
"""The work of a master; cancelled when the term ends. Raising StaleTerm ends the term."""

SAFETY = 0.1
"""Part of the lease that the master does not use, because clocks run at slightly different speeds."""

_LEAST_PAUSE = 0.2

_UNKNOWN = Backoff(first=0.2, cap=5.0)
"""Pauses while nobody says who has the lease: an API that starts a moment later must not cost a third of a lease."""

_RENEWALS = 3
"""Renewals within one lease: two may fail."""


Ask = Callable[[int], Awaitable[Standing]]
"""Request the lease from the API with the last known term (ReassignRole); raises ResourceError."""


class Mastership:
    """A candidate for one lease."""

    def __init__(
        self,
        db: Database,
        *,
        kind: str,
        name: str,
        ask: Ask,
        clock: Clock,
        lease_seconds: float = 15.0,
        changed: Callable[[Fence | None], None] = lambda _: None,
        source: random.Random | None = None,
    ) -> None:
        """``changed`` is called with the fence when a term begins, and with None when it has ended."""
        self._db = db
        self._kind = kind
        self._name = name
        self._ask = ask
        self._clock = clock
        self._ttl = lease_seconds
        self._changed = changed
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._observed = 0
        self._held: Fence | None = None
        self._deadline = 0.0
        self._doubted = asyncio.Event()
        self._log = structlog.get_logger("mastership").bind(lease=kind)

    @property
    def fence(self) -> Fence | None:
        """Return the fence for writes; None if this process is not master, or no longer certain to be."""
        return self._held if self._clock.monotonic() < self._deadline else None

    def doubt(self) -> None:
        """Check the lease now: a write was refused with StaleTerm."""
        self._doubted.set()

    async def run(self, work: Work) -> None:
        """Stand for election until cancelled, and do ``work`` while master; release the lease at the end.

        Raises any error of ``work`` but StaleTerm, so that the process does not continue as a master that does
        nothing.
        """
        while True:
            fence = await self._win()
            self._changed(fence)
            self._log.info("became master", term=fence.term)
            try:
                await self._work_and_renew(fence, work)
            except StaleTerm as error:
                self._log.warning("superseded", term=fence.term, error=error.message)
            finally:
                self._changed(None)
                await self._release(fence)

    async def _win(self) -> Fence:
        """Request the lease until this process has it."""
        failures = 0
        while True:
            asked_at = self._clock.monotonic()
            pause = self._ttl / _RENEWALS
            try:
                standing = await self._ask(self._observed)
            except ResourceError as error:
                failures += 1
                pause = min(pause, _UNKNOWN.delay(failures, self._random))
                self._log.info("lease unknown", error=error.message)
            else:
                failures = 0
                self._observed = standing.term
                if standing.holder == self._name:
                    self._held = Fence(self._kind, standing.term)
                    self._deadline = asked_at + standing.expires_in * (1 - SAFETY)
                    return self._held
                pause = min(pause, max(_LEAST_PAUSE, standing.expires_in))
            # A random delay after the end of the lease, so that not all candidates request it at the same time.
            await self._clock.sleep(pause + 0.1 * self._random.random())

    async def _work_and_renew(self, fence: Fence, work: Work) -> None:
        """Work and renew until the term ends; the work has ended when this method returns."""
        working = asyncio.ensure_future(work(fence))
        renewing = asyncio.ensure_future(self._keep(fence))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                _raise_result(working)
                raise RuntimeError(f"the work of {self._kind} ended by itself")
            _raise_result(renewing)
        finally:
            self._held = None
            await _end(working, renewing)

    async def _keep(self, fence: Fence) -> None:
        """Renew the lease in time; raises StaleTerm when the term has ended."""
        pause = self._ttl / _RENEWALS
        while True:
            self._doubted.clear()
            await self._first(self._clock.sleep(pause), self._doubted.wait())
            self._check_deadline(fence)
            asked_at = self._clock.monotonic()
            renewal = asyncio.ensure_future(
                self._db.awrite(lambda tx: lease.renew(tx, fence.lease, self._name, fence.term, self._ttl))
            )
            try:
                await self._first(renewal, self._clock.sleep(self._deadline - asked_at), keep=renewal)
                self._check_deadline(fence)
                await renewal
            except TemporaryError as error:
                self._log.warning("lease not renewed", error=error.message)
                pause = self._ttl / _RENEWALS / 4
            else:
                self._deadline = asked_at + self._ttl * (1 - SAFETY)
                pause = self._ttl / _RENEWALS
            finally:
                renewal.cancel()

    def _check_deadline(self, fence: Fence) -> None:
        if self._clock.monotonic() >= self._deadline:
            raise StaleTerm(f"{fence.lease}: term {fence.term} could not be renewed in time")

    async def _first(
        self, one: Awaitable[object], other: Awaitable[object], keep: asyncio.Future[Any] | None = None
    ) -> None:
        """Wait until one of the two is done; cancel the other, except ``keep``."""
        tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(*(task for task in tasks if task is not keep))

    async def _release(self, fence: Fence) -> None:
        """Release the lease, so that another candidate can take it at once; if that fails, it expires."""
        try:
            await self._db.awrite(lambda tx: lease.release(tx, fence.lease, self._name, fence.term))
        except ResourceError as error:
            self._log.info("lease not released", error=error.message)


async def _end(*tasks: asyncio.Future[object] | asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _raise_result(task: asyncio.Future[None]) -> None:
    """Raise the task's error; a StaleTerm anywhere in a group is raised as itself."""
    error = task.exception()
    stale = find_stale(error)
    if stale is not None:
        raise stale
    if error is not None:
        raise error
