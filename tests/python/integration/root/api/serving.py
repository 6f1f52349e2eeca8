"""The API behind a real uvicorn on a unix socket: for streams and websockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from controller.clock import SystemClock
from controller.process.http_connections import Connections
from controller.root.api.settings import ApiSettings
from tests.python.eventually import eventually


@asynccontextmanager
async def served(app: Starlette, **listener: Any) -> AsyncIterator[uvicorn.Server]:
    """Run the app's feed and a server for it."""
    settings = ApiSettings(**listener)
    connections = Connections(settings.connections, SystemClock())
    arguments = {**settings.uvicorn_arguments(), "http": connections.protocol(), "timeout_graceful_shutdown": 5}
    server = uvicorn.Server(uvicorn.Config(app, **arguments, log_config=None))
    feed = asyncio.gather(app.state.services.feed.run(), connections.run())
    serving = asyncio.ensure_future(server.serve())
    try:
        await eventually(lambda: server.started or serving.done())
        yield server
    finally:
        app.state.drain.stop()
        server.should_exit = True
        await serving
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


def socket_in(folder: Path) -> Path:
    """A socket's path, short enough for the kernel."""
    path = folder / "api.sock"
    assert len(str(path)) < 100
    return path
