"""start, stop, reboot, migrate: verbs for one Compute."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from controller.cli import completion, options
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import progress_lines, resources
from controller.cli.waiting import NoWaitOption, WaitOption, seconds_of, until_done

app = typer.Typer()

_PANEL = "Computes"
ComputeName = Annotated[
    str,
    typer.Argument(
        metavar="COMPUTE", help="Name of the Compute, such as web-0.", autocompletion=completion.name_of("Compute")
    ),
]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def start(session: Session, compute: ComputeName) -> View:
    """Start a Compute.

    Example:
      resourcectl start web-0
    """
    return _acted(session, compute, "start")


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def stop(session: Session, compute: ComputeName) -> View:
    """Shut a Compute down, by ACPI first. It keeps its node, address and disks.

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
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="NODE",
            help="Node to move to. Default: the scheduler chooses.",
            autocompletion=completion.name_of("Node"),
        ),
    ] = None,
    wait: WaitOption = None,
    no_wait: NoWaitOption = False,
) -> View:
    """Move a running Compute to another node, with its disks, without stopping it.

    On a terminal the command shows how far the migration is, and ends with it.

    Example:
      resourcectl migrate web-0 --to floor-1-1-1-rack-1-2-server1
    """
    seconds = seconds_of(wait, no_wait=no_wait)
    key = session.locate("Compute", compute)
    before = session.act(key, "migrate", {"node": to} if to else {})
    if seconds is None:
        return resources.one(find_kind("Compute"), before)
    waited = until_done(session, [key], progress_lines.migration(before), seconds)
    view = resources.one(find_kind("Compute"), waited.items[0] or before)
    return dataclasses.replace(view, exit_code=waited.exit_code)


def _acted(session: Session, compute: str, verb: str, body: dict[str, Any] | None = None) -> View:
    return resources.one(find_kind("Compute"), session.act(session.locate("Compute", compute), verb, body))
