"""The OpenAPI 3.1 document, made from the operations and the models; nothing is written twice.

Schemas are pydantic's, with the facts of fields as ``x-`` extensions. ``<Kind>`` is a resource as answers show it;
``<Kind>Document`` is what a PUT takes: names may be left out, because the path has them, and server-set fields are
ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, RootModel
from pydantic.json_schema import models_json_schema

from controller.model import document as documents
from controller.model import registry
from controller.model.envelope import Resource
from controller.model.names import QUALIFIED_NAME_PATTERN
from controller.model.registry import Kind
from controller.root.api import openapi_examples, problems, versions
from controller.root.api import query as q
from controller.root.api.answers import Page, Problem, StreamLine
from controller.root.api.bodies import Body, KindDocument
from controller.root.api.operation import Operation
from controller.root.api.query import Parameter
from controller.root.api.render import JSON
from controller.root.api.request_body import MEDIA_TYPES
from controller.root.api.watch import MEDIA_TYPE as NDJSON

_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = """\
Datacenters described once, built as described and kept so. Every resource has one envelope: users write \
`name`, parents, `project`, `labels`, `spec` and `max_revision_history`; the server writes the rest.

`PUT` creates or replaces, `If-Match` guards against lost updates, `?dry_run=true` answers with a \
plan and changes nothing. Lists are paged and filtered by labels and fields; `GET /v1/watch` streams \
changes from a `resource_version` on. Refusals are `application/problem+json` with a stable `code`. \
Every answer has the version of the API in `X-Api-Version`. \
The serial console of a Compute is a websocket at `/v1/regions/{region}/computes/{name}/console`.
"""


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the whole document, as JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    tags = [{"name": "Many", "description": "Many resources at once."}]
    tags += [{"name": kind.name, "description": (kind.model.__doc__ or "").strip()} for kind in registry.kinds()]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Resource Service",
            "version": versions.CURRENT,
            "description": _DESCRIPTION,
            "x-versions": [{"version": each.version, "changes": each.changes} for each in versions.VERSIONS],
        },
        "paths": paths,
        "tags": tags,
        "security": [{"token": []}],
        "components": {
            "schemas": dict(sorted(_schemas(operations).items())),
            "responses": {str(status): _problem(status) for status in openapi_examples.PROBLEMS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_in_path(operation), *map(_in_query, operation.parameters), *_in_header(operation)],
        "responses": {str(status): _answer(operation, status, model) for status, model in operation.answers.items()},
    }
    for status in operation.errors:
        entry["responses"][str(status)] = {"$ref": f"#/components/responses/{status}"}
    if operation.description:
        entry["description"] = operation.description
    if operation.design_methods:
        entry["x-design-methods"] = operation.design_methods.split()
    if operation.body is not None:
        is_required = operation.body.is_required if issubclass(operation.body, Body) else True
        content = {media_type: _body(operation, operation.body) for media_type in MEDIA_TYPES}
        entry["requestBody"] = {"required": is_required, "content": content}
    return entry


def _body(operation: Operation, body: type[BaseModel]) -> dict[str, Any]:
    if body is KindDocument and operation.kind is not None:
        return {"schema": _reference(f"{operation.kind.name}Document"), "example": dict(operation.kind.example)}
    return {"schema": _reference(body.__name__), "example": openapi_examples.EXAMPLES[body]}


def _answer(operation: Operation, status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"description": openapi_examples.ANSWERS.get(status, HTTPStatus(status).phrase)}
    if model is None:
        return entry
    schema: dict[str, Any] = _reference(_name_of(model, operation.kind))
    if status == HTTPStatus.OK and q.DRY_RUN in operation.parameters and model is not operation.plan:
        schema = {"anyOf": [schema, _reference(operation.plan.__name__)]}
    entry["content"] = {NDJSON if issubclass(model, StreamLine) else JSON: {"schema": schema}}
    return entry


def _name_of(model: type[BaseModel], kind: Kind | None) -> str:
    """Return the name of the schema of an answer; resources and pages of them are those of the operation's kind."""
    if kind is not None and model is Resource:
        return kind.name
    if kind is not None and model is Page:
        return f"{kind.name}List"
    return model.__name__


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
        schema = {"type": "array", "items": schema, "maxItems": q.MOST_REPEATED}
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


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    kinds = list(registry.kinds())
    models: list[type[BaseModel]] = [*(kind.model for kind in kinds), *_models(operations)]
    _, drawn = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    found: dict[str, Any] = drawn["$defs"]
    for kind in kinds:
        schema = found[kind.name]
        schema["examples"] = [_example(kind)]
        found[f"{kind.name}List"] = _page_of(kind)
        if kind.user_made:
            found[f"{kind.name}Document"] = _document(kind, schema)
    made = [kind for kind in kinds if kind.user_made]
    whole = [{"allOf": [_reference(f"{kind.name}Document"), {"required": _identity(kind)}]} for kind in made]
    found["Documents"] = {"type": "array", "minItems": 1, "items": {"anyOf": whole}}
    found["Names"] = {"type": "array", "minItems": 1, "items": {"anyOf": [_names(kind) for kind in made]}}
    return found


def _models(operations: Sequence[Operation]) -> list[type[BaseModel]]:
    """Return the models of the operations whose schemas do not depend on a kind, each once."""
    found: dict[type[BaseModel], None] = {Problem: None}
    for operation in operations:
        for model in (operation.body, operation.plan, *operation.answers.values()):
            if model is not None and not issubclass(model, RootModel) and model not in (Resource, Page):
                found[model] = None
    return list(found)


def _page_of(kind: Kind) -> dict[str, Any]:
    """Return the schema of a page of resources of the kind."""
    schema = Page.model_json_schema()
    schema["description"] = f"One page of {kind.plural_name}."
    schema["properties"]["items"]["items"] = _reference(kind.name)
    return schema


def _document(kind: Kind, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a PUT takes: the resource without server-set fields, its names not required."""
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
    """Return a stored resource of the kind."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    stored = documents.parse(kind.example).model_copy(
        update={"uid": "0198c0ffee", "resource_version": 42, "created_at": at, "updated_at": at}
    )
    return documents.render(stored)


def _problem(status: int) -> dict[str, Any]:
    example = problems.render(openapi_examples.PROBLEMS[status], "0198c0ffee")
    content = {"schema": _reference("Problem"), "example": example}
    return {"description": HTTPStatus(status).phrase, "content": {problems.MEDIA_TYPE: content}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=name)}
