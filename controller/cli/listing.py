"""Documents as rows: the columns come from the kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.cli.output import View, dig, table, text
from controller.model.envelope import SERVER_SET
from controller.model.registry import Kind

Document = Mapping[str, Any]


def many(kind: Kind, items: Sequence[Document]) -> View:
    """A table of resources; project and parents are shown where they differ."""
    scope = [path for path in (*(["project"] if kind.per_project else []), *kind.parents) if _differs(items, path)]
    paths = [*scope, "name", *(column.path for column in kind.columns)]
    titles = [*(path.upper() for path in scope), "NAME", *(column.title for column in kind.columns)]
    first = len(scope) + 1
    return View(
        columns=tuple(titles),
        rows=[tuple(text(dig(item, path)) for path in paths) for item in items],
        documents=items,
        wide=frozenset(first + index for index, column in enumerate(kind.columns) if column.wide),
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
            [text(dig(event, path)) for path in ("spec.last_at", "spec.level", "spec.reason", "spec.count")]
            + [text(dig(event, "spec.message"))]
            for event in events
        ]
        lines += [f"  {line}" for line in table(["LAST", "LEVEL", "REASON", "COUNT", "MESSAGE"], rows)]
    return View(documents=[item], single=True, lines=lines)


def revisions(items: Sequence[Document]) -> View:
    """Revisions of a service, oldest first, with what most tells them apart."""
    paths = ("revision", "current", "spec.compute.image", "spec.compute.flavor", "spec.replicas")
    rows = [tuple(text(dig(item, path)) for path in paths) for item in items]
    columns = ("REVISION", "CURRENT", "IMAGE", "FLAVOR", "REPLICAS")
    return View(columns, rows, items, lines=() if items else ("no revisions are kept",))


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
