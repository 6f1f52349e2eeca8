"""run: one process of the control plane, in the foreground.

Design: A1-A6
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

app = typer.Typer()


class Role(StrEnum):
    """The processes of the Resource Service."""

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
    """Run one process of the control plane, or the agent of a node, until SIGTERM.

    Settings come from the TOML file and from RESOURCE_... environment variables. Environment variables win.
    Roles: resource-api, resource-controller, cluster-api, cluster-controller, cluster-agent.

    Example:
      resourcectl run resource-api --config /etc/resource-service/resource-api.toml
    """
    gc.disable()  # loading makes no garbage worth a search, and a search through all modules takes long
    main, settings = load(role, config)
    _collect_garbage_rarely()
    asyncio.run(main(settings))


def _collect_garbage_rarely() -> None:
    """Collect garbage less often, and never among the modules.

    Documents are trees: reference counting frees them. With the defaults, parsing 10,000 of them scans the growing
    heap many times, which takes four times as long as the work itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def load(role: Role, config: Path | None) -> tuple[Callable[[Any], Coroutine[Any, Any, None]], Any]:
    """Return a process's ``main`` and its settings. Raises InvalidInput with each bad setting."""
    from controller.process.settings import load_settings

    _import_without_terminals()
    main = importlib.import_module(ENTRY_POINTS[role]).main
    settings_class = get_type_hints(main)["settings"]
    return main, load_settings(settings_class, config)


def _import_without_terminals() -> None:
    """Import structlog and httpx without what they have for terminals: it imports rich and pygments."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx does without it
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # cannot be imported: structlog does without it
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
