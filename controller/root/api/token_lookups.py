"""Bounds how many unknown tokens the database is asked for, for each address that sends them.

A lookup takes a unit of its address before it begins, and gives it back when the token is known: also those that are in
flight at the same time are bounded. The bucket is never more than empty, so that an address without a unit has one
again after a moment, whatever was sent. A token that this process accepted in the last minutes takes no unit: it goes
on, whoever guesses at its address. Requests with one token that is not known yet wait for the first of them, so that a
client with many connections takes one unit after a restart, not one for each.

Not promised: that a token which this process has not accepted lately is let in at once from an address that guesses. It
gets 429 until a unit is there, and competes for it with the guesses.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from controller.clock import Clock
from controller.errors import TemporaryError, TooManyRequests
from controller.model.access import Token
from controller.rate_limit import RateLimit, Reached

_ACCEPTED_SECONDS = 600.0
_MOST_ACCEPTED = 10_000


class TokenLookups:
    """The lookups of one process."""

    def __init__(self, per_second: float, burst: int, clock: Clock, reached: Reached) -> None:
        """``reached`` is called with the limit's name for each lookup that is refused."""
        self._clock = clock
        self._reached = reached
        self._unknown = RateLimit(per_second, burst, clock)
        self._accepted: OrderedDict[str, float] = OrderedDict()
        """Digests of tokens, and when each was last accepted."""
        self._first: dict[str, asyncio.Event] = {}
        """Set when the first lookup of a token that is not known yet has ended."""

    async def look_up(self, address: str, secret: str, verify: Callable[[], Awaitable[Token | None]]) -> Token | None:
        """Return what ``verify`` returns; raises TooManyRequests without a call where the address has no unit left."""
        digest = _digest(secret)
        if not self._is_accepted(digest) and digest in self._first:
            await self._first[digest].wait()
        if self._is_accepted(digest):
            token = await verify()
            if token is None:  # revoked since: its next lookups take units
                self._unknown.wait(address)
        else:
            token = await self._first_lookup(address, digest, verify)
        self._remember(digest, token)
        return token

    async def _first_lookup(
        self, address: str, digest: str, verify: Callable[[], Awaitable[Token | None]]
    ) -> Token | None:
        seconds = self._unknown.wait(address)
        if seconds:
            self._reached("bad_tokens")
            raise TooManyRequests("this address has sent too many tokens that are not known", seconds)
        ended = asyncio.Event()
        self._first.setdefault(digest, ended)
        try:
            token = await verify()
        except TemporaryError:
            self._unknown.give_back(address)  # the database is away: that is nobody's guess
            raise
        finally:
            if self._first.get(digest) is ended:
                del self._first[digest]
            ended.set()
        if token is not None:
            self._unknown.give_back(address)
        return token

    def _is_accepted(self, digest: str) -> bool:
        accepted = self._accepted.get(digest)
        return accepted is not None and self._clock.monotonic() - accepted <= _ACCEPTED_SECONDS

    def _remember(self, digest: str, token: Token | None) -> None:
        if token is None:
            self._accepted.pop(digest, None)
            return
        self._accepted[digest] = self._clock.monotonic()
        self._accepted.move_to_end(digest)
        if len(self._accepted) > _MOST_ACCEPTED:
            self._accepted.popitem(last=False)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
