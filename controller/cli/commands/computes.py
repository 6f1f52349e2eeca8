"""start, stop, reboot, migrate: verbs for one Compute."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.arguments import find_kind
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import resources

app = typer.Typer()

_PANEL = "Computes"
ComputeName = Annotated[str, typer.Argument(metavar="COMPUTE", help="Name of the Compute, such as web-0.")]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def start(session: Session, compute: ComputeName) -> View:
    """Ask for a Compute to run.

    Example:
      resourcectl start web-0
    """
    return _acted(session, compute, "start")


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def stop(session: Session, compute: ComputeName) -> View:
    """Shut a Compute down, by ACPI first; it keeps its node, address and disks.

    Example:
      resourcectl stop web-0
    """
    return _acted(session, compute, "stop")


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def reboot(session: Session, compute: ComputeName) -> View:
    """Restart a Compute once.

    Example:
      resourcectl reboot web-0
    """
    return _acted(session, compute, "reboot")


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def migrate(
    session: Session,
    compute: ComputeName,
    to: Annotated[str | None, typer.Option("--to", metavar="NODE", help="Node to move to; else one is chosen.")] = None,
) -> View:
    """Move a running Compute to another node, with its disks, without stopping it.

    Example:
      resourcectl migrate web-0 --to floor-1-1-1-rack-1-2-server1
    """
    return _acted(session, compute, "migrate", {"node": to} if to else {})


def _acted(session: Session, compute: str, verb: str, body: dict[str, Any] | None = None) -> View:
    return resources.one(find_kind("Compute"), session.act(session.locate("Compute", compute), verb, body))
