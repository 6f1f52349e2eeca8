"""Which values of a resource are as they were applied, where the server knows fields that the applied document lacks.

A server that is newer than the documents fills such fields with their defaults. That is nobody's change. Whether a name
is a field that was filled, or an entry that somebody added to a map, comes from the kind's model.

Not promised: of a field that this client does not know, inside a value that is compared as a whole, any value passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

_STEP = re.compile(r"\[(\d+)\]|([^.\[]+)")


def is_as_applied(
    model: type[BaseModel], path: str, value: Any, known: Mapping[str, str], digest: Callable[[Any], str]
) -> bool:
    """Return whether the value at the path is what ``known``, the digests of an applied document, has there."""
    declared: Any = model
    info: FieldInfo | None = None
    for step in _STEP.finditer(path):
        declared, info = _inside(declared, step[2] or int(step[1]))
    return _same(declared, info, path, value, known, digest)


def _same(
    declared: Any,
    info: FieldInfo | None,
    path: str,
    value: Any,
    known: Mapping[str, str],
    digest: Callable[[Any], str],
) -> bool:
    if path not in known:
        return digest(value) == digest(None) or (info is not None and value == _default(info))
    if known[path] in ("", digest(value)):  # empty: it has a secret
        return True
    if isinstance(value, Mapping) and _model(declared) is not None:
        inner = {f"{path}.{name}": (*_inside(declared, name), one) for name, one in value.items()}
    elif isinstance(value, list) and value:
        inner = {f"{path}[{index}]": (*_inside(declared, index), one) for index, one in enumerate(value)}
    else:
        return False
    if any(one not in inner for one in _below(path, known)):
        return False
    return all(
        (isinstance(value, Mapping) and field is None and here not in known)
        or _same(kind, field, here, one, known, digest)
        for here, (kind, field, one) in inner.items()
    )


def _below(path: str, known: Mapping[str, str]) -> list[str]:
    """Return the paths of what is directly inside the value at the path."""
    return [
        one
        for one in known
        if one.startswith((f"{path}.", f"{path}[")) and _STEP.fullmatch(one[len(path) :].lstrip("."))
    ]


def _default(info: FieldInfo) -> Any:
    return to_jsonable_python(info.get_default(call_default_factory=True, validated_data={}))


def _inside(declared: Any, step: str | int) -> tuple[Any, FieldInfo | None]:
    """Return how what is inside a value is declared; the field only where the value is a model."""
    model = _model(declared)
    if model is not None and isinstance(step, str):
        info = model.model_fields.get(step)
        return (None, None) if info is None else (info.annotation, info)
    for one in _alternatives(declared):
        arguments = get_args(one)
        if arguments and isinstance(get_origin(one), type):
            return arguments[0 if isinstance(step, int) else -1], None
    return None, None


def _model(declared: Any) -> type[BaseModel] | None:
    for one in _alternatives(declared):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _alternatives(declared: Any) -> Sequence[Any]:
    """Return the types that a value may have, but for None."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return _alternatives(arguments[0])
    if origin in (Union, UnionType):
        return [found for one in arguments if one is not NoneType for found in _alternatives(one)]
    return [declared]
