"""``eventually``: wait for a condition of a real process, with a deadline."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, deadline: float = ..., every: float = ...) -> T: ...
@overload
async def eventually(condition: Callable[[], T | None], *, deadline: float = ..., every: float = ...) -> T: ...
async def eventually(condition: Callable[[], Any], *, deadline: float = 180.0, every: float = 0.02) -> Any:
    """Return the condition's first true value; fail with the last one after ``deadline`` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        result = await value if inspect.isawaitable(value) else value
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {condition}, last value {result!r}")
        await asyncio.sleep(every)
