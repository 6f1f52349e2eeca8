"""Bounds one call of a driver in time, for the modules that call drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.errors import TimedOut


@asynccontextmanager
async def driver_deadline(seconds: float) -> AsyncIterator[None]:
    """Cancel the body after ``seconds``. Raises TimedOut then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimedOut(f"the driver did not answer within {seconds:g} s") from error
