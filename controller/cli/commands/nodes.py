"""cordon, uncordon, drain: operators' verbs for nodes.

Design: F3
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli import completion, options
from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.tables import dig
from controller.cli.views import plans, progress_lines, resources
from controller.cli.waiting import NoWaitOption, WaitOption, seconds_of, until_done
from controller.client.kinds import ResourceName
from controller.counted import counted

app = typer.Typer()

_PANEL = "Nodes"
NodeName = Annotated[
    str, typer.Argument(metavar="NODE", help="Name of the node.", autocompletion=completion.name_of("Node"))
]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def cordon(session: Session, node: NodeName) -> View:
    """Close a node for new Computes. Those that run there stay.

    Example:
      resourcectl cordon floor-1-1-1-rack-1-1-server1
    """
    return resources.one(find_kind("Node"), session.act(session.locate("Node", node), "cordon"))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def uncordon(session: Session, node: NodeName) -> View:
    """Open a node for new Computes again. Cancels a drain, too.

    Example:
      resourcectl uncordon floor-1-1-1-rack-1-1-server1
    """
    return resources.one(find_kind("Node"), session.act(session.locate("Node", node), "uncordon"))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def drain(
    session: Session,
    nodes: Annotated[
        list[str] | None,
        typer.Argument(metavar="NODE...", help="Names of the nodes.", autocompletion=completion.name_of("Node")),
    ] = None,
    rack: Annotated[str | None, typer.Option(help="All nodes of the cluster in that rack.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the moves without making them.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the drain.")] = False,
    wait: WaitOption = None,
    no_wait: NoWaitOption = False,
) -> View:
    """Cordon nodes and move their Computes to other nodes by live migration, in one plan for all of them.

    Nothing is powered off. A Compute that cannot move stays, and the reason is shown. On a terminal the command shows
    how far the drain is, and ends when the nodes are empty. --cancel cancels a drain: moves that have not started do
    not take place, and a node that was cordoned before stays cordoned. uncordon opens it in any case.

    Example:
      resourcectl drain floor-1-1-1-rack-1-1-server1 --wait 600
      resourcectl drain --rack floor-1-1-1-rack-1-1 --dry-run
      resourcectl drain --rack floor-1-1-1-rack-1-1 --cancel
    """
    if not nodes and not rack:
        raise UsageProblem("give the name of at least one node, or a rack with --rack")
    seconds = None if cancel or dry_run else seconds_of(wait, no_wait=no_wait)
    if cancel and (dry_run or wait):
        raise UsageProblem("--cancel cannot be used with --dry-run or --wait")
    cluster, names = _cluster(session, nodes or [])
    asked = {"nodes": names, "rack": rack}
    if dry_run:
        return plans.moves(session.plan_act(cluster, "drain", asked))
    done = session.act(cluster, "cancel-drain" if cancel else "drain", asked)
    kind = find_kind("Node")
    keys = [kind.key(*str(result["key"]).split("/")) for result in done["results"]]
    items: list[Mapping[str, Any]] = [session.get(key) for key in keys]
    code = ExitCode.DONE
    if seconds is not None:
        waited = until_done(session, keys, progress_lines.drain, seconds)
        items, code = [item for item in waited.items if item is not None], waited.exit_code
    view = resources.one(kind, items[0]) if len(items) == 1 else resources.many(kind, items)
    if code is ExitCode.DONE:
        return view
    left = [item for item in items if not progress_lines.is_empty(item)]
    lines = [line for item in left for line in _left(item, several=len(items) > 1)]
    return dataclasses.replace(view, lines=lines, exit_code=code)


def _cluster(session: Session, nodes: list[str]) -> tuple[ResourceName, list[str]]:
    """Return the one cluster of the nodes, and their names in it."""
    found = [session.locate("Node", node) for node in nodes]
    clusters = {key.names[0] for key in found}
    if len(clusters) > 1:
        raise UsageProblem(f"the nodes are of several clusters, {', '.join(sorted(clusters))}: drain them one by one")
    name = clusters.pop() if clusters else session.locate("Node", "any").names[0]
    return find_kind("Cluster").key(name), [key.names[1] for key in found]


def _left(node: Mapping[str, Any], *, several: bool) -> list[str]:
    left = dig(node, "observed.drain.remaining") or dig(node, "observed.computes") or 0
    blockers = dig(node, "observed.drain.blocked_by") or []
    where = f"on {node['name']}" if several else "here"
    return [
        f"{counted(left, 'Compute')} still {where}",
        *(f"  blocked: {each['resource']}: {each['reason']}" for each in blockers),
    ]
