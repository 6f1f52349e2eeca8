"""Request bodies: read up to a limit while they arrive, then parsed outside the event loop.

Promises that a body is never held beyond its limit, whatever its Content-Length says, and that bytes that are not a
document end in InvalidInput (415 for a media type that the API does not read).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from controller.errors import InvalidInput, Problem, TooLarge
from controller.model import document, text
from controller.model.registry import AnyResource
from controller.root.api.bodies import Body
from controller.root.api.problems import HttpRefusal

B = TypeVar("B", bound=Body)

_JSON = "application/json"
_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
MEDIA_TYPES = (_JSON, _YAML[0])
_IN_LINE_JSON, _IN_LINE = 64 << 10, 2 << 10
"""Bodies up to these sizes (JSON, anything else) are parsed in the event loop in about a millisecond: a thread would
cost more."""
_IN_LINE_DOCUMENTS = 20


async def read_documents(request: Request, limit: int) -> list[Mapping[str, Any]]:
    """Return the raw documents of the body, at least one; raises TooLarge, InvalidInput."""
    values = await _parsed(request, limit)
    if not values:
        raise InvalidInput([Problem("", "the body holds no document")])
    return values


async def read_object(request: Request, limit: int, *, optional: bool = False) -> Mapping[str, Any]:
    """Return the one object of the body; an empty body is an empty object where it is ``optional``."""
    values = await _parsed(request, limit)
    if not values and optional:
        return {}
    if len(values) != 1:
        raise InvalidInput([Problem("", f"the body must be one object, it holds {len(values)}")])
    return values[0]


async def read_model(request: Request, limit: int, model: type[B]) -> B:
    """Return the body of an action as its model; raises TooLarge, InvalidInput."""
    raw = await read_object(request, limit, optional=not model.is_required)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(document.problems(error)) from None


async def checked(raws: Sequence[Mapping[str, Any]]) -> list[AnyResource]:
    """Return the resources of raw documents, many of them off the event loop; raises InvalidInput."""
    if len(raws) <= _IN_LINE_DOCUMENTS:
        return document.parse_all(raws)
    return await asyncio.to_thread(document.parse_all, raws)


async def _parsed(request: Request, limit: int) -> list[Mapping[str, Any]]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type != _JSON and media_type not in _YAML:
        raise HttpRefusal(
            415, "unsupported_media_type", f"{media_type[:100]!r} is not read; send {_JSON} or {_YAML[0]}"
        )
    raw = await _read(request, limit)
    if len(raw) <= (_IN_LINE_JSON if media_type == _JSON else _IN_LINE):
        return parsed(raw, media_type)
    return await asyncio.to_thread(parsed, raw, media_type)


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        raise TooLarge(f"the body has {declared} bytes, at most {limit} are read")
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise TooLarge(f"the body has more than {limit} bytes")
            parts.append(part)
    except ClientDisconnect:
        raise InvalidInput([Problem("", "the body ended early")]) from None
    return b"".join(parts)


def parsed(raw: bytes, media_type: str) -> list[Mapping[str, Any]]:
    """Return the raw documents of a body; raises InvalidInput."""
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput([Problem("", f"byte {error.start} is not UTF-8")]) from error
    if not content.strip():
        return []
    if media_type == _JSON:
        return document.flatten([text.load_json(content)])
    if media_type in _YAML:
        return document.flatten(text.load_yaml(content))
    return document.read(content)
