"""Commands of other packages, added by entry points.

An entry point of the group ``resourcectl.commands`` is a function that receives the ``Kit`` and returns a typer
application. Its name is the name of the command. So such a package has the connection options and the output of
every other command, and imports nothing of the command line. A broken package is an error only when its command runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from controller.errors import PermanentError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from typer._click import Command

GROUP = "resourcectl.commands"


@dataclass(frozen=True)
class Kit:
    """What the commands of another package are built with."""

    remote: Callable[..., Any]
    """Gives ``command(session, ...)`` the connection options; ``session.client`` is the REST client."""
    shown: Callable[..., Any]
    """Adds ``-o`` and prints the view that the command returns."""
    view: Callable[..., Any]
    """Makes the view: columns, rows, documents, lines."""
    differences: Callable[..., Any]
    """The view of a plan, field by field."""
    results: Callable[..., Any]
    """The view of what was written."""
    refuse: Callable[[str], Exception]
    """The error for wrong options."""


def names() -> list[str]:
    """Return the names of the added commands."""
    return sorted(point.name for point in _entry_points())


def command(name: str) -> Command | None:
    """Return an added command; None when no package has it. Raises PermanentError when it cannot be loaded."""
    found = [point for point in _entry_points() if point.name == name]
    if not found:
        return None
    group = typer.main.get_group(_load(found[0])(_kit()))
    group.name = name
    return group


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points  # reads mail headers, so it imports the package email

    return entry_points(group=GROUP)


def _load(point: EntryPoint) -> Callable[[Kit], typer.Typer]:
    try:
        loaded: Callable[[Kit], typer.Typer] = point.load()
    except (ImportError, AttributeError) as error:
        raise PermanentError(f"resourcectl {point.name}: {point.value} cannot be loaded: {error}") from error
    return loaded


def _kit() -> Kit:
    from controller.cli import options, output
    from controller.cli.exit_codes import UsageProblem
    from controller.cli.views import plans

    return Kit(options.remote, options.shown, output.View, plans.differences, plans.results, UsageProblem)
