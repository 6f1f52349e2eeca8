"""Binds and forwards the request id, which marks one request in the logs of all processes.

It is bound in structlog's context variables, so every log line of the request has it. Each RPC
handler runs in its own task and therefore in its own context.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any

import structlog

REQUEST_ID = "x-request-id"
"""Name of the HTTP header and of the metadata key."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def new_request_id() -> str:
    """Return a new id."""
    return secrets.token_hex(8)


def bind_request_id(given: str | bytes | None) -> str:
    """Bind the caller's id, or a new one if it is missing or not safe to log; return it."""
    text = given.decode("ascii", "replace") if isinstance(given, bytes) else given or ""
    request_id = text if _ACCEPTED.fullmatch(text) else new_request_id()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the request that this task serves; empty if it serves none."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata for a call on behalf of the current request, or of a new one."""
    return ((REQUEST_ID, current_request_id() or new_request_id()),)


def metadata_value(metadata: Iterable[Any] | None, key: str) -> str | bytes | None:
    """Return the first value of ``key`` in gRPC's pairs."""
    return next((value for name, value in metadata or () if name == key), None)
