"""resource-controller: reconciles while it is master, stands by otherwise.

Design: A2, H2
"""

from __future__ import annotations

import asyncio

from controller.model.service_process import ProcessKind
from controller.pki import ROOT, server_name
from controller.process.api_client import ApiClient
from controller.process.process import Process
from controller.root.cluster_peer import ClusterPeer
from controller.root.reconcile.housekeeping import keep_house
from controller.root.reconcile.root_controller import RootController
from controller.root.settings import ResourceControllerSettings
from controller.store.changes import Feed
from controller.store.database import Database, Fence, Tier


async def main(settings: ResourceControllerSettings) -> None:
    """Run until SIGTERM. Raises SchemaMismatch, Unavailable (no database) at the start."""
    process = Process(ProcessKind.RESOURCE_CONTROLLER, settings)
    db = Database(settings.database.url, tier=Tier.ROOT)
    try:
        await asyncio.to_thread(db.check_schema)
        feed = Feed(db, process.clock)
        api = ApiClient(process.channels, settings.api.target, server_name(ROOT, ProcessKind.RESOURCE_API.value))

        async def work(fence: Fence) -> None:
            controller = RootController(
                db,
                feed,
                fence,
                process.clock,
                lambda cluster: ClusterPeer.of(cluster, process.channels),
                process.report,
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(controller.run())
                tasks.create_task(keep_house(db, fence, process.clock, settings.keep_changes))

        process.watch_database(db)
        process.add_task("feed", feed.run)
        process.elect(db, work, reassign=api.reassign, lease_seconds=settings.election.lease_seconds)
        process.heartbeat_to(api.send_heartbeat)
        await process.run()
    finally:
        db.close()
