"""capacity: how many of each flavor still fit, now and after the worst loss (N+1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.tables import table, text
from controller.counted import counted

app = typer.Typer()

_AXES = ("rack", "power", "network")


@app.command(rich_help_panel="Scheduling")
@options.shown
@options.remote
def capacity(
    session: Session,
    cluster: Annotated[
        str | None, typer.Argument(metavar="CLUSTER", help="Name of the cluster. Default: all clusters.")
    ] = None,
    move_all: Annotated[
        bool, typer.Option("--move-all", help="After a loss, place every Compute again, whatever its on_node_down.")
    ] = False,
) -> View:
    """Show how many of each flavor still fit, now and after the loss of the worst rack, power or network domain.

    After a loss, Computes with on_node_down Rebuild are first placed on other nodes, by their own rules. Each
    flavor is counted as if only it were added.

    Example:
      resourcectl capacity tokyo1
      resourcectl capacity tokyo1 --move-all
    """
    named = cluster or session.config.get("cluster")
    names = [named] if named else [str(item["name"]) for item in session.find(find_kind("Cluster"))]
    if not names:
        raise UsageProblem("capacity: no cluster exists")
    return show([session.capacity(name, "all" if move_all else "rebuild") for name in names])


def show(answers: Sequence[Mapping[str, Any]]) -> View:
    """Return flavors as rows, with the dimensions of each cluster below."""
    rows = [
        (
            answer["cluster"],
            flavor["name"],
            str(flavor["fits"]),
            *(_after(flavor["after_loss"].get(axis)) for axis in _AXES),
        )
        for answer in answers
        for flavor in answer["flavors"]
    ]
    lines: list[str] = []
    for answer in answers:
        moving = "all Computes" if answer["moving"] == "all" else "Computes with on_node_down Rebuild"
        lines.append(
            f"{answer['cluster']}: {answer['open_nodes']} of {answer['nodes']} nodes take new resources; "
            f"{counted(answer['computes'], 'Compute')}; after a loss {moving} are placed again first"
        )
        amounts = [
            (name, text(each["free"]), text(each["total"]))
            for name, each in answer["dimensions"].items()
            if each["total"]
        ]
        lines += [f"  {line}" for line in table(("DIMENSION", "FREE", "OF"), amounts)] if amounts else []
    columns = ("CLUSTER", "FLAVOR", "FITS", *(f"AFTER WORST {axis.upper()}" for axis in _AXES))
    named = [{"kind": "Cluster", "key": answer["cluster"]} for answer in answers]
    return View(columns, rows, answers, lines=lines, named=named)


def _after(loss: Mapping[str, Any] | None) -> str:
    """``12 (floor-1-1-1-rack-1-1, 3 unplaced)``"""
    if loss is None:
        return "-"
    unplaced = f", {loss['unplaced']} unplaced" if loss["unplaced"] else ""
    return f"{loss['fits']} ({loss['domain']}{unplaced})"
