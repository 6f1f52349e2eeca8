"""Spaces out looks at what is large: a thing is looked at again only after a multiple of what a look costs.

While a thousand machines of one service start, reports come many times a second, and each look at
the service reads all of them. The next look will see whatever came meanwhile, so waiting loses
nothing; small services are not held back noticeably.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from controller.clock import Clock

FACTOR = 3.0
"""Looks at one thing take at most about a quarter of the time."""
MOST = 2.0
"""Seconds that a look waits at most."""


class Patience:
    """Costs of the last look at each key, in seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._costs: dict[str, float] = {}

    @contextmanager
    def looking(self, keys: Iterable[str]) -> Iterator[None]:
        """Measure a look at keys; the cost is shared evenly."""
        begin = self._clock.monotonic()
        try:
            yield
        finally:
            looked = list(keys)
            for key in looked:
                self._costs[key] = (self._clock.monotonic() - begin) / len(looked)

    def pause(self, key: str) -> float:
        """How long the next look at a key should wait."""
        return min(MOST, FACTOR * self._costs.get(key, 0.0))

    def forget(self, key: str) -> None:
        """The key is no more."""
        self._costs.pop(key, None)
