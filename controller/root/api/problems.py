"""Errors as RFC 9457 ``application/problem+json``, one shape for all of them.

Every refusal that leaves the API is made here: domain errors, unknown routes, wrong methods, unreadable bodies.
Text is not validated and is ASCII-escaped, so that what a client sent (lone surrogates too) can always be repeated
to it. Answers stay small: the first hundred bad fields are listed, all are counted.
"""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from controller.errors import Conflict, InvalidInput, NoRoom, ResourceError, TemporaryError, TooManyRequests
from controller.root.api.answers import FieldProblem, Problem

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
_MAX_TEXT = 2000


class HttpRefusal(ResourceError):
    """Raised when HTTP itself is used wrongly: paths, methods, media types."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = status
        self.headers = headers or {}


def render(error: ResourceError, request_id: str) -> dict[str, Any]:
    """Return the problem document of an error."""
    found: dict[str, Any] = {}
    if isinstance(error, InvalidInput):
        found["errors"] = [
            FieldProblem.model_construct(path=_short(one.path), message=_short(one.message))
            for one in error.problems[:MAX_ERRORS]
        ]
        found["error_count"] = len(error.problems)
    if isinstance(error, Conflict) and error.users:
        found["users"] = list(error.users)
        found["user_count"] = error.user_count
    if isinstance(error, NoRoom):
        found["reasons"] = error.reasons
    problem = Problem.model_construct(
        type=f"/docs#problem-{error.code}",
        title=HTTPStatus(error.http_status).phrase,
        status=error.http_status,
        detail=_short(error.message),
        code=error.code,
        request_id=request_id,
        **found,
    )
    return problem.document()


def response(error: ResourceError, request_id: str) -> Response:
    """Return the HTTP response of an error."""
    headers = dict(error.headers) if isinstance(error, HttpRefusal) else {}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="resource-service"'
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif isinstance(error, TemporaryError):
        headers["Retry-After"] = "1"
    body = json.dumps(render(error, request_id)).encode()
    return Response(body, error.http_status, headers, MEDIA_TYPE)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."
