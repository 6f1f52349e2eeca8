"""Refuses connections to an HTTP API above its limits, so that the client gets the answer and not a reset.

A socket that is closed with an unread request sends a reset, and the client may lose what it was answered. So a refused
connection is answered and half closed; what it sends is read and dropped until the client closes it, for a second or
two at most.

Not promised: the answer, where ``_MOST_REFUSED`` connections are on their way out already.
"""

from __future__ import annotations

import asyncio

_SECONDS = 1.0
_MOST_REFUSED = 200


class Refusals:
    """The refused connections of one server that are not closed yet."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Transport, float] = {}

    def __contains__(self, transport: asyncio.Transport) -> bool:
        return transport in self._since

    def refuse(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Answer and close; what the client sends until then is for the caller to drop."""
        transport.write(answer)
        if len(self._since) < _MOST_REFUSED and transport.can_write_eof():  # TLS reads while it closes
            transport.write_eof()
            self._since[transport] = 0.0
        else:
            transport.close()

    def look(self, seconds: float) -> None:
        """Close those whose client has not, ``seconds`` after the last look."""
        for transport, since in list(self._since.items()):
            self._since[transport] = since + seconds
            if since + seconds > _SECONDS:
                transport.abort()

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._since.pop(transport, None)


def empty_answer(status: int, phrase: str, headers: str = "") -> bytes:
    """Return a whole answer without a body, after which the connection is closed."""
    return f"HTTP/1.1 {status} {phrase}\r\n{headers}Connection: close\r\nContent-Length: 0\r\n\r\n".encode()
