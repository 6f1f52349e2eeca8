"""Writes settings as TOML: the few types that settings files need.

JSON's strings, numbers, booleans and lists are TOML's as well; tables come from nested mappings,
and what is None is left out, for TOML has no null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(values: Mapping[str, Any]) -> str:
    """Return ``values`` (as ``json.dumps`` would take them) as a TOML document."""
    return "".join(_table((), values)).lstrip("\n")


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> list[str]:
    plain = {key: value for key, value in values.items() if value is not None and not isinstance(value, Mapping)}
    lines = [f"{json.dumps(key) if not _bare(key) else key} = {_value(value)}\n" for key, value in plain.items()]
    if path and lines:
        lines.insert(0, f"\n[{'.'.join(key if _bare(key) else json.dumps(key) for key in path)}]\n")
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _table((*path, key), value)
    return lines


def _bare(key: str) -> bool:
    return key.replace("_", "").replace("-", "").isalnum() and key.isascii()


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)
