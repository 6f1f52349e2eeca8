"""How often one peer may call a gRPC server: by the name in its certificate, or by address where it shows none.

Our processes stay far below: a limit is for a peer that has gone wrong, or for a stranger where nodes join.
A call above it is refused with TooManyRequests before its handler runs, which our callers treat as a peer that is away.
Messages within a stream are not counted here; a servicer that takes many paces them itself.
"""

from __future__ import annotations

from urllib.parse import unquote

from controller.clock import Clock
from controller.errors import TooManyRequests
from controller.rate_limit import RateLimit, Reached, address_of, ignore_limit
from controller.rpc.identity import Context

PEER_PER_SECOND, PEER_BURST = 500.0, 5000.0
STRANGER_PER_SECOND, STRANGER_BURST = 20.0, 500.0
"""Of one address without certificates. A join is a signature and a transaction."""


class CallLimits:
    """The limits of one server."""

    def __init__(self, clock: Clock, reached: Reached = ignore_limit) -> None:
        """``reached`` is called with the name of each limit that a peer meets."""
        self._reached = reached
        self._peers = RateLimit(PEER_PER_SECOND, PEER_BURST, clock)
        self._strangers = RateLimit(STRANGER_PER_SECOND, STRANGER_BURST, clock)

    def admit(self, context: Context) -> None:
        """Count a call; raises TooManyRequests."""
        names = context.auth_context().get("x509_subject_alternative_name", ())
        if names:
            name = b" ".join(names).decode(errors="replace")
            seconds, limit = self._peers.wait(name), "calls_of_peer"
        else:
            name = _address(context.peer())
            seconds, limit = self._strangers.wait(name), "calls_of_address"
        if seconds:
            self._reached(limit)
            raise TooManyRequests(f"{name} calls too often", seconds)


def _address(peer: str) -> str:
    """Return the address in gRPC's name of a peer: ``ipv4:192.0.2.1:5``, ``ipv6:%5B2001:db8::1%5D:5`` or ``unix:``."""
    family, _, rest = unquote(peer).partition(":")
    return address_of(rest.rpartition(":")[0].strip("[]") if family in ("ipv4", "ipv6") else None)
