"""Counts what a function does: lines and calls of Python, and calls of C. The same input gives the same count.

Not counted: the work within one call of C. Texts of many lengths show where such work grows (``re``, copies of lists)
only if the code makes more calls too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from controller.errors import ResourceError

MOST = 2.4
"""How much more the second half of a doubled input may cost than the first: 2 is linear, 4 is quadratic."""


def count(work: Callable[[], object]) -> int:
    """Return how many operations ``work`` takes; a refusal is a result as good as another."""
    counted = [0]

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        counted[0] += 1
        return trace

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            counted[0] += 1

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        work()
    except ResourceError:
        pass
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return counted[0]


def growth(make: Callable[[int], Any], work: Callable[[Any], object], size: int) -> float:
    """Return how the cost of the last doubling compares with that of the one before; 0 where nothing grows."""
    counts = []
    for number in (size, 2 * size, 4 * size):
        given = make(number)
        work_of = partial(work, given)
        count(work_of)  # what is cached for good is not the input's cost
        counts.append(count(work_of))
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    return second / first if first > 50 else (0.0 if second <= 100 else float("inf"))
