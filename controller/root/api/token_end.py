"""Waits for the end of a caller's token, for what outlives its request: watches and consoles.

A token ends at its expiry, or when it is deleted. Expiry is known from the token alone. The deletion arrives by
the change feed of this process: at once for writes of this process, and within the feed's poll interval for those of
others. ``watch_recheck`` bounds how late a step of the wall clock, or a change that the feed could not read, is found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from controller.errors import TemporaryError, VersionsGone
from controller.model import registry
from controller.model.access import TOKEN, Token
from controller.root.api.services import Services
from controller.store import changes, resources


async def is_valid(services: Services, token: Token) -> bool:
    """Return whether the token may still be used; raises TemporaryError."""
    found = await services.db.aread(lambda tx: resources.find(tx, TOKEN.key(token.name)))
    return found is not None and found.uid == token.uid and not found.is_expired(services.clock.now())


async def until_expired(services: Services, token: Token) -> None:
    """Return at the token's expiry; reads no database."""
    while not token.is_expired(services.clock.now()):
        await services.clock.sleep(_rest(services, token))


async def until_ended(services: Services, token: Token) -> None:
    """Return when the token is deleted, or at its expiry."""
    changed = asyncio.Event()
    following = asyncio.ensure_future(_follow(services, changed))
    try:
        while True:
            changed.clear()
            try:
                if not await is_valid(services, token):
                    return
            except TemporaryError:
                pass  # asked again at the next check
            if token.is_expired(services.clock.now()):
                return
            await _first(changed.wait(), services.clock.sleep(_rest(services, token)))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _rest(services: Services, token: Token) -> float:
    """Return the seconds until the token has to be looked at again."""
    recheck = services.settings.watch_recheck
    if token.spec.expires_at is None:
        return recheck
    return min(recheck, max((token.spec.expires_at - services.clock.now()).total_seconds(), 0.0))


async def _follow(services: Services, changed: asyncio.Event) -> None:
    """Set ``changed`` at each change of a kind that grants access."""
    kinds = [kind.name for kind in registry.kinds() if kind.access.grants_access]
    while True:
        try:
            since = await services.db.aread(changes.head)
            changed.set()  # the feed does not have what was written before
            async for _ in services.feed.subscribe(since, kinds):
                changed.set()
        except (VersionsGone, TemporaryError):
            await services.clock.sleep(1.0)


async def _first(*waits: Awaitable[Any]) -> None:
    """Wait until one of them is done, and cancel the others."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
