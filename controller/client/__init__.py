"""The REST client: what the CLI, Pulumi and inventory tools talk to a root with.

::

    with Client("http://127.0.0.1:7440", token="rs_...") as client:
        client.apply([{"kind": "Region", "name": "kanto"}])
        for service in client.list("RegionService", "kanto"):
            ...

``Client`` is synchronous, ``AsyncClient`` has the same calls for event loops. Documents are plain
dicts in JSON form. Refusals are raised as the errors of ``controller.errors``, by their code.
"""

from controller.client.aio import AsyncClient
from controller.client.console import Console
from controller.client.sync import Client

__all__ = ["AsyncClient", "Client", "Console"]
