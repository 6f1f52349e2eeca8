"""cordon, uncordon, drain: operators' verbs for nodes (F3)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.arguments import find_kind
from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.output import View, dig
from controller.cli.session import Session
from controller.cli.views import plans, resources
from controller.model.cluster import CLUSTER
from controller.model.node import NODE
from controller.model.registry import Key

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
    return resources.one(find_kind("Node"), session.act(session.locate("Node", node), "cordon"))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def uncordon(session: Session, node: NodeName) -> View:
    """Let new Computes come to a node again; ends a drain too.

    Example:
      resourcectl uncordon floor-1-1-1-rack-1-1-server1
    """
    return resources.one(find_kind("Node"), session.act(session.locate("Node", node), "uncordon"))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def drain(
    session: Session,
    nodes: Annotated[list[str] | None, typer.Argument(metavar="NODE...", help="Names of the nodes.")] = None,
    rack: Annotated[str | None, typer.Option(help="All nodes of the cluster that stand in the rack.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the moves, and make none.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Call the drain off.")] = False,
    wait: Annotated[float, typer.Option(help="Wait so many seconds for the nodes to be empty.", min=0)] = 0,
) -> View:
    """Cordon nodes and move their Computes to others by live migration, planned as one.

    Nothing is powered off. What cannot move stays, and its reason is shown. --cancel calls a drain off: moves that
    were not begun go back, and a node that was cordoned before stays cordoned; uncordon opens it in any case.

    Example:
      resourcectl drain floor-1-1-1-rack-1-1-server1 --wait 600
      resourcectl drain --rack floor-1-1-1-rack-1-1 --dry-run
      resourcectl drain --rack floor-1-1-1-rack-1-1 --cancel
    """
    if not nodes and not rack:
        raise UsageProblem("name at least one node, or a rack with --rack")
    if cancel and (dry_run or wait):
        raise UsageProblem("--cancel goes with neither --dry-run nor --wait")
    cluster, names = _cluster(session, nodes or [])
    asked = {"nodes": names, "rack": rack}
    if dry_run:
        return plans.moves(session.plan_act(cluster, "drain", asked))
    done = session.act(cluster, "cancel-drain" if cancel else "drain", asked)
    keys = [NODE.key(*str(result["key"]).split("/")) for result in done["results"]]
    items = [session.get(key) for key in keys]
    deadline = time.monotonic() + wait
    while not all(map(_is_empty, items)) and time.monotonic() < deadline:
        time.sleep(min(1.0, wait))
        items = [session.get(key) for key in keys]
    view = resources.one(NODE, items[0]) if len(items) == 1 else resources.many(NODE, items)
    if not wait or all(map(_is_empty, items)):
        return view
    lines = [line for item in items if not _is_empty(item) for line in _left(item, several=len(items) > 1)]
    return dataclasses.replace(view, lines=lines, exit_code=ExitCode.TRY_AGAIN)


def _cluster(session: Session, nodes: list[str]) -> tuple[Key, list[str]]:
    """The one cluster of the nodes, and their names in it."""
    found = [session.locate("Node", node) for node in nodes]
    clusters = {key.names[0] for key in found}
    if len(clusters) > 1:
        raise UsageProblem(f"the nodes are of several clusters, {', '.join(sorted(clusters))}: drain them one by one")
    name = clusters.pop() if clusters else session.locate("Node", "any").names[0]
    return CLUSTER.key(name), [key.names[1] for key in found]


def _left(node: Mapping[str, Any], *, several: bool) -> list[str]:
    left = dig(node, "observed.drain.remaining") or dig(node, "observed.computes") or 0
    blockers = dig(node, "observed.drain.blocked_by") or []
    where = f"on {node['name']}" if several else "here"
    return [
        f"{left} computes are still {where}",
        *(f"  blocked: {each['resource']}: {each['reason']}" for each in blockers),
    ]


def _is_empty(node: Mapping[str, Any]) -> bool:
    """True once the cluster has said so of this drain: nothing remains to be moved."""
    return dig(node, "observed.drain.remaining") == 0 and not dig(node, "observed.computes")
