"""The loop that works key by key: keys run beside each other up to a bound, one key never twice."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from controller.clock import Clock
from controller.loop.backoff import Backoff
from controller.loop.base import BaseLoop, ListKeys
from controller.loop.outcome import Outcome, log_outcome

Work = Callable[[str], Awaitable[float | None]]
"""Makes one key as it should be. Returns the seconds after which to look again, or None."""


class Loop(BaseLoop):
    """Reconciles keys one by one, up to ``concurrency`` of them at the same time."""

    def __init__(
        self,
        name: str,
        work: Work,
        *,
        clock: Clock,
        keys: ListKeys | None = None,
        concurrency: int = 16,
        resync: float = 60.0,
        backoff: Backoff | None = None,
        report: Callable[[Outcome], None] = log_outcome,
        source: random.Random | None = None,
    ) -> None:
        super().__init__(name, clock=clock, keys=keys, resync=resync, backoff=backoff, report=report, source=source)
        self._work = work
        self._concurrency = concurrency

    def _start_due(self) -> None:
        for key in self._queue.take(self._concurrency - len(self._tasks)):
            self._start(self._attempt(key))

    async def _attempt(self, key: str) -> None:
        finished = False
        try:
            look_again = await self._work(key)
            outcome = self._queue.finish(key, None, look_again)
            finished = True
        except Exception as error:
            outcome = self._queue.finish(key, error)
            finished = True
        finally:
            if not finished:  # cancelled
                self._queue.release(key)
        self._report(outcome)
