"""Translates errors of our tree to gRPC and back: a status, and the whole error as JSON in the trailing metadata.

One of our processes as caller gets the same class with the same details. A foreign peer, or a
connection that broke, gives only a status; then the status decides whether a retry may help.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc import aio

from controller.errors import (
    AddressesExhausted,
    Conflict,
    Forbidden,
    ImageInvalid,
    InternalError,
    InvalidInput,
    NoRoom,
    NotFound,
    PermanentError,
    PreconditionFailed,
    Problem,
    ResourceError,
    SchemaMismatch,
    StaleTerm,
    TemporaryError,
    TimedOut,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    VersionsGone,
)
from controller.rpc.metadata import metadata_value

ERROR_KEY = "resource-error-bin"
"""Key of the trailing metadata: JSON of code, message and details. ``-bin``: gRPC transfers any bytes unchanged."""

_MOST_DETAILS = 20
_MOST_TEXT = 1000
"""Metadata must stay under 8 KiB; longer details belong in a reply."""

_Status = grpc.StatusCode

_STATUS: dict[type[ResourceError], grpc.StatusCode] = {
    InvalidInput: _Status.INVALID_ARGUMENT,
    ImageInvalid: _Status.INVALID_ARGUMENT,
    TooLarge: _Status.INVALID_ARGUMENT,
    Unauthenticated: _Status.UNAUTHENTICATED,
    Forbidden: _Status.PERMISSION_DENIED,
    NotFound: _Status.NOT_FOUND,
    Conflict: _Status.FAILED_PRECONDITION,
    PreconditionFailed: _Status.FAILED_PRECONDITION,
    StaleTerm: _Status.FAILED_PRECONDITION,
    SchemaMismatch: _Status.FAILED_PRECONDITION,
    VersionsGone: _Status.OUT_OF_RANGE,
    NoRoom: _Status.RESOURCE_EXHAUSTED,
    AddressesExhausted: _Status.RESOURCE_EXHAUSTED,
    TooManyRequests: _Status.RESOURCE_EXHAUSTED,
    Unavailable: _Status.UNAVAILABLE,
    TimedOut: _Status.DEADLINE_EXCEEDED,
    InternalError: _Status.INTERNAL,
    TemporaryError: _Status.UNAVAILABLE,
    PermanentError: _Status.FAILED_PRECONDITION,
}

_BY_CODE: dict[str, type[ResourceError]] = {error.code: error for error in _STATUS if error is not PermanentError}

_FOREIGN: dict[grpc.StatusCode, type[ResourceError]] = {
    _Status.UNAVAILABLE: Unavailable,
    _Status.DEADLINE_EXCEEDED: TimedOut,
    _Status.CANCELLED: Unavailable,
    _Status.ABORTED: Unavailable,
    _Status.UNKNOWN: Unavailable,
    _Status.INTERNAL: Unavailable,
    _Status.UNAUTHENTICATED: Unauthenticated,
    _Status.PERMISSION_DENIED: Forbidden,
    _Status.NOT_FOUND: NotFound,
    _Status.RESOURCE_EXHAUSTED: TooLarge,
}


def status_of(error: ResourceError) -> grpc.StatusCode:
    """Return the gRPC status of an error."""
    for base in type(error).__mro__:
        if base in _STATUS:
            return _STATUS[base]
    return _Status.UNKNOWN


def to_metadata(error: ResourceError) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata that ``from_rpc_error`` reads."""
    body: dict[str, Any] = {"code": error.code, "message": _short(error.message)}
    match error:
        case InvalidInput():
            found = error.problems[:_MOST_DETAILS]
            body["problems"] = [[problem.path, _short(problem.message, 200)] for problem in found]
        case Conflict():
            body["users"] = error.users[:_MOST_DETAILS]
            body["user_count"] = error.user_count
        case TooManyRequests():
            body["retry_after"] = error.retry_after
        case NoRoom():
            body["reasons"] = dict(list(error.reasons.items())[:_MOST_DETAILS])
    return ((ERROR_KEY, json.dumps(body).encode()),)


def from_rpc_error(error: aio.AioRpcError, peer: str = "") -> ResourceError:
    """Return the error of our tree for a failed call; errors of the connection name ``peer``."""
    sent = metadata_value(error.trailing_metadata(), ERROR_KEY)
    if isinstance(sent, bytes):
        try:
            return _rebuild(json.loads(sent))
        except (ValueError, KeyError, TypeError):
            pass  # not from one of our processes: the status decides
    kind = _FOREIGN.get(error.code(), PermanentError)
    return kind(f"{peer + ': ' if peer else ''}{error.code().name}: {error.details()}")


@contextmanager
def translated(peer: str = "") -> Iterator[None]:
    """Translate errors of gRPC that the body raises into errors of our tree."""
    try:
        yield
    except aio.AioRpcError as error:
        raise from_rpc_error(error, peer) from error


def _rebuild(body: dict[str, Any]) -> ResourceError:
    kind = _BY_CODE.get(body["code"])
    message = str(body["message"])
    if kind is InvalidInput:
        return InvalidInput([Problem(path, text) for path, text in body["problems"]])
    if kind is Conflict:
        return Conflict(message, body["users"], body["user_count"])
    if kind is NoRoom:
        return NoRoom(message, body["reasons"])
    if kind is TooManyRequests:
        return TooManyRequests(message, float(body.get("retry_after", 1.0)))
    if kind is None:  # a newer peer's error
        return PermanentError(message)
    return kind(message)


def _short(text: str, most: int = _MOST_TEXT) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
