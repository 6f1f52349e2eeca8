"""Formatting, in this module alone: tables, YAML, JSON and names.

Commands return a :class:`View` (columns and rows, and the documents behind them); what becomes of
it is decided here by ``-o``. Tables have no frames and fit pipes: one line per row, columns
separated by spaces, cut to the terminal's width only when there is a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO


class Format(StrEnum):
    """Values of ``-o``."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class View:
    """What a command has to show."""

    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    documents: Sequence[Mapping[str, Any]] = ()
    """For json and yaml; and for ``name``, which prints ``kind/path`` of each."""
    wide: frozenset[int] = frozenset()
    """Columns (by index) that only ``-o wide`` shows."""
    single: bool = False
    """True: json and yaml show the one document itself, not a list."""
    lines: Sequence[str] = ()
    """Shown under the table (or alone) in table and wide."""
    exit_code: int = 0
    """What the command ends with once the view is shown (``exits``)."""
    named: Sequence[Mapping[str, Any]] | None = None
    """What ``name`` prints, where it is not the documents."""


def text(value: Any) -> str:
    """A value as a cell: ``-`` for what is not there."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"  # 8.0 vcpus are 8
    if isinstance(value, list | tuple):
        return ",".join(text(item) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}={text(item)}" for key, item in sorted(value.items()))
    return str(value)


def dig(document: Any, path: str) -> Any:
    """Follow a dotted path (``spec.interfaces.0.address``); None where it ends early."""
    for part in path.split("."):
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list | tuple) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def render(view: View, form: Format, out: TextIO) -> None:
    """Write the view."""
    match form:
        case Format.JSON:
            json.dump(_payload(view), out, indent=2, ensure_ascii=False)
            out.write("\n")
        case Format.YAML:
            out.write(to_yaml(_payload(view), many=not view.single))
        case Format.NAME:
            for document in view.documents if view.named is None else view.named:
                out.write(f"{name_of(document)}\n")
        case _:
            kept = [index for index in range(len(view.columns)) if form is Format.WIDE or index not in view.wide]
            if kept and view.rows:
                columns, *rows = ([line[index] for index in kept] for line in (view.columns, *view.rows))
                out.writelines(f"{line}\n" for line in table(columns, rows))
            out.writelines(f"{line}\n" for line in view.lines)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Left-aligned columns, two spaces apart, no trailing blanks."""
    from rich.cells import cell_len  # names may hold wide letters

    widths = [max(cell_len(line[index]) for line in (columns, *rows)) for index in range(len(columns))]
    return [
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (columns, *rows)
    ]


def to_yaml(payload: Any, *, many: bool) -> str:
    """YAML; many documents are separated by ``---`` so that they can be applied again."""
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    documents = payload if many else [payload]
    parts = [
        yaml.dump(item, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
        for item in documents
    ]
    return "---\n".join(parts)


def name_of(document: Mapping[str, Any]) -> str:
    """``noun/parent/name`` of a document, or of an answer that tells ``kind`` and ``key``: other commands take it."""
    from controller import model as _model  # noqa: F401  (registers the kinds)
    from controller.model import registry

    if "kind" not in document:
        return str(document["name"])  # it is no resource of ours
    kind = registry.get(str(document["kind"]))
    if "key" in document:
        names = str(document["key"]).split("/")[kind.per_project :]  # the project is no part of the argument
    else:
        names = [str(document[parent]) for parent in kind.parents] + [str(document["name"])]
    return "/".join([kind.noun, *names])


def _payload(view: View) -> Any:
    if view.single:
        return view.documents[0] if view.documents else None
    return list(view.documents)
