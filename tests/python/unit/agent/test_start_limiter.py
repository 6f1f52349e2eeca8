"""The slots for starts."""

from __future__ import annotations

import asyncio

from controller.agent.start_limiter import StartLimiter
from controller.clock import VirtualClock


async def test_a_slot_is_released_after_a_while(clock: VirtualClock) -> None:
    limiter = StartLimiter(1, 10, clock)
    order: list[str] = []

    async def work(name: str, seconds: float) -> None:
        async with limiter.slot():
            order.append(name)
            await clock.sleep(seconds)

    tasks = [asyncio.create_task(work(*one)) for one in (("slow", 100), ("quick", 1), ("next", 1))]
    await clock.advance(9)
    assert order == ["slow"]
    await clock.advance(1)
    assert order == ["slow", "quick"]
    await clock.advance(1)
    assert order == ["slow", "quick", "next"]
    await clock.advance(100)
    await asyncio.gather(*tasks)
    async with limiter.slot():
        pass
