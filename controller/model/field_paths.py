"""Paths of fields that users write, in filters and orders of lists: those that a kind can have, and no others.

A path is dotted, with an index or ``[]`` for the members of a list: ``spec.interfaces.0.network``. Names inside maps
and inside ``observed`` are not checked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from controller.errors import InvalidInput, Problem
from controller.model.field_descriptions import MEMBERS, Schema, resolved, schema_of
from controller.model.registry import Kind


def check_path(kind: Kind, path: str) -> None:
    """Raise InvalidInput for a path that no resource of the kind can have, with a path that was perhaps meant."""
    root = schema_of(kind)
    here: list[Schema] = [root]
    steps = path.replace(MEMBERS, f".{MEMBERS}").split(".")
    for index, step in enumerate(steps):
        below = [inner for schema in here for inner in _step(schema, step, root)]
        if not below:
            before = ".".join(steps[:index]).replace(f".{MEMBERS}", MEMBERS)
            known = sorted({name for schema in here for name in _names(schema, root)})
            raise InvalidInput([Problem(f"fields.{path}", _unknown(kind, before, step, known))])
        here = below


def _unknown(kind: Kind, before: str, step: str, known: Sequence[str]) -> str:
    place = f"{before} of {kind.name}" if before else kind.name
    near = difflib.get_close_matches(step, known, 1)
    if near:
        return f"{place} has no field {step[:100]!r}; perhaps {near[0]!r} is meant"
    return f"{place} has no field {step[:100]!r}" + (f"; it has {', '.join(known)}" if known else "; it has no fields")


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the schemas that a value may have."""
    schema = resolved(schema, root)
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if not branches:
        yield schema
    for branch in branches:
        yield from _alternatives(branch, root)


def _step(schema: Schema, step: str, root: Schema) -> Iterator[Schema]:
    for one in _alternatives(schema, root):
        properties = one.get("properties", {})
        if step in properties:
            yield properties[step]
        elif one.get("type") == "object" and not properties and one.get("additionalProperties") is not False:
            more = one.get("additionalProperties")
            yield more if isinstance(more, Mapping) else {}
        elif one.get("type") == "array" and (step == MEMBERS or step.isdigit()):
            yield one.get("items", {})
        elif not one:
            yield one  # any value


def _names(schema: Schema, root: Schema) -> Iterator[str]:
    for one in _alternatives(schema, root):
        yield from one.get("properties", {})
