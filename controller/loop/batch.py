"""The loop that works in bulk: all keys that are due go into one call, one call at a time.

For controllers whose work is a few statements for any number of keys. ``gather`` seconds pass
between the first due key and the call, so that a burst of wakes becomes one batch.

One bad key must not hold up the others: when a batch of several keys fails for good (or
unforeseen), it is halved, until the guilty key stands alone. So ``work`` must be idempotent, as
all reconcile work is. A TemporaryError is a matter of the peer, not of a key: all keys back off. An
InternalError of a peer is like an unforeseen error here: one key may cause it.
Where the first few keys that stand alone all meet one and nothing has succeeded, the others are not
tried in this round: the peer, or our code, fails at everything. The order of keys changes from round to
round, so that none waits behind the same others for ever.
A StaleTerm is reported for all keys at once: the process is no longer master.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from controller.clock import Clock
from controller.errors import InternalError, StaleTerm, TemporaryError
from controller.loop.backoff import Backoff
from controller.loop.base import BaseLoop, ListKeys
from controller.loop.outcome import Outcome, Verdict, log_outcome, verdict_of

BatchResult = Mapping[str, Exception | float]
"""What is special about some keys: an error of that key, or the seconds after which to look again."""

BatchWork = Callable[[frozenset[str]], Awaitable[BatchResult | None]]
"""Makes all the keys as they should be. Keys that are not in the result are done."""

_MOST_ALONE = 8
"""So many keys may be found to be broken one by one before a round in which nothing succeeds ends."""


@dataclass
class _Round:
    """What came of the calls of one round."""

    succeeded: bool = False
    alone: int = 0
    """Keys that stood alone and met an error that nobody foresaw."""
    last: Exception | None = None

    @property
    def hopeless(self) -> Exception | None:
        """The error for the keys that were not tried, if nothing more is to be tried."""
        return self.last if self.alone >= _MOST_ALONE and not self.succeeded else None


class BatchLoop(BaseLoop):
    """Reconciles all due keys together, at most ``max_batch`` in one call."""

    def __init__(
        self,
        name: str,
        work: BatchWork,
        *,
        clock: Clock,
        keys: ListKeys | None = None,
        gather: float = 0.02,
        max_batch: int = 5000,
        resync: float = 60.0,
        backoff: Backoff | None = None,
        report: Callable[[Outcome], None] = log_outcome,
        source: random.Random | None = None,
    ) -> None:
        super().__init__(name, clock=clock, keys=keys, resync=resync, backoff=backoff, report=report, source=source)
        self._work = work
        self._gather = gather
        self._max_batch = max_batch

    def _start_due(self) -> None:
        due = self._queue.next_at()
        if not self._tasks and due is not None and due <= self._clock.monotonic():
            self._start(self._drain())

    async def _drain(self) -> None:
        if self._gather:
            await self._clock.sleep(self._gather)
        if self._stopping:
            return  # nothing was begun yet
        keys = self._queue.take(self._max_batch)
        left = set(keys)
        try:
            self._random.shuffle(keys)
            await self._attempt(keys, left, _Round())
        finally:
            for key in left:  # cancelled
                self._queue.release(key)

    async def _attempt(self, keys: list[str], left: set[str], so_far: _Round) -> None:
        """Work on keys and give each back; ``left`` holds those not given back yet."""
        shared = False
        hopeless = so_far.hopeless
        try:
            result = dict.fromkeys(keys, hopeless) if hopeless else await self._work(frozenset(keys)) or {}
            so_far.succeeded = so_far.succeeded or hopeless is None
        except Exception as error:
            shared = isinstance(error, TemporaryError | StaleTerm) and not isinstance(error, InternalError)
            if shared:
                result = dict.fromkeys(keys, error)
            elif len(keys) > 1:
                middle = len(keys) // 2
                await self._attempt(keys[:middle], left, so_far)
                await self._attempt(keys[middle:], left, so_far)
                return
            else:
                result = {keys[0]: error}
                if verdict_of(error) is Verdict.BROKEN:
                    so_far.alone, so_far.last = so_far.alone + 1, error
        for index, key in enumerate(keys):
            special = result.get(key)
            left.discard(key)
            if isinstance(special, Exception):
                outcome = self._queue.finish(key, special)
            else:
                outcome = self._queue.finish(key, None, special)
            # An outage is reported once, not once for each of thousands of keys.
            self._report(replace(outcome, repeated=True) if hopeless or (shared and index) else outcome)
