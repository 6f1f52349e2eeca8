"""Make resources from raw documents: the path of a request fills in the names that the body leaves out.

A body may repeat its kind, name, parents and project; they must agree with the path. The kind's model refuses fields
that are unknown, missing or of another type; whether a stored field may change is decided later, in ``writes``.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from controller.errors import InvalidInput, Problem
from controller.model import document, registry
from controller.model.registry import AnyResource, Key, Kind
from controller.root.api.query import is_name

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 110


def named_by_path(kind: Kind, names: Sequence[str], project: str | None, raw: Mapping[str, Any]) -> AnyResource:
    """Return the resource that a PUT to ``names`` asks for; raises InvalidInput with every bad field."""
    identity: dict[str, Any] = {"kind": kind.name, "name": names[-1]}
    identity.update(zip(kind.parents, names, strict=False))
    if kind.per_project and project is not None:
        identity["project"] = project
    differing = [
        Problem(field, f"is {_short(raw[field])}, but the path says {value!r}")
        for field, value in identity.items()
        if field in raw and raw[field] != value
    ]
    if differing:
        raise InvalidInput(differing)
    return document.parse({**raw, **identity})


def keys_of(raws: Sequence[Mapping[str, Any]]) -> list[Key]:
    """Return the keys that documents name; their specs are not read. For deleting."""
    keys: list[Key] = []
    bad: list[Problem] = []
    for index, raw in enumerate(raws):
        try:
            keys.append(_key(raw))
        except InvalidInput as error:
            bad.extend(Problem(f"[{index}].{one.path}", one.message) for one in error.problems)
    if bad:
        raise InvalidInput(bad)
    return keys


def _key(raw: Mapping[str, Any]) -> Key:
    name = raw.get("kind")
    known = {kind.name: kind for kind in registry.kinds()}
    if not isinstance(name, str) or name not in known:
        raise InvalidInput([Problem("kind", f"unknown kind {_short(name)}")])
    kind = known[name]
    values = [(field, raw.get(field)) for field in (*kind.parents, "name")]
    if kind.per_project:
        values.append(("project", raw.get("project", "default")))
    problems = [Problem(field, "must be a name") for field, value in values if not _is_name(value)]
    if problems:
        raise InvalidInput(problems)
    names = [str(value) for field, value in values if field != "project"]
    return kind.key(*names, project=str(raw.get("project", "default")))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and is_name(value)


def _short(value: object) -> str:
    """A value as a message shows it; of a large one only the beginning is made into text."""
    text = _REPR.repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 100 else text[:100] + "..."
