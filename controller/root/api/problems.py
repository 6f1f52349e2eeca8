"""Errors as RFC 9457 ``application/problem+json``, one shape for all of them.

Every refusal that leaves the API is made here: domain errors, unknown routes, wrong methods,
unreadable bodies. Text is ASCII-escaped, so that what a stranger sent (lone surrogates too) can
always be echoed. Answers stay small: the first hundred bad fields are listed, all are counted.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from controller.errors import Conflict, InvalidInput, NoRoom, ResourceError, TemporaryError

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
_MAX_TEXT = 2000


class HttpRefusal(ResourceError):
    """Raised for what only HTTP can get wrong: routes, methods, media types."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = status
        self.headers = headers or {}


def render(error: ResourceError, request_id: str) -> dict[str, Any]:
    """The problem document of an error."""
    problem: dict[str, Any] = {
        "type": f"/docs#problem-{error.code}",
        "title": HTTPStatus(error.http_status).phrase,
        "status": error.http_status,
        "detail": _short(error.message),
        "code": error.code,
        "request_id": request_id,
    }
    if isinstance(error, InvalidInput):
        problem["errors"] = [
            {"path": _short(one.path), "message": _short(one.message)} for one in error.problems[:MAX_ERRORS]
        ]
        problem["error_count"] = len(error.problems)
    if isinstance(error, Conflict) and error.users:
        problem["users"] = list(error.users)
        problem["user_count"] = error.user_count
    if isinstance(error, NoRoom):
        problem["reasons"] = error.reasons
    return problem


def response(error: ResourceError, request_id: str) -> Response:
    """The HTTP answer of an error."""
    headers = dict(error.headers) if isinstance(error, HttpRefusal) else {}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="resource-service"'
    if isinstance(error, TemporaryError):
        headers["Retry-After"] = "1"
    body = json.dumps(render(error, request_id)).encode()
    return Response(body, error.http_status, headers, MEDIA_TYPE)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."
