"""The ASGI application: routes, request ids, and one way out for every error.

Promises that each answer carries ``X-Request-Id`` (the caller's, when it is a sane one) and the version of
the API (clients look whether it is theirs), that each refusal is a problem document, and that an
unforeseen error is logged with its trace and answered with a 500 that tells nothing of the inside.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.clock import Clock
from controller.errors import ResourceError
from controller.root.api import console, docs, openapi, problems, render, routes
from controller.root.api.operation import Operation, Services, handle
from controller.root.api.problems import HttpRefusal
from controller.root.api.settings import ApiSettings
from controller.root.api.watch import Drain
from controller.root.cluster_gateway import ClusterCalls
from controller.store.changes import Feed
from controller.store.database import Database

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_log = structlog.get_logger(__name__)


def create_app(
    db: Database, feed: Feed, clock: Clock, settings: ApiSettings, rpc: ClusterCalls | None = None
) -> FastAPI:
    """The REST API on a root database.

    The caller runs ``feed.run()`` beside it, makes the first token (``bootstrap``), and calls
    ``app.state.drain.stop()`` before shutting the server down, so that watches end.
    """
    app = FastAPI(title="Resource Service", openapi_url=None, docs_url=None, redoc_url=None)
    services = Services(db, feed, clock, settings, rpc)
    operations = routes.operations()
    document = openapi.document(operations)
    app.state.drain = Drain()
    app.state.services = services
    app.openapi = lambda: document  # type: ignore[method-assign]
    for operation in operations:
        app.router.routes.append(Route(operation.path, _endpoint(operation, services), methods=[operation.method]))
    app.router.routes.append(Route("/openapi.json", _fixed(render.json_response(document))))
    app.router.routes.append(Route("/docs", _fixed(docs.page(document))))
    app.router.routes.append(console.route(services))
    app.add_exception_handler(HTTPException, _http_refusal)
    app.add_exception_handler(ResourceError, _refusal)
    app.add_middleware(_Outermost)
    return app


def _endpoint(operation: Operation, services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await handle(operation, services, request, request.scope["request_id"])

    endpoint.__name__ = operation.id
    return endpoint


def _fixed(response: Response) -> Callable[[Request], Awaitable[Response]]:
    """The same answer for everybody, made once."""

    async def endpoint(request: Request) -> Response:
        return Response(response.body, response.status_code, media_type=response.headers["content-type"])

    return endpoint


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ResourceError)
    return problems.response(error, request.scope["request_id"])


async def _http_refusal(request: Request, error: Exception) -> Response:
    """What the router refuses: unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    code = {404: "unknown_path", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    path = ascii(request.url.path[:200])
    text = {
        404: f"there is nothing at {path}",
        405: f"{request.method[:20]} is not possible at {path}",
    }.get(error.status_code, str(error.detail))
    refusal = HttpRefusal(error.status_code, code, text, dict(error.headers or {}))
    return problems.response(refusal, request.scope["request_id"])


class _Outermost:
    """Request ids and the last catch, around everything else. Plain ASGI: it must not buffer streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                started = True
                told = ((b"x-request-id", request_id.encode()), (b"x-api-version", openapi.VERSION.encode()))
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                _log.exception("unforeseen error", method=scope.get("method"), path=scope["path"])
                if started or scope["type"] != "http":
                    raise
                hidden = HttpRefusal(500, "internal", "an error of ours; the log has it under the request id")
                await problems.response(hidden, request_id)(scope, receive, send_with_id)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: Any = value.decode("latin-1")
            if _REQUEST_ID.match(given):
                return str(given)
    return secrets.token_hex(16)
