"""Who works (H2): one master per kind of process and tier, by a lease with a term.

The API hands out the lease (ReassignRole, compare-and-swap on the database's clock); the master
renews it in the database itself, so that it stays master while the API restarts. Two guards:

- *The database* refuses writes of a superseded term (``Fence``). This alone makes it safe.
- *The local monotonic clock*: counted from before each request, so that the master believes in its
  lease for less time than the database does. When it could not renew in time it steps down by
  itself, even while the renewal hangs.

Ordering: the work of a term is cancelled and has ended before the next term is asked for. A
process that was stopped and wakes may do a little work before it notices: its writes are refused.
Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from controller.clock import Clock
from controller.errors import ResourceError, StaleTerm, TemporaryError
from controller.store import lease
from controller.store.database import Database, Fence

Work = Callable[[Fence], Awaitable[None]]
"""What a master does; cancelled when the term ends. Raising StaleTerm ends the term."""

SAFETY = 0.1
"""Part of the lease that the master does not use: clocks run at slightly different speeds."""

_LEAST_PAUSE = 0.2

_RENEWALS = 3
"""Renewals within one lease: two may fail."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A lease as the API told it."""

    holder: str
    term: int
    expires_in: float


Ask = Callable[[int], Awaitable[Standing]]
"""Asks the API for the lease with the term seen last (ReassignRole); raises our errors."""


class Mastership:
    """One candidate."""

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
        """``changed`` is told the fence when a term begins, and None when it ended."""
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
        """The fence to write with, or None: not master, or not sure any more."""
        return self._held if self._clock.monotonic() < self._deadline else None

    def doubt(self) -> None:
        """Look at the lease now: a write was refused with StaleTerm."""
        self._doubted.set()

    async def run(self, work: Work) -> None:
        """Stand for election for ever, and do ``work`` while master. Cancelled, it gives the lease back.

        An error of ``work`` that is not StaleTerm is raised: the process should not live on as a
        master that does nothing.
        """
        while True:
            fence = await self._win()
            self._changed(fence)
            self._log.info("became master", term=fence.term)
            try:
                await self._reign(fence, work)
            except StaleTerm as error:
                self._log.warning("superseded", term=fence.term, error=error.message)
            finally:
                self._changed(None)
                await self._give_back(fence)

    async def _win(self) -> Fence:
        """Ask until the lease is ours."""
        while True:
            asked_at = self._clock.monotonic()
            pause = self._ttl / _RENEWALS
            try:
                standing = await self._ask(self._observed)
            except ResourceError as error:
                self._log.info("no word about the lease", error=error.message)
            else:
                self._observed = standing.term
                if standing.holder == self._name:
                    self._held = Fence(self._kind, standing.term)
                    self._deadline = asked_at + standing.expires_in * (1 - SAFETY)
                    return self._held
                pause = min(pause, max(_LEAST_PAUSE, standing.expires_in))
            # A little late and not all at once: whoever asks first after the end gets it.
            await self._clock.sleep(pause + 0.1 * self._random.random())

    async def _reign(self, fence: Fence, work: Work) -> None:
        """Work and renew until the term ends; the work has ended when this returns."""
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
        """Renew in time; raises StaleTerm when the term is over."""
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
        """Wait until one of two is done; cancel what is left, except ``keep``."""
        tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(*(task for task in tasks if task is not keep))

    async def _give_back(self, fence: Fence) -> None:
        """Let another take over at once; when that fails, the lease ends by itself."""
        try:
            await self._db.awrite(lambda tx: lease.release(tx, fence.lease, self._name, fence.term))
        except ResourceError as error:
            self._log.info("lease not given back", error=error.message)


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


def find_stale(error: BaseException | None) -> StaleTerm | None:
    if isinstance(error, StaleTerm):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := find_stale(part)) is not None), None)
    return None
