"""Values as cells, and cells as lines of a table, for pipes and terminals alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.printable import printable


def text(value: Any) -> str:
    """Return a value as a cell: ``-`` where it is missing."""
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


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return printable lines of left-aligned columns, two spaces apart, without trailing blanks."""
    lines = [columns, *rows]
    widths = column_widths(lines)
    return [row_of(line, widths) for line in lines]


def column_widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column, as the terminal shows it."""
    from rich.cells import cell_len  # names may hold wide letters

    return [max(cell_len(printable(cell)) for cell in column) for column in zip(*lines, strict=True)]


def row_of(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return one line of a table; a cell that is too long moves the others."""
    from rich.cells import cell_len

    shown = [printable(cell) for cell in cells]
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(shown, widths, strict=True))
    return "  ".join(padded).rstrip()
