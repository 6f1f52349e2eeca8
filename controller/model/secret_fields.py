"""Secret fields of resources, and how they are hidden from those who may read a resource and not write it.

A field that is declared with ``secret=True`` is a text. It is shown as ``(secret)``: in the differences of a plan to
everybody, and in resources to tokens that may not write them. So that a document which was read that way is never
written back with the placeholder as its value, the placeholder is refused as a value (``SecretText``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ValidationInfo
from pydantic.fields import FieldInfo

from controller.model.fields import facts
from controller.model.moments import STORED

HIDDEN = "(secret)"
"""What is shown in place of a secret."""

M = TypeVar("M", bound=BaseModel)


def _check(value: str, info: ValidationInfo) -> str:
    if value == HIDDEN and info.context is not STORED:
        raise ValueError(f"{HIDDEN} stands for a value that was not shown: write the value itself")
    return value


SecretText = Annotated[str, AfterValidator(_check)]
"""The type of secret fields."""


@dataclass(frozen=True)
class _Step:
    """A field that is secret, or has secret fields inside."""

    name: str
    is_secret: bool
    inner: tuple[type[BaseModel], ...] = ()


def is_secret(info: FieldInfo) -> bool:
    """Return whether a field is declared as secret."""
    return bool(facts(info).get("x-secret"))


def has_secrets(model: type[BaseModel]) -> bool:
    """Return whether a model has secret fields, at any depth."""
    return bool(_steps(model))


def redacted(given: M) -> M:
    """Return the model with its secrets hidden; one without secrets is returned as it is."""
    changed = {
        step.name: (HIDDEN if old else old) if step.is_secret else hide(old)
        for step in _steps(type(given))
        for old in (getattr(given, step.name),)
    }
    return given.model_copy(update=changed) if changed else given


def redacted_document(model: type[BaseModel], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON form of a model with its secrets hidden."""
    found = dict(document)
    for step in _steps(model):
        old = found.get(step.name)
        if not old:
            continue
        if step.is_secret:
            found[step.name] = HIDDEN
        for inner in step.inner:
            old = found[step.name]
            if isinstance(old, Mapping):
                found[step.name] = redacted_document(inner, old)
            elif isinstance(old, list):
                found[step.name] = [redacted_document(inner, one) if isinstance(one, Mapping) else one for one in old]
    return found


def reveals(model: type[BaseModel], path: str) -> bool:
    """Return whether the value at a dotted path is a secret, or contains one."""
    return _reveals(model, [step for step in path.split(".") if not step.isdecimal()])


def hide(value: Any) -> Any:
    """Return a value of a field with the secrets inside it hidden."""
    if isinstance(value, BaseModel):
        return redacted(value)
    if isinstance(value, tuple):
        return tuple(hide(one) for one in value)
    if isinstance(value, dict):
        return {name: hide(one) for name, one in value.items()}
    return value


def _reveals(model: type[BaseModel], path: list[str]) -> bool:
    if not path:
        return has_secrets(model)
    for step in _steps(model):
        if step.name == path[0]:
            return step.is_secret or any(_reveals(inner, path[1:]) for inner in step.inner)
    return False


@cache
def _steps(model: type[BaseModel]) -> tuple[_Step, ...]:
    found = []
    for name, info in model.model_fields.items():
        inner = tuple(part for part in _parts(info.annotation) if _steps(part))
        if is_secret(info) or inner:
            found.append(_Step(name, is_secret(info), inner))
    return tuple(found)


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _parts(argument)
