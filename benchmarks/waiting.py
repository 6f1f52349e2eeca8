"""Waiting for real processes, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.1) -> float:
    """Seconds until ``condition`` holds; raises RuntimeError past the deadline."""
    begin = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin > seconds:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
    return time.perf_counter() - begin
