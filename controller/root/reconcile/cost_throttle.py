"""Throttling of reconciles by their cost: a key is reconciled again only after a multiple of its last cost.

While a thousand machines of one service start, reports come many times a second, and each reconcile
of the service reads all of them. The next one sees whatever came meanwhile, so that waiting loses
nothing. Small services are not held back noticeably.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from controller.clock import Clock

FACTOR = 3.0
"""The reconciles of one key take at most about a quarter of the time."""
MOST = 2.0
"""Seconds that a reconcile waits at most."""


class CostThrottle:
    """Seconds that the last reconcile of each key took."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._costs: dict[str, float] = {}

    @contextmanager
    def measure(self, keys: Iterable[str]) -> Iterator[None]:
        """Measure the reconcile of keys; the cost is shared evenly among them."""
        begin = self._clock.monotonic()
        try:
            yield
        finally:
            measured = list(keys)
            for key in measured:
                self._costs[key] = (self._clock.monotonic() - begin) / len(measured)

    def pause(self, key: str) -> float:
        """Return how many seconds the next reconcile of a key should wait."""
        return min(MOST, FACTOR * self._costs.get(key, 0.0))

    def forget(self, key: str) -> None:
        """Forget the cost of a deleted key."""
        self._costs.pop(key, None)
