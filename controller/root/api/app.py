"""The ASGI application: routes, request ids, and one place that answers every error.

Promises that each answer carries ``X-Request-Id`` (the client's, when it is a valid one) and the version of the API
(clients compare it with their own), that each refusal is a problem document, and that an unexpected error is logged
with its trace and answered with a 500 that reveals nothing of the inside.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.clock import Clock
from controller.errors import ResourceError
from controller.rate_limit import Reached, ignore_limit
from controller.root.api import console, docs, openapi, problems, render, routes, versions
from controller.root.api.client_limits import AddressLimit, ClientLimits
from controller.root.api.operation import Operation, handle
from controller.root.api.problems import HttpRefusal
from controller.root.api.refused_writes import RefusedWrites
from controller.root.api.services import Services
from controller.root.api.settings import ApiSettings
from controller.root.api.watch import Drain
from controller.root.cluster_gateway import ClusterCalls
from controller.store.changes import Feed
from controller.store.database import Database

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_log = structlog.get_logger(__name__)


def create_app(
    db: Database,
    feed: Feed,
    clock: Clock,
    settings: ApiSettings,
    rpc: ClusterCalls | None = None,
    reached: Reached = ignore_limit,
) -> Starlette:
    """Make the REST API on a root database.

    The caller runs ``feed.run()`` and ``app.state.services.refusals.run()`` at the same time, creates the first token
    (``bootstrap``), and calls ``app.state.drain.stop()`` before it shuts the server down, so that watches end.
    ``reached`` is called with the name of each limit that a client meets.
    """
    limits = ClientLimits(settings.limits, clock, reached)
    rate, burst = settings.limits.refusals_per_second, settings.limits.refusals_burst
    refusals = RefusedWrites(db, clock, rate, burst, reached)
    services = Services(db, feed, clock, settings, rpc, limits, refusals)
    app = Starlette(
        routes=_routes(services),
        middleware=[Middleware(_Outermost), Middleware(AddressLimit, limits=limits)],
        exception_handlers={HTTPException: _http_refusal, ResourceError: _refusal},
    )
    app.state.drain = Drain()
    app.state.services = services
    return app


def _routes(services: Services) -> list[BaseRoute]:
    return [
        *(Route(each.path, _endpoint(each, services), methods=[each.method]) for each in routes.operations()),
        Route("/openapi.json", _fixed(_openapi)),
        Route("/docs", _fixed(_docs)),
        console.route(services),
    ]


@cache
def _openapi() -> Response:
    return render.json_response(openapi.document(routes.operations()))


@cache
def _docs() -> Response:
    return docs.page(openapi.document(routes.operations()))


def _endpoint(operation: Operation, services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await handle(operation, services, request, request.scope["request_id"])

    endpoint.__name__ = operation.id
    return endpoint


def _fixed(make: Callable[[], Response]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that gives everybody the same response. It is made when it is first asked for: it takes long,
    and most processes are never asked."""

    async def endpoint(request: Request) -> Response:
        response = await asyncio.to_thread(make)
        return Response(response.body, response.status_code, media_type=response.headers["content-type"])

    return endpoint


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ResourceError)
    return problems.response(error, request.scope["request_id"])


async def _http_refusal(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    code = {404: "unknown_path", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    path = ascii(request.url.path[:200])
    text = {
        404: f"{path} does not exist",
        405: f"{request.method[:20]} is not possible at {path}",
    }.get(error.status_code, str(error.detail))
    refusal = HttpRefusal(error.status_code, code, text, dict(error.headers or {}))
    return problems.response(refusal, request.scope["request_id"])


class _Outermost:
    """Add request ids, and catch every unexpected error, around everything else.

    Plain ASGI: it must not buffer streams.
    """

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
                added = ((b"x-request-id", request_id.encode()), (b"x-api-version", versions.CURRENT.encode()))
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                _log.exception("unexpected error", method=scope.get("method"), path=scope["path"])
                if started or scope["type"] != "http":
                    raise
                hidden = HttpRefusal(500, "internal", "an internal error; the log has it under the request id")
                await problems.response(hidden, request_id)(scope, receive, send_with_id)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: Any = value.decode("latin-1")
            if _REQUEST_ID.match(given):
                return str(given)
    return secrets.token_hex(16)
