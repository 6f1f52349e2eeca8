"""When a client asks again: only after 429, when the server says that it did nothing, and not for long.

Both clients wait as long as ``Retry-After`` says, and give up when all waits of one call would exceed ``MOST_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

MOST_SECONDS = 120.0
"""All waits of one call together."""
_UNTOLD_SECONDS = 1.0
"""Where Retry-After is missing, or is not a number of seconds."""


def pause(status: int, headers: Mapping[str, str], waited: float) -> float | None:
    """Return after how many seconds the same request is to be sent again; None: the answer stands."""
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    seconds = seconds_asked_for(headers)
    return seconds if waited + seconds <= MOST_SECONDS else None


def seconds_asked_for(headers: Mapping[str, str]) -> float:
    """Return the seconds of Retry-After, at least one: a server that says 0 would be asked without end."""
    text = headers.get("retry-after", "").strip()
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return max(float(text), _UNTOLD_SECONDS) if is_number else _UNTOLD_SECONDS
