"""What an operation is: one value from which the route, its checks and its OpenAPI entry follow.

The order of handling is fixed (``handle``): token, query, the rights that follow from the path, then the handler with
body, the rest of the rights and work. A body is thus read only for a caller that may write what the path names. A
refused write leaves an audit record; a successful one is recorded in the transaction of the write itself
(``write_transaction``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from controller.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    Problem,
    ResourceError,
)
from controller.model.access import Token, TokenRole
from controller.model.event import AuditRecordSpec
from controller.model.registry import Key, Kind
from controller.root.api import access
from controller.root.api.client_limits import client_address
from controller.root.api.query import PROJECT, Parameter, Query, is_qualified_name
from controller.root.api.services import Services, authenticate


class Access(StrEnum):
    """What a token needs at least; the handler checks the rest, per kind and project."""

    READ = "read"
    WRITE = "write"


Handler = Callable[["Call"], Awaitable[Response]]


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    handler: Handler
    access: Access
    answers: Mapping[int, type[BaseModel] | None]
    """Status to the model of its body; None: no body."""
    errors: tuple[int, ...]
    parameters: tuple[Parameter, ...]
    body: type[BaseModel] | None
    plan: type[BaseModel]
    """Model of the answer of a dry run."""
    kind: Kind | None
    design_methods: str = ""
    description: str = ""

    @property
    def tag(self) -> str:
        """The group of the operation in the documentation."""
        return "Many" if self.kind is None else self.kind.name


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
        """Return the names in the path, outermost first; raises NotFound for what is not a valid name."""
        values = tuple(str(value) for value in self.request.path_params.values())
        for value in values:
            if not is_qualified_name(value):
                raise NotFound(f"{value[:100]!r} is not a valid name")
        return values

    def key(self) -> Key:
        """Return the key of the resource that the path names, in the project of the query."""
        names = self.names()
        project = (self.query.name(PROJECT) or "default") if self.kind.per_project else "default"
        return self.kind.key(*names, project=project)


async def handle(operation: Operation, services: Services, request: Request, request_id: str) -> Response:
    """Answer one request; every refusal is raised as a ResourceError."""
    token = await authenticate(services, request.headers.get("authorization"), client_address(request))
    services.limits.admit_token(token.uid, token.name)
    try:
        if operation.access is Access.WRITE and token.spec.role is TokenRole.VIEWER:
            raise Forbidden(f"token {token.name} has role viewer: it reads only")
        query = Query(request.query_params.multi_items(), operation.parameters)
        call = Call(operation, services, request, request_id, token, query)
        _check_path(call)
        return await operation.handler(call)
    except ResourceError as error:
        if operation.access is Access.WRITE:
            await _audit_refusal(operation, services, request, request_id, token, error)
        raise


def _check_path(call: Call) -> None:
    """Raise Forbidden where the path and the query already say that the token may not write."""
    kind = call.operation.kind
    if call.operation.access is not Access.WRITE or kind is None:
        return
    project = call.query.name(PROJECT) if kind.per_project else ""
    if project is not None:  # else the body may name it
        access.check_write(call.token, kind, project)


async def _audit_refusal(
    operation: Operation, services: Services, request: Request, request_id: str, token: Token, error: ResourceError
) -> None:
    """Record who was refused what; a dry run asks for no write and leaves no record."""
    if request.query_params.get("dry_run") == "true":
        return
    names = [str(value) for value in request.path_params.values()]
    kind = operation.kind.name if operation.kind else ""
    if operation.kind is not None and operation.kind.per_project:
        names.insert(0, request.query_params.get("project", "default"))
    await services.refusals.record(
        AuditRecordSpec(
            token=token.name,
            verb=operation.id,
            resource_kind=kind,
            resource=printable("/".join(names)),
            request_id=request_id,
            outcome=error.code,
        )
    )


def printable(text: str, longest: int = 300) -> str:
    """Return text that a client sent so that it is safe to store and to show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:longest])


def bad(path: str, message: str) -> InvalidInput:
    """Return the error of one bad field."""
    return InvalidInput([Problem(path, message)])
