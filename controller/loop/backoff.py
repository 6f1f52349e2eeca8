"""How long to wait after the n-th failure in a row: exponential, capped, with jitter.

A pure value; the failures are counted by the loops.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: ``first``, then ``factor`` times more each time, at most ``cap``."""

    first: float = 0.2
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.2
    """Each delay is shortened by up to this part of itself, so that many keys do not return at once."""

    def delay(self, failures: int, source: random.Random) -> float:
        """Seconds to wait after ``failures`` failures in a row (1 or more)."""
        # The exponent is bounded: a key that failed for weeks must not overflow a float.
        exponent = min(failures - 1, 64)
        whole = min(self.cap, self.first * self.factor**exponent)
        return whole * (1 - self.jitter * source.random())
