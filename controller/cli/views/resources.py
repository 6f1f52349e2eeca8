"""Documents as rows: the columns come from the kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from controller.cli.output import View, dig, table, text
from controller.model.envelope import SERVER_SET
from controller.model.registry import Kind

Document = Mapping[str, Any]

_TIMES = ("spec.last_at", "spec.at")
_FRACTION = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(?=Z|[+-])")


def many(kind: Kind, items: Sequence[Document]) -> View:
    """A table of resources; project and parents are shown where they differ.

    Records of what happened come in order of time, and their names, which mean nothing, only in
    the wide form.
    """
    is_record = bool(kind.columns) and kind.columns[0].path in _TIMES
    if is_record:
        items = sorted(items, key=lambda item: text(dig(item, kind.columns[0].path)))
    scope = [path for path in (*(["project"] if kind.per_project else []), *kind.parents) if _differs(items, path)]
    paths = [*scope, "name", *(column.path for column in kind.columns)]
    titles = [*(path.upper() for path in scope), "NAME", *(column.title for column in kind.columns)]
    first = len(scope) + 1
    wide = {first + index for index, column in enumerate(kind.columns) if column.wide}
    return View(
        columns=tuple(titles),
        rows=[tuple(_cell(item, path) for path in paths) for item in items],
        documents=items,
        wide=frozenset(wide | ({len(scope)} if is_record else set())),
        lines=() if items else (f"no {kind.segment} found",),
    )


def one(kind: Kind, item: Document) -> View:
    """The same for a single resource."""
    view = many(kind, [item])
    return View(view.columns, view.rows, view.documents, view.wide, single=True)


def description(item: Document, events: Sequence[Document]) -> View:
    """Everything about one resource, as indented lines; json and yaml show the document."""
    lines: list[str] = []
    order = [key for key in item if key not in SERVER_SET and key != "spec"]
    order += [key for key in SERVER_SET if key in item and key != "observed"]
    for key in order:
        lines += _lines(key, item[key], 0)
    for key in ("spec", "observed"):
        lines += _lines(key, item.get(key), 0)
    lines.append("Events:" if events else "Events: none")
    if events:
        rows = [
            [_cell(event, f"spec.{name}") for name in ("last_at", "level", "reason", "count", "message")]
            for event in events
        ]
        lines += [f"  {line}" for line in table(["LAST", "LEVEL", "REASON", "COUNT", "MESSAGE"], rows)]
    return View(documents=[item], single=True, lines=lines)


def revisions(items: Sequence[Document]) -> View:
    """Revisions of a service, oldest first, with what most tells them apart."""
    paths = ("revision", "current", "spec.compute.image", "spec.compute.flavor", "spec.replicas")
    rows = [tuple(text(dig(item, path)) for path in paths) for item in items]
    columns = ("REVISION", "CURRENT", "IMAGE", "FLAVOR", "REPLICAS")
    named = [{"name": item["revision"]} for item in items]
    return View(columns, rows, items, lines=() if items else ("no revisions are kept",), named=named)


def _cell(item: Document, path: str) -> str:
    """A value as a cell; times without fractions of seconds."""
    return _FRACTION.sub(r"\1", text(dig(item, path)))


def _lines(key: str, value: Any, depth: int) -> list[str]:
    title = f"{'  ' * depth}{key.replace('_', ' ').capitalize() if depth == 0 else key}:"
    if isinstance(value, Mapping) and value:
        return [title, *(line for inner, item in value.items() for line in _lines(str(inner), item, depth + 1))]
    if isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        lines = [title]
        for index, item in enumerate(value):
            lines += _lines(f"[{index}]", item, depth + 1)
        return lines
    if isinstance(value, str) and "\n" in value:
        return [title, *(f"{'  ' * (depth + 1)}{line}" for line in value.splitlines())]
    return [f"{title} {text(value)}"]


def _differs(items: Sequence[Document], path: str) -> bool:
    return len({text(dig(item, path)) for item in items}) > 1
