"""The progress of ``up``: a live table on a terminal, one line per change elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import typer

from controller.cli import tables
from controller.printable import printable

if TYPE_CHECKING:
    from rich.live import Live

    from controller.lab.up import Machine

TITLES = ("VM", "NODE", "RACK", "ADDRESS", "STATUS")


class Show(Protocol):
    """A display of progress."""

    def say(self, line: str) -> None:
        """Show that a step begins."""

    def machines(self, machines: Sequence[Machine]) -> None:
        """Show all virtual machines after one of them has changed."""


def row(machine: Machine) -> tuple[str, ...]:
    """Return a virtual machine as cells."""
    status = machine.status + (f": {machine.reason}" if machine.reason else "")
    if machine.answers:
        status += ", answers"
    return (machine.name, tables.text(machine.node), tables.text(machine.rack), tables.text(machine.address), status)


@contextlib.contextmanager
def shown() -> Iterator[Show]:
    """Return the display that fits this stdout."""
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.live import Live

    with Live(auto_refresh=False, transient=True) as live:
        yield _Table(live)


class Lines:
    """One line per change."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, ...]] = {}

    def say(self, line: str) -> None:
        typer.echo(printable(line))

    def machines(self, machines: Sequence[Machine]) -> None:
        for machine in machines:
            cells = row(machine)
            if self._last.get(machine.name) != cells:
                self._last[machine.name] = cells
                typer.echo(printable("  ".join(cells)))


class _Table:
    """A table that is redrawn in place, below the steps."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def say(self, line: str) -> None:
        self._live.console.print(printable(line), highlight=False, markup=False)

    def machines(self, machines: Sequence[Machine]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(*TITLES, box=None, pad_edge=False)
        for machine in machines:
            table.add_row(*(Text(printable(cell)) for cell in row(machine)))
        self._live.update(table, refresh=True)
