"""Figures and their one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. ``aim`` is an upper bound, or a lower one where ``more`` is better."""

    name: str
    database: str
    value: float
    unit: str
    aim: float | None = None
    more: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the aim is met; ``-`` without one."""
        if self.aim is None:
            return "-"
        met = self.value >= self.aim if self.more else self.value <= self.aim
        return "met" if met else "MISSED"


def table(figures: Sequence[Figure]) -> list[str]:
    """Lines of a Markdown table, so that it can be pasted into a page."""
    rows = [("figure", "database", "value", "aim", "", "note")]
    for figure in figures:
        sign = ">=" if figure.more else "<="
        aim = "" if figure.aim is None else f"{sign} {figure.aim:g} {figure.unit}"
        value = f"{figure.value:.3g} {figure.unit}" if figure.value < 1000 else f"{figure.value:.0f} {figure.unit}"
        rows.append((figure.name, figure.database, value, aim, figure.verdict, figure.note))
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
