"""Options of modules from the models' JSON schemas, as documentation and as argument table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from controller.model import field_descriptions, registry
from controller.model.field_descriptions import Schema, resolved, schema_of
from controller.model.registry import Kind

Options = dict[str, dict[str, Any]]
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def of_spec(kind: Kind) -> Options:
    """Return one option for each field of the spec that a user may write."""
    root = schema_of(kind)
    return _options(resolved(root["properties"]["spec"], root), root, top=True)


def required_of_spec(kind: Kind) -> set[str]:
    """Return the fields of the spec that have no default."""
    root = schema_of(kind)
    return set(resolved(root["properties"]["spec"], root).get("required", ()))


def identity_options(kind: Kind, *, required: bool = True, state: bool = True) -> Options:
    """Return the options that identify the resource."""
    need: dict[str, Any] = {"required": True} if required else {}
    options: Options = {
        parent: {"description": [f"Name of the {parent.replace('_', ' ')}."], "type": "str", **need}
        for parent in kind.parents
    }
    options["name"] = {"description": [f"Name of the {kind.name}."], "type": "str", **need}
    if kind.per_project:
        whose = "Project of the resource. Default is V(default)." if state else "Only of this project."
        options["project"] = {"description": [whose], "type": "str"}
    return options


def table(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the argument table of documented options."""
    found: dict[str, Any] = {}
    for name, option in options.items():
        entry = {key: option[key] for key in ("type", "elements", "choices", "default", "required") if key in option}
        if name in _secret_names():
            entry["no_log"] = True
        elif re.search("token|secret|password", name):
            entry["no_log"] = False
        if "suboptions" in option:
            entry["options"] = table(option["suboptions"])
        found[name] = entry
    return found


@cache
def _secret_names() -> frozenset[str]:
    """Return the names of the fields that are declared as secret, in any kind."""
    fields = (field for kind in registry.kinds() for field in field_descriptions.of_spec(kind))
    return frozenset(field.path.rpartition(".")[2] for field in fields if field.secret)


def _options(schema: Schema, root: Schema, *, top: bool = False) -> Options:
    required = set(schema.get("required", ()))
    options: Options = {}
    for name, own in schema.get("properties", {}).items():
        if own.get("x-server-set"):
            continue
        option = _option(own, root)
        if name in required:
            if top:
                option["description"].append("Required when the resource is created.")
            else:
                option["required"] = True
        options[name] = option
    return options


def _option(own: Schema, root: Schema) -> dict[str, Any]:
    target = resolved(own, root)
    option: dict[str, Any] = {"description": _words(own, target)}
    branches = [branch for branch in own.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) > 1:
        return option | {"type": "raw"}
    if "enum" in target and target.get("type", "string") == "string":
        return option | {"type": "str", "choices": [str(value) for value in target["enum"]]}
    match target.get("type"):
        case "array":
            items = resolved(target.get("items") or {}, root)
            option["type"] = "list"
            if "properties" in items:
                return option | {"elements": "dict", "suboptions": _options(items, root)}
            if "enum" in items:
                return option | {"elements": "str", "choices": [str(value) for value in items["enum"]]}
            return option | {"elements": _TYPES.get(str(items.get("type")), "raw")}
        case "object" if "properties" in target:
            return option | {"type": "dict", "suboptions": _options(target, root)}
        case "object":
            return option | {"type": "dict"}
        case str(word):
            return option | {"type": _TYPES.get(word, "raw")}
        case _:
            return option | {"type": "raw"}


def _words(own: Schema, target: Schema) -> list[str]:
    lines = [" ".join(str(own.get("description") or target.get("description") or "See the kind.").split())]
    if own.get("x-unit"):
        lines.append(f"Unit {own['x-unit']}.")
    if own.get("default") not in (None, "", [], {}):
        lines.append(f"The server's default is {own['default']}.")
    if own.get("x-change") in ("restart", "recreate", "refused"):
        lines.append(f"Effect of a change on what runs with it, {own['x-change']}.")
    return lines
