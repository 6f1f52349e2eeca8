"""How often clients of the REST API may ask: by address before anything else, by token once it is known.

An address that sends unknown tokens meets a limit of its own (``token_lookups``). Who meets a limit gets 429 with
Retry-After, before anything was done.

What stays open (watches, consoles, downloads) has a limit for each token and one for all tokens together.

Limits belong to one process, in its memory: two processes allow twice as much, and a restart resets them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.clock import Clock
from controller.errors import TooManyRequests
from controller.rate_limit import RateLimit, Reached, address_of, ignore_limit
from controller.root.api import problems
from controller.root.api.token_lookups import TokenLookups

DOCUMENTS_PER_REQUEST = 20
"""So many documents of an apply count as one more request: both take some milliseconds."""
_STREAM_RETRY_SECONDS = 5.0


class RequestLimits(BaseModel):
    """How many requests are taken. A burst is what may come at once; it fills up again with the rate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_per_second: float = Field(300.0, gt=0, description="Requests of one token each second.")
    token_burst: int = Field(3000, ge=1, description="Requests of one token at once.")
    address_per_second: float = Field(1000.0, gt=0, description="Requests of one address (of IPv6: a /64) each second.")
    address_burst: int = Field(10_000, ge=1, description="Requests of one address at once.")
    bad_tokens_per_second: float = Field(
        1.0, gt=0, description="Unknown tokens that are looked up for one address each second."
    )
    bad_tokens_burst: int = Field(100, ge=1, description="Unknown tokens that are looked up for one address at once.")
    refusals_per_second: float = Field(
        1.0, gt=0, description="Refused writes of one token that get audit records of their own each second."
    )
    refusals_burst: int = Field(100, ge=1, description="Refused writes of one token with records of their own at once.")
    watches_of_token: int = Field(1000, ge=1, description="Watches of one token at the same time.")
    watches_total: int = Field(8000, ge=1, description="Watches of all tokens at the same time.")
    consoles_of_token: int = Field(100, ge=1, description="Consoles of one token at the same time.")
    consoles_total: int = Field(500, ge=1, description="Consoles of all tokens at the same time.")
    downloads_of_token: int = Field(
        100, ge=1, description="Topologies and schedule snapshots that are sent to one token at the same time."
    )
    downloads_total: int = Field(
        250, ge=1, description="Topologies and schedule snapshots that are sent to all tokens at the same time."
    )


class StreamLimit:
    """How many watches, consoles or downloads there are at the same time: of each token, and of all tokens together."""

    def __init__(self, what: str, of_token: int, total: int, reached: Reached) -> None:
        self._what = what
        self._of_token = of_token
        self._total = total
        self._reached = reached
        self._open: Counter[str] = Counter()

    def count(self, uid: str) -> int:
        """Return how many a token has now."""
        return self._open[uid]

    @property
    def total(self) -> int:
        """Return how many there are now."""
        return self._open.total()

    @contextmanager
    def counted(self, uid: str, name: str) -> Iterator[None]:
        """Count one more of a token while the context is open; raises TooManyRequests where there are too many."""
        self._check(uid, name)
        self._open[uid] += 1
        try:
            yield
        finally:
            self._open[uid] -= 1
            if not self._open[uid]:
                del self._open[uid]

    def _check(self, uid: str, name: str) -> None:
        if self._open[uid] >= self._of_token:
            self._reached(f"{self._what}_of_token")
            raise TooManyRequests(
                f"token {name} has {self._of_token} {self._what} already: "
                "end some, or give others a token of their own",
                _STREAM_RETRY_SECONDS,
            )
        if self.total >= self._total:
            self._reached(f"{self._what}_total")
            raise TooManyRequests(
                f"all tokens together have {self._total} {self._what} already: try again when some have ended",
                _STREAM_RETRY_SECONDS,
            )


class ClientLimits:
    """The limits of one process."""

    def __init__(self, limits: RequestLimits, clock: Clock, reached: Reached = ignore_limit) -> None:
        """``reached`` is called with the name of each limit that a client meets."""
        self._reached = reached
        self._of_address = RateLimit(limits.address_per_second, limits.address_burst, clock)
        self._of_token = RateLimit(limits.token_per_second, limits.token_burst, clock)
        self.lookups = TokenLookups(limits.bad_tokens_per_second, limits.bad_tokens_burst, clock, reached)
        self.watches = StreamLimit("watches", limits.watches_of_token, limits.watches_total, reached)
        self.consoles = StreamLimit("consoles", limits.consoles_of_token, limits.consoles_total, reached)
        self.downloads = StreamLimit("downloads", limits.downloads_of_token, limits.downloads_total, reached)

    def admit_address(self, address: str) -> None:
        """Count a request of an address; raises TooManyRequests."""
        self._take(self._of_address, address, "requests_of_address", "this address sends too many requests")

    def admit_token(self, uid: str, name: str) -> None:
        """Count a request of a known token; raises TooManyRequests."""
        self._take(self._of_token, uid, "requests_of_token", f"token {name} sends too many requests")

    def charge_documents(self, uid: str, number: int) -> None:
        """Count the documents of an accepted request: the token's next requests wait for what they cost."""
        self._of_token.charge(uid, number / DOCUMENTS_PER_REQUEST)

    def _take(self, limit: RateLimit, name: str, what: str, message: str) -> None:
        seconds = limit.wait(name)
        if seconds:
            self._reached(what)
            raise TooManyRequests(message, seconds)


class AddressLimit:
    """Refuse what comes too often from one address, before anything else is done with it.

    Plain ASGI: it must not buffer streams.
    """

    def __init__(self, app: ASGIApp, limits: ClientLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                self._limits.admit_address(client_address(HTTPConnection(scope)))
            except TooManyRequests as error:
                await _refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


def client_address(connection: HTTPConnection) -> str:
    """Return the address whose limits a request counts for."""
    return address_of(connection.client.host if connection.client else None)


async def _refuse(error: TooManyRequests, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1013, "reason": error.message})
        return
    await problems.response(error, scope["request_id"])(scope, receive, send)
