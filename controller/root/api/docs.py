"""The served documentation: one page, rendered from the OpenAPI document; it loads nothing from other servers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response

from controller import errors
from controller.errors import ResourceError

_METHODS = ("get", "put", "post", "delete")


def page(document: Mapping[str, Any]) -> Response:
    """Return the page of an OpenAPI document."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["type_of"] = _type_of
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2)
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                entry = {"method": method.upper(), "path": path, **methods[method]}
                by_tag.setdefault(entry["tags"][0], []).append(entry)
    template = environment.get_template("docs.html.j2")
    return HTMLResponse(template.render(document=document, by_tag=by_tag, problems=_problems()))


def _problems() -> list[tuple[str, int, str]]:
    """Return code, status and meaning of every error."""
    found: list[tuple[str, int, str]] = []

    def visit(kind: type[ResourceError]) -> None:
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__ and "code" in vars(child):
                found.append((child.code, child.http_status, (child.__doc__ or "").strip()))
            visit(child)

    visit(ResourceError)
    found.append(("unknown_path", 404, "Raised when no operation has the path."))
    found.append(("method_not_allowed", 405, "Raised when the path has no operation with the method."))
    found.append(("unsupported_media_type", 415, "Raised when a body is neither JSON nor YAML."))
    return found


def _type_of(schema: Mapping[str, Any]) -> str:
    """Return the type of a schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "anyOf" in schema:
        return " or ".join(_type_of(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    return str(schema.get("format") or schema.get("type") or "any")
