"""scale, rollback, rebalance, revisions: verbs for a RegionService (D3, J4, K2, K3)."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import options
from controller.cli.arguments import find_kind
from controller.cli.exit_codes import UsageProblem
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import plans, resources
from controller.model.registry import Key

app = typer.Typer()

_PANEL = "Services"
ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="Name of the RegionService.")]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def scale(
    session: Session,
    service: ServiceName,
    replicas: Annotated[int, typer.Argument(metavar="REPLICAS", help="How many Computes there shall be.", min=1)],
) -> View:
    """Set how many Computes a service has; fewer takes them from the tail.

    Example:
      resourcectl scale web 5
    """
    item = session.act(session.locate("RegionService", service), "scale", {"replicas": replicas})
    return resources.one(find_kind("RegionService"), item)


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def rollback(
    session: Session,
    service: ServiceName,
    revision: Annotated[int | None, typer.Option("--to", help="Revision to go back to; else the one before.")] = None,
) -> View:
    """Go back to an older revision of a service; it becomes a new revision with the old spec.

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the moves, and make none.")] = False,
    max_moves: Annotated[int | None, typer.Option(help="Moves at most; else as many as it takes.", min=1)] = None,
    at_once: Annotated[int, typer.Option(help="How many may be under way at the same time.", min=1, max=1000)] = 1,
) -> View:
    """Spread a service anew as its rules say, by live migration, where that was lost.

    Only moves that make it evener are made, each looked at again when its turn comes.

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
    return plans.moves(done, [f"{count} {'move' if count == 1 else 'moves'} asked for"] if count else [])


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def revisions(session: Session, service: ServiceName) -> View:
    """List the revisions of a service that are kept.

    Example:
      resourcectl revisions web
    """
    return resources.revisions(session.revisions(session.locate("RegionService", service)))


def _before(session: Session, key: Key) -> int:
    """The newest kept revision that is not the current one."""
    older = [int(item["revision"]) for item in session.revisions(key) if not item["current"]]
    if not older:
        raise UsageProblem(f"{key} keeps no older revision")
    return max(older)
