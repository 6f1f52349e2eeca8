"""A real process for the tests of this folder: ``python -m ...program KIND FILE``.

An API serves ApiService; a controller stands for election and, as master, writes a row with its
term into the table ``written`` as fast as it can.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text

from controller.model.service_process import ProcessKind
from controller.pki import ROOT, server_name
from controller.process.api_client import ApiClient
from controller.process.api_service import ApiServicer
from controller.process.process import Process
from controller.process.settings import DatabaseSettings, ElectionSettings, PeerSettings, ProcessSettings, load_settings
from controller.store.database import Database, Fence, Tier
from controller.wire import api_pb2
from controller.wire.api_pb2_grpc import add_ApiServiceServicer_to_server


class Settings(ProcessSettings):
    """Both roles'."""

    database: DatabaseSettings
    api: PeerSettings | None = None
    election: ElectionSettings = ElectionSettings()


async def api(process: Process, settings: Settings, db: Database) -> None:
    servicer = ApiServicer(
        db,
        clock=process.clock,
        lease_seconds=settings.election.lease_seconds,
        flush_seconds=0.1,
        silent_seconds=2,
    )
    process.add_service(lambda server: add_ApiServiceServicer_to_server(servicer, server))
    process.add_task("api-service", servicer.run)

    async def send_heartbeat(request: api_pb2.UpdateNodeRequest) -> None:
        servicer.record_heartbeat(request)

    process.heartbeat_to(send_heartbeat)
    await process.run()


async def controller(process: Process, settings: Settings, db: Database) -> None:
    assert settings.api is not None
    client = ApiClient(process.channels, settings.api.target, server_name(ROOT, ProcessKind.RESOURCE_API.value))

    async def work(fence: Fence) -> None:
        row = {"name": settings.name, "term": fence.term}
        insert = text("INSERT INTO written (name, term) VALUES (:name, :term)")
        while True:
            await db.awrite(lambda tx: tx.connection.execute(insert, row), fence=fence)
            await process.clock.sleep(0.02)

    process.elect(db, work, reassign=client.reassign, lease_seconds=settings.election.lease_seconds)
    process.heartbeat_to(client.send_heartbeat)
    await process.run()


async def main(kind: ProcessKind, settings: Settings) -> None:
    process = Process(kind, settings)
    db = Database(settings.database.url, tier=Tier.ROOT)
    db.check_schema()
    try:
        await (api if kind is ProcessKind.RESOURCE_API else controller)(process, settings, db)
    finally:
        db.close()


if __name__ == "__main__":
    asyncio.run(main(ProcessKind(sys.argv[1]), load_settings(Settings, Path(sys.argv[2]))))
