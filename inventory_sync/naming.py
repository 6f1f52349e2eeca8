"""Names and labels of the inventory from those of NetBox, and the check for names that two objects would get.

Pure. Names are translated one by one. ``NameRegistry`` records the source of each, so that two sources of one name
are one problem that names both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from controller.errors import Problem
from controller.model.names import NAME_PATTERN
from inventory_sync.mapping import Labels, Names

_NO_NAME = re.compile(r"[^a-z0-9]+")
_NO_VALUE = re.compile(r"[^A-Za-z0-9_.-]+")
_NAME = re.compile(NAME_PATTERN)


def translate(given: str, rules: Names) -> str:
    """Return the translated name, which may be invalid (``NameRegistry`` checks it)."""
    if given in rules.overrides:
        return rules.overrides[given]
    name = given
    for rule in rules.replace:
        name = re.sub(rule.pattern, rule.by, name)
    return _NO_NAME.sub("-", name.lower()).strip("-")


class NameRegistry:
    """Names by kind and parent, and the problems with them."""

    def __init__(self, rules: Names) -> None:
        self._rules = rules
        self._by_name: dict[tuple[str, str, str], str] = {}
        self.problems: list[Problem] = []

    def name(self, kind: str, parent: str, given: str, source: str) -> str:
        """Return the name for ``given``, and record what is wrong with it in ``problems``."""
        name = translate(given, self._rules)
        if not _NAME.match(name):
            message = f"{given!r} gives no valid name ({name!r}): lower-case letters, digits and -, 63 at most"
            self.problems.append(Problem(source, f"{message}; see names.overrides"))
            return name
        first = self._by_name.setdefault((kind, parent, name), source)
        if first != source:
            where = f"{kind} {parent}/{name}" if parent else f"{kind} {name}"
            self.problems.append(Problem(source, f"would be {where}, which {first} is already; see names.overrides"))
        return name


def labels(item: Mapping[str, Any], rules: Labels, mark: tuple[str, str]) -> dict[str, str]:
    """Labels of an object: tags, custom fields and fields that the mapping names, and the marker."""
    found: dict[str, str] = {}
    for field, key in rules.fields.items():
        value = item.get(field)
        if isinstance(value, dict):
            value = value.get("slug", value.get("value"))
        if value:
            found[key] = label_value(value)
    custom = item.get("custom_fields") or {}
    for name, key in rules.custom_fields.items():
        if custom.get(name) not in (None, ""):
            found[key] = label_value(custom[name])
    for tag in item.get("tags") or ():
        if (label := rules.tags.get(tag["slug"])) is not None:
            key, _, value = label.partition("=")
            found[key] = value
    return {**found, mark[0]: mark[1]}


def owned(rules: Labels, mark: tuple[str, str]) -> frozenset[str]:
    """Return the keys of labels that the sync writes and removes. It changes no others."""
    tags = (label.partition("=")[0] for label in rules.tags.values())
    return frozenset({mark[0], *tags, *rules.custom_fields.values(), *rules.fields.values()})


def label_value(value: Any) -> str:
    """Return a value as that of a label: characters that are not allowed become ``-``."""
    if isinstance(value, dict):
        value = value.get("value", value.get("name", ""))
    word = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return _NO_VALUE.sub("-", word)[:63].strip("-_.")


def by_id(items: Iterable[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Return objects by their id."""
    return {int(item["id"]): item for item in items}
