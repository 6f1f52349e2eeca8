"""quarantine: disks that nodes keep aside instead of deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.session import Session

app = typer.Typer()
quarantine = typer.Typer(no_args_is_help=True)
app.add_typer(quarantine, name="quarantine", rich_help_panel="Nodes")

_MIB = 1 << 20


@quarantine.callback()
def _quarantine() -> None:
    """List the disks that nodes keep aside, and delete them before their time.

    Example:
      resourcectl quarantine list --cluster tokyo1
    """


@quarantine.command("list")
@options.shown
@options.scoped
def list_quarantine(session: Session) -> View:
    """List the disks that the nodes of a cluster keep aside, oldest first. Nodes report them once a minute.

    Example:
      resourcectl quarantine list --cluster tokyo1
    """
    return show(session.find(find_kind("Node")))


def show(nodes: Sequence[Mapping[str, Any]]) -> View:
    """Return the disks of all nodes as rows."""
    kept = [
        {"node": str(node["name"]), **disks}
        for node in nodes
        for disks in (node.get("observed") or {}).get("quarantine", ())
    ]
    kept.sort(key=lambda one: (str(one.get("at")), str(one["key"])))
    rows = [
        (
            one["node"],
            str(one["key"]),
            str(one.get("name") or "-"),
            str(one.get("at")),
            str(int(one.get("size_bytes") or 0) // _MIB),
        )
        for one in kept
    ]
    documents = [{**one, "name": one["key"], "machine": one.get("name") or ""} for one in kept]
    lines = () if rows else ("no node keeps disks aside",)
    return View(("NODE", "KEY", "COMPUTE", "SINCE", "MIB"), rows, documents, lines=lines)


@quarantine.command()
def purge(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Which disks, as `quarantine list` shows them.")],
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="TOML file of the node's agent.", dir_okay=False)
    ],
) -> None:
    """Delete disks that this node keeps aside. Run it on the node itself. The disks cannot be brought back.

    Example:
      resourcectl quarantine purge 0198c0ffee.20260301T120000Z --config /etc/resource-service/cluster-agent.toml
    """
    import asyncio

    from controller.agent.agent_process import make_driver
    from controller.agent.settings import AgentSettings
    from controller.clock import SystemClock
    from controller.process.settings import load_settings

    driver = make_driver(load_settings(AgentSettings, config), SystemClock())

    async def work() -> list[str]:
        known = [one.key for one in await driver.quarantined()]
        if key in known:
            await driver.purge(key)
        return known

    known = asyncio.run(work())
    if key not in known:
        raise UsageProblem(f"KEY {key!r} is not kept aside on this node; it keeps: {', '.join(known) or 'nothing'}")
    typer.echo(f"{key} deleted")
