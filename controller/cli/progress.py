"""How ``up`` shows what is going on: a live table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import typer

from controller.cli import output

if TYPE_CHECKING:
    from rich.live import Live

    from controller.lab.up import Machine

TITLES = ("VM", "NODE", "RACK", "ADDRESS", "STATUS")


class Show(Protocol):
    """Where progress goes."""

    def say(self, line: str) -> None:
        """Something begins."""

    def machines(self, machines: Sequence[Machine]) -> None:
        """All virtual machines, each time one changed."""


def row(machine: Machine) -> tuple[str, ...]:
    """A virtual machine as cells."""
    status = machine.status + (f": {machine.reason}" if machine.reason else "")
    if machine.answers:
        status += ", answers"
    return (machine.name, output.text(machine.node), output.text(machine.rack), output.text(machine.address), status)


@contextlib.contextmanager
def shown() -> Iterator[Show]:
    """Progress for this stdout."""
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
        typer.echo(line)

    def machines(self, machines: Sequence[Machine]) -> None:
        for machine in machines:
            cells = row(machine)
            if self._last.get(machine.name) != cells:
                self._last[machine.name] = cells
                typer.echo("  ".join(cells))


class _Table:
    """A table that is drawn anew in place, below what was said."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def say(self, line: str) -> None:
        self._live.console.print(line, highlight=False)

    def machines(self, machines: Sequence[Machine]) -> None:
        from rich.table import Table

        table = Table(*TITLES, box=None, pad_edge=False)
        for machine in machines:
            table.add_row(*row(machine))
        self._live.update(table, refresh=True)
