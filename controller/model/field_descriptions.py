"""The fields of a kind as users read of them, on the pages of docs/ and by ``resourcectl explain``.

They are read from the JSON Schema of the kind's model, so that each field is described once, where it is declared. A
path is dotted. It has ``[]`` for the members of a list (``spec.interfaces[].network``).

Not promised: what ``observed`` contains is not described field by field.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.model.envelope import SERVER_SET
from controller.model.registry import AnyResource, Kind

Schema = Mapping[str, Any]
MEMBERS = "[]"
"""The step of a path into the members of a list."""


@dataclass(frozen=True)
class FieldDescription:
    """One field. ``default`` and ``example`` are JSON, or empty; ``change`` is empty for what the server sets."""

    path: str
    type: str
    text: str
    unit: str
    default: str
    example: str
    change: str
    server_set: bool
    required: bool
    secret: bool

    @property
    def marks(self) -> list[str]:
        """``server``, ``required``, ``secret``."""
        marks = ["server"] if self.server_set else ["required"] if self.required else []
        return marks + (["secret"] if self.secret else [])


def of_spec(kind: Kind) -> list[FieldDescription]:
    """Return the fields of a kind's spec, each before those inside it."""
    root = schema_of(kind)
    return list(_rows(resolved(root["properties"]["spec"], root), root, "spec"))


def around_spec(kind: Kind) -> list[FieldDescription]:
    """Return all other fields of a kind."""
    root = schema_of(kind)
    around = {name: value for name, value in root["properties"].items() if name != "spec"}
    return list(_rows({"properties": around, "required": root.get("required", [])}, root, ""))


def all_of(kind: Kind) -> list[FieldDescription]:
    """Return every field of a kind, those around the spec first."""
    spec = schema_of(kind)["properties"]["spec"]
    return [*around_spec(kind), _described(spec, schema_of(kind), "spec", "", is_required=True), *of_spec(kind)]


def schema_of(kind: Kind) -> Schema:
    """Return the JSON Schema of a kind's model; it is built once for each model."""
    return _schema(kind.model)


@functools.cache
def _schema(model: type[AnyResource]) -> Schema:
    return model.model_json_schema()


def _rows(schema: Schema, root: Schema, path: str) -> Iterator[FieldDescription]:
    required = set(schema.get("required", ()))
    for name, raw in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield _described(raw, root, name, path, is_required=name in required)
        inner, suffix = _inner(resolved(raw, root), root)
        if inner is not None:
            yield from _rows(inner, root, here + suffix)


def _described(own: Schema, root: Schema, name: str, above: str, *, is_required: bool) -> FieldDescription:
    server = bool(own.get("x-server-set")) or (not above and name in SERVER_SET)
    reference = own.get("x-reference")
    text = own.get("description") or resolved(own, root).get("description", "")
    if reference and not text.startswith(reference):
        text += f" Names a {reference}."
    return FieldDescription(
        path=f"{above}.{name}" if above else name,
        type=_type(own, root),
        text=text,
        unit=own.get("x-unit", ""),
        default=_json(own.get("default")),
        example=_json(own["examples"][0]) if own.get("examples") else "",
        change="" if server else _change(name, own, above),
        server_set=server,
        required=is_required,
        secret=bool(own.get("x-secret")),
    )


def _change(name: str, own: Schema, path: str) -> str:
    """Names are the resource's identity: another name is another resource."""
    identity = not path and name not in ("labels", "max_revision_history")
    return "identity" if identity else str(own.get("x-change", "live"))


def _inner(schema: Schema, root: Schema) -> tuple[Schema | None, str]:
    """The object that a field holds, if it holds one: itself, or the members of its list."""
    if schema.get("type") == "object" and "properties" in schema:
        return schema, ""
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        items = resolved(schema["items"], root)
        if "properties" in items:
            return items, MEMBERS
    return None, ""


def resolved(schema: Schema, root: Schema) -> Schema:
    """Follow ``$ref`` and the one branch of ``anyOf`` that is not null."""
    if "$ref" in schema:
        target: Schema = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        return resolved(target, root)
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1:
        return resolved(branches[0], root)
    return schema


def _type(schema: Schema, root: Schema) -> str:
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) > 1:
        return " or ".join(_type(branch, root) for branch in branches)
    target = resolved(schema, root)
    if "enum" in target:
        return " / ".join(str(value) for value in target["enum"])
    if "const" in target:
        return str(target["const"])
    match target.get("type"):
        case "array":
            items = target.get("items")
            return f"list of {_type(items, root)}" if isinstance(items, Mapping) else "list"
        case "object" if "properties" not in target:
            return "map"
        case "string" if target.get("format"):
            return str(target["format"])
        case str(word):
            low, high = target.get("minimum"), target.get("maximum")
            return f"{word} {low}..{high}" if low is not None and high is not None else word
        case _:
            return "any"


def _json(value: Any) -> str:
    return "" if value in ("", None) else json.dumps(value, ensure_ascii=False)
