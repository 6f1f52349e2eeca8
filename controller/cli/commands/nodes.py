"""cordon, uncordon, drain: operators' verbs for nodes (F3)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli import listing, options
from controller.cli.arguments import find_kind
from controller.cli.exits import ExitCode
from controller.cli.output import View, dig
from controller.cli.session import Session

app = typer.Typer()

_PANEL = "Nodes"
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="Name of the node.")]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def cordon(session: Session, node: NodeName) -> View:
    """Let nothing new come to a node; what runs there stays.

    Example:
      resourcectl cordon floor-1-1-1-rack-1-1-server1
    """
    return listing.one(find_kind("Node"), session.act(session.locate("Node", node), "cordon"))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def uncordon(session: Session, node: NodeName) -> View:
    """Let new Computes come to a node again; ends a drain too.

    Example:
      resourcectl uncordon floor-1-1-1-rack-1-1-server1
    """
    return listing.one(find_kind("Node"), session.act(session.locate("Node", node), "uncordon"))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def drain(
    session: Session,
    node: NodeName,
    wait: Annotated[float, typer.Option(help="Wait so many seconds for the node to be empty.", min=0)] = 0,
) -> View:
    """Cordon a node and move its Computes to others by live migration, one at a time.

    Nothing is powered off. What cannot move stays, and its reason is shown. uncordon ends the drain.

    Example:
      resourcectl drain floor-1-1-1-rack-1-1-server1 --wait 600
    """
    key = session.locate("Node", node)
    item = session.act(key, "drain")
    deadline = time.monotonic() + wait
    while not _is_empty(item) and time.monotonic() < deadline:
        time.sleep(min(1.0, wait))
        item = session.get(key)
    view = listing.one(find_kind("Node"), item)
    if not wait or _is_empty(item):
        return view
    left = dig(item, "observed.drain.remaining") or dig(item, "observed.computes") or 0
    blockers = dig(item, "observed.drain.blocked_by") or []
    lines = [f"{left} computes are still here", *(f"  blocked: {blocker}" for blocker in blockers)]
    return dataclasses.replace(view, lines=lines, exit_code=ExitCode.TRY_AGAIN)


def _is_empty(node: Mapping[str, Any]) -> bool:
    """True once the cluster has said so of this drain: nothing remains to be moved."""
    return dig(node, "observed.drain.remaining") == 0 and not dig(node, "observed.computes")
