"""The REST client: what the CLI, Pulumi and inventory tools talk to a root with.

::

    with Client("http://127.0.0.1:7440", token="rs_...") as client:
        client.apply([{"kind": "Region", "name": "kanto"}])
        for service in client.list("RegionService", "kanto"):
            ...

``Client`` is synchronous, ``AsyncClient`` has the same calls for event loops. Documents are plain
dicts in JSON form. Refusals are raised as the errors of ``controller.errors``, by their code.

The names are imported at first use: who calls ``Client`` needs neither asyncio nor websockets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controller.client.aio import AsyncClient
    from controller.client.console import Console
    from controller.client.sync import Client

__all__ = ["AsyncClient", "Client", "Console"]

_MODULES = {"AsyncClient": "aio", "Client": "sync", "Console": "console"}


def __getattr__(name: str) -> Any:
    """Import the module of a public name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
