"""What an operation is: one value from which the route, its checks and its OpenAPI entry follow.

The order of handling is fixed (``handle``): token, query, handler (body, rights, work). A refused
write leaves an audit record; a successful one is recorded in the transaction of the write itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from controller.clock import Clock
from controller.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    Problem,
    ResourceError,
    TemporaryError,
    Unauthenticated,
    Unavailable,
)
from controller.model.access import Token, TokenRole
from controller.model.registry import Key, Kind
from controller.root.api.query import Parameter, Query, is_qualified_name
from controller.root.api.settings import ApiSettings
from controller.root.cluster_gateway import ClusterCalls
from controller.store import audit, tokens
from controller.store.changes import Feed
from controller.store.database import Database, Transaction


class Access(StrEnum):
    """What an operation takes at least; the handler checks the rest, per kind and project."""

    PUBLIC = "public"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Services:
    """What the API stands on."""

    db: Database
    feed: Feed
    clock: Clock
    settings: ApiSettings
    rpc: ClusterCalls | None

    def cluster_calls(self) -> ClusterCalls:
        """The way to the clusters; raises Unavailable where none is wired."""
        if self.rpc is None:
            raise Unavailable("this process has no way to the clusters")
        return self.rpc


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    handler: Callable[[Call], Awaitable[Response]]
    access: Access
    answers: Mapping[int, str]
    """Status to the name of the schema of its body; empty: no JSON body."""
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    """Name of the body's schema; empty: no body."""
    kind: Kind | None = None
    design_methods: str = ""
    tag: str = ""
    description: str = ""
    streaming: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    plan: str = "Plan"
    """Name of the schema of a dry run's answer."""


@dataclass(frozen=True)
class Call:
    """One request on its way through an operation, with its caller known."""

    operation: Operation
    services: Services
    request: Request
    request_id: str
    token: Token
    query: Query

    @property
    def kind(self) -> Kind:
        """The operation's kind."""
        assert self.operation.kind is not None
        return self.operation.kind

    def names(self) -> tuple[str, ...]:
        """The names in the path, outermost first; raises NotFound for what can be no name."""
        values = tuple(str(value) for value in self.request.path_params.values())
        for value in values:
            if not is_qualified_name(value):
                raise NotFound(f"{value[:100]!r} can be no name")
        return values

    def audit(self, tx: Transaction, outcome: str = "ok", key: Key | None = None) -> None:
        """Record the call in the transaction of its write."""
        audit.record(
            tx,
            token=self.token.name,
            verb=self.operation.id,
            resource_kind=key.kind if key else "",
            resource=key.path if key else "",
            request_id=self.request_id,
            outcome=outcome,
        )


async def handle(operation: Operation, services: Services, request: Request, request_id: str) -> Response:
    """Answer one request; every refusal leaves as a ResourceError."""
    token = await authenticate(services, request.headers.get("authorization"))
    try:
        if operation.access is Access.WRITE and token.spec.role is TokenRole.VIEWER:
            raise Forbidden(f"token {token.name} has role viewer: it reads only")
        query = Query(request.query_params.multi_items(), operation.parameters)
        call = Call(operation, services, request, request_id, token, query)
        return await operation.handler(call)
    except ResourceError as error:
        if operation.access is Access.WRITE:
            await _audit_refusal(operation, services, request, request_id, token, error)
        raise


async def authenticate(services: Services, header: str | None) -> Token:
    """The token of an Authorization header; raises Unauthenticated."""
    if header is None:
        raise Unauthenticated("a token is needed: Authorization: Bearer <token>")
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("the Authorization header must be: Bearer <token>")
    token = await services.db.aread(lambda tx: tokens.verify(tx, secret))
    if token is None:
        raise Unauthenticated("the token is not known, was revoked or has expired")
    return token


async def _audit_refusal(
    operation: Operation, services: Services, request: Request, request_id: str, token: Token, error: ResourceError
) -> None:
    """Who was refused what; a plan asks for no write and leaves no record."""
    if request.query_params.get("dry_run") == "true":
        return
    names = [str(value) for value in request.path_params.values()]
    kind = operation.kind.name if operation.kind else ""
    if operation.kind is not None and operation.kind.per_project:
        names.insert(0, request.query_params.get("project", "default"))
    try:
        await services.db.awrite(
            lambda tx: audit.record(
                tx,
                token=token.name,
                verb=operation.id,
                resource_kind=kind,
                resource=_printable("/".join(names)),
                request_id=request_id,
                outcome=error.code,
            )
        )
    except TemporaryError:
        return  # the refusal itself matters more to the caller than its record


def _printable(text: str, longest: int = 300) -> str:
    """What a stranger sent, safe to store and to show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:longest])


def bad(path: str, message: str) -> InvalidInput:
    """One bad field."""
    return InvalidInput([Problem(path, message)])
