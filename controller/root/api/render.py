"""JSON answers: resources by pydantic's own serializer, straight to bytes, and everything else from ``answers``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from controller.model.registry import AnyResource
from controller.root.api.answers import Answer

JSON = "application/json"


def json_response(value: Any, status: int = 200) -> Response:
    """Return the response with any JSON value."""
    return Response(json.dumps(value).encode(), status, media_type=JSON)


def answer(found: Answer, status: int = 200) -> Response:
    """Return the response with an answer."""
    return json_response(found.document(), status)


def line(found: Answer) -> bytes:
    """Return an answer as one line of a stream."""
    return json.dumps(found.document()).encode() + b"\n"


def one(resource: AnyResource, status: int = 200) -> Response:
    """Return the response with a resource, with its version as ETag."""
    return Response(to_bytes(resource), status, {"ETag": f'"{resource.resource_version}"'}, JSON)


def listing(items: Sequence[AnyResource], next_after: str | None, resource_version: int) -> Response:
    """Return the response with a page of resources: ``{items, next_after, resource_version}``."""
    parts = b",".join(to_bytes(item) for item in items)
    tail = json.dumps({"next_after": next_after, "resource_version": resource_version})[1:]
    return Response(b'{"items":[' + parts + b"]," + tail.encode(), 200, media_type=JSON)


def to_bytes(resource: AnyResource) -> bytes:
    """Return the JSON form of a resource."""
    return resource.__pydantic_serializer__.to_json(resource)
