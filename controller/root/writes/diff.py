"""What differs between two forms of a resource, field by field, and what each change does.

Pure. The ``x-change`` of the innermost field that differs applies, as in ``service_template.effort``. Only a refusal
holds for everything inside the field too, and a list counts as one field. Only what users write is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from controller.model.fields import Change, facts
from controller.model.registry import AnyResource
from controller.model.secret_fields import HIDDEN, hide, is_secret

USER_WRITTEN = ("project", "labels", "spec", "max_revision_history")
_STRENGTH = (Change.LIVE, Change.RESTART, Change.RECREATE, Change.REFUSED)


@dataclass(frozen=True)
class FieldChange:
    """One field: ``path`` is dotted, ``before`` and ``after`` are JSON values (None: not set)."""

    path: str
    before: Any
    after: Any
    change: Change


def same(before: AnyResource, after: AnyResource) -> bool:
    """Return whether everything that users write is the same."""
    return all(_same(getattr(before, name), getattr(after, name)) for name in USER_WRITTEN)


def compare(before: AnyResource, after: AnyResource) -> list[FieldChange]:
    """Return every changed field, in the order of the model."""
    found: list[FieldChange] = []
    for name in USER_WRITTEN:
        old, new = getattr(before, name), getattr(after, name)
        if not _same(old, new):
            info = type(after).model_fields[name]
            found.extend(_differences(name, old, new, _declared(info), secret=False))
    return found


def created(after: AnyResource) -> list[FieldChange]:
    """Return a new resource as changes from nothing: one per field of its spec, and its labels."""
    found = [
        FieldChange(f"spec.{name}", None, _shown(getattr(after.spec, name), is_secret(info)), Change.LIVE)
        for name, info in type(after.spec).model_fields.items()
        if name in after.spec.model_fields_set
    ]
    if after.labels:
        found.append(FieldChange("labels", None, dict(after.labels), Change.LIVE))
    return found


def _same(old: Any, new: Any, *, unordered: bool = False) -> bool:
    """Return whether two values ask for the same; where a list is unordered its order does not count, at any depth."""
    if old == new:
        return True
    if isinstance(old, BaseModel) and type(old) is type(new):
        return all(
            _same(getattr(old, name), getattr(new, name), unordered=_unordered(info))
            for name, info in type(old).model_fields.items()
        )
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        pairs = (
            zip(sorted(old, key=repr), sorted(new, key=repr), strict=True) if unordered else zip(old, new, strict=True)
        )
        return all(_same(before, after) for before, after in pairs)
    return False


def _differences(path: str, old: Any, new: Any, change: Change, *, secret: bool) -> Iterator[FieldChange]:
    if isinstance(old, BaseModel) and type(old) is type(new):
        for name, info in type(old).model_fields.items():
            before, after = getattr(old, name), getattr(new, name)
            if not _same(before, after, unordered=_unordered(info)):
                declared = Change.REFUSED if change is Change.REFUSED else _declared(info)
                yield from _differences(f"{path}.{name}", before, after, declared, secret=secret or is_secret(info))
    elif isinstance(old, tuple) and isinstance(new, tuple):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            if not _same(before, after):
                for found in _differences(f"{path}[{index}]", before, after, change, secret=secret):
                    yield replace(found, change=max(change, found.change, key=_STRENGTH.index))
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield from _differences(f"{path}.{name}", old.get(name), new.get(name), change, secret=secret)
    else:
        yield FieldChange(path, _shown(old, secret), _shown(new, secret), change)


def _declared(info: FieldInfo) -> Change:
    return Change(facts(info).get("x-change", Change.LIVE))


def _unordered(info: FieldInfo) -> bool:
    return bool(facts(info).get("x-unordered"))


def _shown(value: Any, secret: bool) -> Any:
    if value is None:
        return None
    return HIDDEN if secret else to_jsonable_python(hide(value))
