"""Commands of packages that ``controller`` does not know, joined by entry points.

An entry point of the group ``resourcectl.commands`` is a function that is given the ``Kit`` and
returns a typer application; its name is the command's. So such a package has the connection
options and the output of every other command, and imports nothing of the command line. A package
that is broken is an error when its command is used, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import typer

from controller.errors import PermanentError

if TYPE_CHECKING:
    from typer._click import Command

GROUP = "resourcectl.commands"


@dataclass(frozen=True)
class Kit:
    """What a package's commands are made with."""

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
    """The commands that are joined."""
    return sorted(point.name for point in entry_points(group=GROUP))


def command(name: str) -> Command | None:
    """A joined command; None when nothing joins that name. Raises PermanentError when it cannot be loaded."""
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        return None
    group = typer.main.get_group(_load(found[0])(_kit()))
    group.name = name
    return group


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
