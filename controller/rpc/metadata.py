"""The request id that follows one request through all processes, and how it travels.

It is bound in structlog's context variables, so that every log line of the request carries it;
each RPC handler runs in its own task and therefore in its own context.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any

import structlog

REQUEST_ID = "x-request-id"
"""Header and metadata key."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def new_request_id() -> str:
    """A fresh id."""
    return secrets.token_hex(8)


def bind_request_id(given: str | bytes | None) -> str:
    """Bind the caller's id, or a new one where it is missing or could spoil a log; returns it."""
    text = given.decode("ascii", "replace") if isinstance(given, bytes) else given or ""
    request_id = text if _ACCEPTED.fullmatch(text) else new_request_id()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current_request_id() -> str:
    """Id of the request that this task serves; empty outside of any."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """Metadata for a call made on behalf of the current request, or of a new one."""
    return ((REQUEST_ID, current_request_id() or new_request_id()),)


def metadata_value(metadata: Iterable[Any] | None, key: str) -> str | bytes | None:
    """First value of ``key`` in gRPC's pairs."""
    return next((value for name, value in metadata or () if name == key), None)
