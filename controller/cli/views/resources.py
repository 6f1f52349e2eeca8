"""Documents as rows, with the columns of their kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.cli.output import View
from controller.cli.tables import column_widths, dig, table, text
from controller.client.kinds import SERVER_SET, ClientKind

Document = Mapping[str, Any]

_TIMES = ("spec.last_at", "spec.at")
_FRACTION = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(?=Z|[+-])")


@dataclass(frozen=True)
class Columns:
    """The columns of a table of resources: titles, and the paths of the cells."""

    titles: tuple[str, ...]
    paths: tuple[str, ...]
    wide: frozenset[int]
    """Columns (by index) that only the wide form shows."""

    @classmethod
    def of(cls, kind: ClientKind, items: Sequence[Document]) -> Columns:
        """Return the columns of a kind; project and parents are shown where they differ."""
        scope = [path for path in (*(["project"] if kind.per_project else []), *kind.parents) if _differs(items, path)]
        first = len(scope) + 1
        wide = {first + index for index, column in enumerate(kind.columns) if column.wide}
        return cls(
            titles=(*(path.upper() for path in scope), "NAME", *(column.title for column in kind.columns)),
            paths=(*scope, "name", *(column.path for column in kind.columns)),
            wide=frozenset(wide | ({len(scope)} if _is_record(kind) else set())),
        )

    def cells(self, item: Document, *, wide: bool) -> list[str]:
        """Return the cells of one resource that the form shows."""
        return [_cell(item, path) for index, path in enumerate(self.paths) if wide or index not in self.wide]

    def widths(self, items: Sequence[Document], *, wide: bool) -> list[int]:
        """Return the widths of the shown columns in a table of these resources."""
        titles = [title for index, title in enumerate(self.titles) if wide or index not in self.wide]
        return column_widths([titles, *(self.cells(item, wide=wide) for item in items)])


def many(kind: ClientKind, items: Sequence[Document]) -> View:
    """Return a table of resources; project and parents are shown where they differ.

    Events and audit records are in order of time. Their names are generated, and shown only in the wide form.
    """
    if _is_record(kind):
        items = sorted(items, key=lambda item: text(dig(item, kind.columns[0].path)))
    columns = Columns.of(kind, items)
    return View(
        columns=columns.titles,
        rows=[tuple(columns.cells(item, wide=True)) for item in items],
        documents=items,
        wide=columns.wide,
        lines=() if items else (f"no {kind.segment} found",),
    )


def one(kind: ClientKind, item: Document) -> View:
    """Return the same for a single resource."""
    view = many(kind, [item])
    return View(view.columns, view.rows, view.documents, view.wide, single=True)


def description(item: Document, events: Sequence[Document]) -> View:
    """Return everything about one resource as indented lines; json and yaml show the document."""
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
    """Return revisions of a service, oldest first, with the fields that differ most often."""
    paths = ("revision", "current", "spec.compute.image", "spec.compute.flavor", "spec.replicas")
    rows = [tuple(text(dig(item, path)) for path in paths) for item in items]
    columns = ("REVISION", "CURRENT", "IMAGE", "FLAVOR", "REPLICAS")
    named = [{"name": item["revision"]} for item in items]
    return View(columns, rows, items, lines=() if items else ("no revisions are kept",), named=named)


def _is_record(kind: ClientKind) -> bool:
    return bool(kind.columns) and kind.columns[0].path in _TIMES


def _cell(item: Document, path: str) -> str:
    """Return a value as a cell; times without fractions of seconds."""
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
        return [title, *(f"{'  ' * (depth + 1)}{line}" for line in value.removesuffix("\n").split("\n"))]
    return [f"{title} {text(value)}"]


def _differs(items: Sequence[Document], path: str) -> bool:
    return len({text(dig(item, path)) for item in items}) > 1
