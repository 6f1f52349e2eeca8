"""run: one process of the design, in the foreground (A1-A6)."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

app = typer.Typer()


class Role(StrEnum):
    """Processes of the design."""

    RESOURCE_API = "resource-api"
    RESOURCE_CONTROLLER = "resource-controller"
    CLUSTER_API = "cluster-api"
    CLUSTER_CONTROLLER = "cluster-controller"
    CLUSTER_AGENT = "cluster-agent"


ENTRY_POINTS = {
    Role.RESOURCE_API: "controller.root.api_process",
    Role.RESOURCE_CONTROLLER: "controller.root.controller_process",
    Role.CLUSTER_API: "controller.cluster.api_process",
    Role.CLUSTER_CONTROLLER: "controller.cluster.controller_process",
    Role.CLUSTER_AGENT: "controller.agent.agent_process",
}
"""Module of each process: ``async def main(settings)``, whose annotation says which settings it takes."""


@app.command(rich_help_panel="Processes")
def run(
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="Which process.")],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML file with the settings.", dir_okay=False)
    ] = None,
) -> None:
    """Run one process of the control plane, or a node's agent, until SIGTERM.

    Settings come from the TOML file and from RESOURCE_... environment variables, which win.
    Roles: resource-api, resource-controller, cluster-api, cluster-controller, cluster-agent.

    Example:
      resourcectl run resource-api --config /etc/resource-service/resource-api.toml
    """
    main, settings = load(role, config)
    _calm_collector()
    asyncio.run(main(settings))


def _calm_collector() -> None:
    """Look for garbage less often, and never again among the modules.

    Documents are trees: they go by reference counting. With the defaults, parsing 10,000 of them
    walks the growing heap again and again, which takes four times as long as the work itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def load(role: Role, config: Path | None) -> tuple[Callable[[Any], Coroutine[Any, Any, None]], Any]:
    """A process's ``main`` and its settings; raises InvalidInput naming each bad setting."""
    from controller.process.settings import load_settings

    main = importlib.import_module(ENTRY_POINTS[role]).main
    settings_class = get_type_hints(main)["settings"]
    return main, load_settings(settings_class, config)
