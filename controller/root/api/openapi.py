"""The OpenAPI 3.1 document, drawn from the operations and the models; nothing is written twice.

Schemas are pydantic's, with the fields' facts as ``x-`` extensions. ``<Kind>`` is a resource as
answers show it; ``<Kind>Document`` is what a PUT takes: names may be left out, for the path gives
them, and server-set fields are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from controller.model import document as documents
from controller.model import registry
from controller.model.names import QUALIFIED_NAME_PATTERN
from controller.model.registry import Kind
from controller.root.api import problems, schedule_schemas, schemas
from controller.root.api import query as q
from controller.root.api.operation import Operation
from controller.root.api.query import Parameter
from controller.root.api.request_body import MEDIA_TYPES
from controller.root.api.watch import MEDIA_TYPE as NDJSON

VERSION = "1"
"""Told by every answer (``X-Api-Version``); grows when a client of the version before could not use the API rightly."""
_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = """\
Datacenters described once, made so and kept so. Every resource has one envelope: users write \
`name`, parents, `project`, `labels`, `spec` and `max_revision_history`; the server writes the rest.

`PUT` creates or replaces, `If-Match` guards against lost updates, `?dry_run=true` answers with a \
plan and changes nothing. Lists are paged and filtered by labels and fields; `GET /v1/watch` streams \
changes from a `resource_version` on. Refusals are `application/problem+json` with a stable `code`. \
Every answer says in `X-Api-Version` which version of the API is spoken. \
The serial console of a Compute is a websocket at `/v1/regions/{region}/computes/{name}/console`.
"""


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document, as JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    tags = [{"name": "Many", "description": "Many resources at once."}]
    tags += [{"name": kind.name, "description": (kind.model.__doc__ or "").strip()} for kind in registry.kinds()]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Resource Service", "version": VERSION, "description": _DESCRIPTION},
        "paths": paths,
        "tags": tags,
        "security": [{"token": []}],
        "components": {
            "schemas": dict(sorted(_schemas().items())),
            "responses": {str(status): _problem(status) for status in schemas.PROBLEMS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_in_path(operation), *map(_in_query, operation.parameters), *_in_header(operation)],
        "responses": {str(status): _answer(operation, status, name) for status, name in operation.answers.items()},
    }
    for status in operation.errors:
        entry["responses"][str(status)] = {"$ref": f"#/components/responses/{status}"}
    if operation.description:
        entry["description"] = operation.description
    if operation.design_methods:
        entry["x-design-methods"] = operation.design_methods.split()
    if operation.body:
        content = {media_type: _body(operation) for media_type in MEDIA_TYPES}
        entry["requestBody"] = {
            "required": operation.body not in ("Empty", "Migrate", "Rollback", "Rebalance"),
            "content": content,
        }
    return entry


def _body(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {"schema": _reference(operation.body)}
    if operation.body == f"{operation.tag}Document" and operation.kind is not None:
        entry["example"] = dict(operation.kind.example)
    elif operation.body in schemas.EXAMPLES:
        entry["example"] = schemas.EXAMPLES[operation.body]
    return entry


def _answer(operation: Operation, status: int, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"description": schemas.ANSWERS.get(status, HTTPStatus(status).phrase)}
    if not name:
        return entry
    schema: dict[str, Any] = _reference(name)
    if status == HTTPStatus.OK and q.DRY_RUN in operation.parameters and name != operation.plan:
        schema = {"anyOf": [schema, _reference(operation.plan)]}
    entry["content"] = {NDJSON if operation.streaming else "application/json": {"schema": schema}}
    return entry


def _in_path(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.kind is None:
        return
    is_list = operation.path == operation.kind.collection_path
    for name in (*operation.kind.parents, *(() if is_list else ("name",))):
        schema = dict(q.NAME_SCHEMA)
        if name == "name" and not operation.kind.user_made:
            schema.update(pattern=QUALIFIED_NAME_PATTERN, maxLength=127)
        if is_list:
            schema["pattern"] = f"^-$|{schema['pattern']}"
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"Name of the {name if name != 'name' else operation.kind.name}.",
            "schema": schema,
        }


def _in_query(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = dict(parameter.schema)
    entry: dict[str, Any] = {"name": parameter.name, "in": "query", "description": parameter.description}
    if parameter.repeated:
        schema = {"type": "array", "items": schema, "maxItems": 20}
        entry.update(style="form", explode=True)
    if parameter.example is not None:
        entry["example"] = [parameter.example] if parameter.repeated else parameter.example
    return {**entry, "schema": schema}


def _in_header(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.method in ("PUT", "DELETE"):
        yield {
            "name": "If-Match",
            "in": "header",
            "description": "resource_version that is meant; another one answers 412.",
            "schema": {"type": "string", "pattern": r'^"[0-9]{1,18}"$|^\*$'},
        }


def _schemas() -> dict[str, Any]:
    kinds = list(registry.kinds())
    _, drawn = models_json_schema([(kind.model, "validation") for kind in kinds], ref_template=_REFERENCE)
    found: dict[str, Any] = drawn["$defs"]
    for kind in kinds:
        schema = found[kind.name]
        schema["examples"] = [_example(kind)]
        found[f"{kind.name}List"] = schemas.page_of(_reference(kind.name))
        if kind.user_made:
            found[f"{kind.name}Document"] = _document(kind, schema)
    made = [kind for kind in kinds if kind.user_made]
    whole = [{"allOf": [_reference(f"{kind.name}Document"), {"required": _identity(kind)}]} for kind in made]
    found["Documents"] = {"type": "array", "minItems": 1, "items": {"anyOf": whole}}
    found["Names"] = {"type": "array", "minItems": 1, "items": {"anyOf": [_names(kind) for kind in made]}}
    fixed = {**schemas.FIXED, **schedule_schemas.SCHEMAS}
    return {**found, **deepcopy(fixed), **schemas.of_actions()}


def _document(kind: Kind, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a PUT takes: the resource without what the server sets, nothing of its name required."""
    properties = {
        name: deepcopy(entry) for name, entry in schema["properties"].items() if not entry.get("x-server-set")
    }
    properties["kind"].pop("default", None)
    required = [name for name in schema.get("required", ()) if name == "spec"]
    entry = {
        "type": "object",
        "description": f"What users write of a {kind.name}. Server-set fields may be there and are ignored.",
        "properties": properties,
        "additionalProperties": False,
        "examples": [dict(kind.example)],
    }
    return {**entry, "required": required} if required else entry


def _identity(kind: Kind) -> list[str]:
    return ["kind", *kind.parents, "name"]


def _names(kind: Kind) -> dict[str, Any]:
    properties: dict[str, Any] = {name: dict(q.NAME_SCHEMA) for name in (*kind.parents, "name")}
    properties["kind"] = {"const": kind.name}
    if kind.per_project:
        properties["project"] = {**q.NAME_SCHEMA, "default": "default"}
    return {"type": "object", "properties": properties, "required": _identity(kind)}


def _example(kind: Kind) -> dict[str, Any]:
    """A stored resource of the kind."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    stored = documents.parse(kind.example).model_copy(
        update={"uid": "0198c0ffee", "resource_version": 42, "created_at": at, "updated_at": at}
    )
    return documents.render(stored)


def _problem(status: int) -> dict[str, Any]:
    example = problems.render(schemas.PROBLEMS[status], "0198c0ffee")
    content = {"schema": _reference("Problem"), "example": example}
    return {"description": HTTPStatus(status).phrase, "content": {problems.MEDIA_TYPE: content}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=name)}
