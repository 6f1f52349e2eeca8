"""resource-api: the REST API for users; ReassignRole, UpdateNode and Status for the root's processes.

Any number of these processes may serve one PostgreSQL database. The process refuses to start on an unknown schema.

Design: A1
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from controller.model.service_process import ProcessKind
from controller.process.api_service import ApiServicer
from controller.process.heartbeat import SendHeartbeat
from controller.process.http_connections import Connections
from controller.process.process import Process
from controller.root.api.app import create_app
from controller.root.api.bootstrap import ensure_default_project, first_token
from controller.root.grpc_cluster_gateway import GrpcClusterCalls
from controller.root.settings import ResourceApiSettings
from controller.store.changes import Feed
from controller.store.database import Database, Tier
from controller.wire import api_pb2
from controller.wire.api_pb2_grpc import add_ApiServiceServicer_to_server


async def main(settings: ResourceApiSettings) -> None:
    """Serve until SIGTERM. Raises SchemaMismatch, Unavailable (no database) at the start."""
    process = Process(ProcessKind.RESOURCE_API, settings)
    db = Database(settings.database.url, tier=Tier.ROOT)
    try:
        await asyncio.to_thread(db.check_schema)
        await asyncio.to_thread(_prepare, db, settings.bootstrap_token_file)
        feed = Feed(db, process.clock)
        calls = GrpcClusterCalls(db, process.channels, ProcessKind.RESOURCE_CONTROLLER.value)
        app = create_app(db, feed, process.clock, settings.api, calls, process.metrics.limit_reached)
        arguments = settings.api.uvicorn_arguments()
        connections = Connections(settings.api.connections, process.clock, process.metrics.limit_reached)
        config = uvicorn.Config(app, http=connections.protocol(), log_config=None, lifespan="off", **arguments)
        server = _Server(config, started=lambda: process.ready("rest"))

        def drain() -> None:
            app.state.drain.stop()
            server.should_exit = True

        servicer = ApiServicer(db, clock=process.clock, lease_seconds=settings.election.lease_seconds)
        process.add_service(lambda grpc_server: add_ApiServiceServicer_to_server(servicer, grpc_server))
        process.watch_database(db)
        process.add_task("feed", feed.run)
        process.add_task("rest", server.serve, stop=drain)
        process.add_task("connections", connections.run)
        process.add_task("refusals", app.state.services.refusals.run)
        process.add_task("processes", servicer.run)
        process.heartbeat_to(_local_heartbeat(servicer))
        process.not_ready("rest", "starting")
        await process.run()
        await app.state.services.refusals.flush()
        await servicer.flush()
    finally:
        db.close()


class _Server(uvicorn.Server):
    """uvicorn without signal handlers, which the process installs itself."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._report_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._report_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _local_heartbeat(servicer: ApiServicer) -> SendHeartbeat:
    """Return a function that records the process's own heartbeat without a call."""

    async def send(request: api_pb2.UpdateNodeRequest) -> None:
        servicer.record_heartbeat(request)

    return send


def _prepare(db: Database, token_file: Path | None) -> None:
    """Create the default project, and the first token if the settings ask for it."""
    ensure_default_project(db)
    if token_file is None:
        return
    secret = first_token(db)
    if secret is not None:
        token_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask is, and also where the file existed
            file.write(secret + "\n")
