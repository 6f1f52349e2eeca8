"""Answers: JSON of what went well, the error tree for what did not.

A problem's ``code`` picks the error's type, so that callers distinguish a conflict from bad input as code
on the server does. An answer that is no problem of ours (a proxy's) falls back on its status.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx

from controller import errors
from controller.client import retry
from controller.errors import (
    Conflict,
    InvalidInput,
    NoRoom,
    PermanentError,
    Problem,
    ResourceError,
    TemporaryError,
    TooManyRequests,
)


def value(response: httpx.Response) -> Any:
    """The JSON value of a good answer, None for an empty one; raises what a bad one says."""
    if response.is_success:
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise TemporaryError(f"{response.request.url} answered with what is no JSON") from error
    raise refusal(response)


def refusal(response: httpx.Response) -> ResourceError:
    """The error that an answer whose content was read stands for."""
    return error_of(response.status_code, response.text, response.headers)


def error_of(status: int, text: str, headers: Mapping[str, str]) -> ResourceError:
    """The error that an answer stands for."""
    error = _error_of(status, text)
    if isinstance(error, TooManyRequests):
        error.retry_after = retry.seconds_asked_for(headers)
    return error


def _error_of(status: int, text: str) -> ResourceError:
    try:
        problem = json.loads(text)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        message = f"the server answered {status}: {text[:200]}"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return TooManyRequests(message)
        return TemporaryError(message) if status >= 500 else PermanentError(message)
    message = str(problem.get("detail", ""))
    kind = _BY_CODE.get(str(problem["code"]))
    if kind is InvalidInput:
        return InvalidInput([Problem(one["path"], one["message"]) for one in problem.get("errors", [])])
    if kind is Conflict:
        return Conflict(message, users=problem.get("users", ()), user_count=problem.get("user_count"))
    if kind is NoRoom:
        return NoRoom(message, problem.get("reasons"))
    if kind is not None:
        return kind(message)
    return TemporaryError(message) if status >= 500 else PermanentError(message)


@contextmanager
def wrapped() -> Iterator[None]:
    """Turn httpx's errors into ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise errors.TimedOut(f"the server did not answer in time ({type(error).__name__})") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InvalidInput([Problem("server", str(error))]) from error
    except httpx.TransportError as error:
        raise errors.Unavailable(f"the server cannot be reached: {error}") from error


def _all(base: type[ResourceError]) -> Iterator[type[ResourceError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _all(kind)


_BY_CODE = {kind.code: kind for kind in _all(ResourceError)}
