"""JSON answers. Resources are written by pydantic's own serialiser, straight to bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from controller.model.registry import AnyResource

JSON = "application/json"


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any JSON value."""
    return Response(json.dumps(value).encode(), status, headers, JSON)


def one(resource: AnyResource, status: int = 200) -> Response:
    """A resource, with its version as ETag."""
    return Response(to_bytes(resource), status, {"ETag": f'"{resource.resource_version}"'}, JSON)


def listing(items: Sequence[AnyResource], next_after: str | None, resource_version: int) -> Response:
    """A page: ``{items, next_after, resource_version}``."""
    parts = b",".join(to_bytes(item) for item in items)
    tail = json.dumps({"next_after": next_after, "resource_version": resource_version})[1:]
    return Response(b'{"items":[' + parts + b"]," + tail.encode(), 200, media_type=JSON)


def to_bytes(resource: AnyResource) -> bytes:
    """The JSON form of a resource."""
    return resource.__pydantic_serializer__.to_json(resource)
