"""scale, rollback, rebalance, revisions: verbs for a RegionService.

Design: D3, J4, K2, K3
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from controller.cli import completion, options
from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import plans, progress_lines, resources
from controller.cli.waiting import NoWaitOption, WaitOption, seconds_of, until_done
from controller.client.kinds import ResourceName
from controller.counted import counted

app = typer.Typer()

_PANEL = "Services"
ServiceName = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE", help="Name of the RegionService.", autocompletion=completion.name_of("RegionService")
    ),
]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def scale(
    session: Session,
    service: ServiceName,
    replicas: Annotated[int, typer.Argument(metavar="REPLICAS", help="Wanted number of Computes.", min=1)],
    wait: WaitOption = None,
    no_wait: NoWaitOption = False,
) -> View:
    """Set the number of Computes of a service. A lower number removes those with the highest indices.

    On a terminal the command shows how many are ready, and ends when all are.

    Example:
      resourcectl scale web 5
    """
    seconds = seconds_of(wait, no_wait=no_wait)
    key = session.locate("RegionService", service)
    item = session.act(key, "scale", {"replicas": replicas})
    if seconds is None:
        return resources.one(find_kind("RegionService"), item)
    waited = until_done(session, [key], progress_lines.scaling, seconds)
    view = resources.one(find_kind("RegionService"), waited.items[0] or item)
    return dataclasses.replace(view, exit_code=waited.exit_code)


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def rollback(
    session: Session,
    service: ServiceName,
    revision: Annotated[
        int | None, typer.Option("--to", help="Revision to restore. Default: the one before the current.")
    ] = None,
) -> View:
    """Restore an older revision of a service: its spec becomes a new revision.

    Example:
      resourcectl rollback web --to 3
    """
    key = session.locate("RegionService", service)
    wanted = revision if revision is not None else _before(session, key)
    return resources.one(find_kind("RegionService"), session.act(key, "rollback", {"revision": wanted}))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def rebalance(
    session: Session,
    service: ServiceName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the moves without making them.")] = False,
    max_moves: Annotated[int | None, typer.Option(help="Most moves. Default: as many as are needed.", min=1)] = None,
    at_once: Annotated[int, typer.Option(help="Most moves at the same time.", min=1, max=1000)] = 1,
) -> View:
    """Spread a service again as its rules require, by live migration.

    Only moves that improve the spread are made. Each is checked again before it starts.

    Example:
      resourcectl rebalance web --dry-run
      resourcectl rebalance web --at-once 2
    """
    key = session.locate("RegionService", service)
    asked = {"max_moves": max_moves, "at_once": at_once}
    if dry_run:
        return plans.moves(session.plan_act(key, "rebalance", asked))
    done = session.act(key, "rebalance", asked)
    count = len(done["moves"])
    return plans.moves(done, [f"{counted(count, 'move')} requested"] if count else [])


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def revisions(session: Session, service: ServiceName) -> View:
    """List the stored revisions of a service.

    Example:
      resourcectl revisions web
    """
    return resources.revisions(session.revisions(session.locate("RegionService", service)))


def _before(session: Session, key: ResourceName) -> int:
    """Return the newest stored revision before the current one."""
    older = [int(item["revision"]) for item in session.revisions(key) if not item["current"]]
    if not older:
        raise UsageProblem(f"{key} has no older revision")
    return max(older)
