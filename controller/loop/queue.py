"""Keys and when they are due.

A key is in the queue at most once, at its earliest asked time. A key that is being worked on is
not given out again until ``finish``; asked for in the meantime, it comes right after. Belongs to
one event loop; nothing here waits or locks.
"""

from __future__ import annotations

import heapq
import itertools
import random

from controller.clock import Clock
from controller.loop.backoff import Backoff
from controller.loop.outcome import Outcome, Verdict, verdict_of


class KeyQueue:
    """Keyed queue with back-off per key."""

    def __init__(self, name: str, clock: Clock, backoff: Backoff, source: random.Random) -> None:
        self._name = name
        self._clock = clock
        self._backoff = backoff
        self._random = source
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._working: set[str] = set()
        self._again: dict[str, float] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._refused: dict[str, str] = {}

    def wake(self, key: str, after: float = 0.0) -> None:
        """Ask for a key, after so many seconds.

        A key that is backing off is not tried sooner than the first back-off after its last failure,
        however often it is woken: a controller that writes the failure down would otherwise wake
        itself without end.
        """
        at = self._clock.monotonic() + after
        failure = self._failures.get(key)
        if failure is not None:
            at = max(at, failure[1] + self._backoff.first)
        self._put(key, at)

    def next_at(self) -> float | None:
        """When the next key is due, on the monotonic clock; None: nothing waits."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, limit: int) -> list[str]:
        """Up to ``limit`` keys that are due, longest due first; each must be given back by ``finish``."""
        now = self._clock.monotonic()
        taken: list[str] = []
        while len(taken) < limit:
            at = self.next_at()
            if at is None or at > now:
                break
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            self._working.add(key)
            taken.append(key)
        return taken

    def finish(self, key: str, error: BaseException | None, look_again: float | None = None) -> Outcome:
        """Give back a key and say how it went; ``look_again`` seconds later it comes without a wake."""
        self._working.discard(key)
        now = self._clock.monotonic()
        again = self._again.pop(key, None)
        verdict = Verdict.DONE if error is None else verdict_of(error)
        repeated = False
        retry_in = look_again
        if error is None:
            self._failures.pop(key, None)
            self._refused.pop(key, None)
        else:
            count = self._failures.get(key, (0, 0.0))[0] + 1
            self._failures[key] = (count, now)
            if verdict is Verdict.REFUSED:
                refusal = f"{type(error).__name__}: {error}"
                repeated = self._refused.get(key) == refusal
                self._refused[key] = refusal
                retry_in = None
            else:
                self._refused.pop(key, None)
                retry_in = self._backoff.delay(count, self._random)
        if retry_in is not None:
            self._put(key, now + retry_in)
        if again is not None:
            self.wake(key, max(0.0, again - now))
        return Outcome(self._name, key, verdict, error, retry_in, repeated)

    def release(self, key: str) -> None:
        """Give back a key whose work was cut short; it is due at once in the next run."""
        self._working.discard(key)
        self._again.pop(key, None)
        self._put(key, self._clock.monotonic())

    def _put(self, key: str, at: float) -> None:
        if key in self._working:
            self._again[key] = min(at, self._again.get(key, at))
            return
        known = self._due.get(key)
        if known is None or at < known:
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))
