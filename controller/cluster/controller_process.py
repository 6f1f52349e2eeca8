"""cluster-controller: works while it is master, and waits for mastership otherwise.

Design: A5, H2
"""

from __future__ import annotations

import asyncio
import sys

from controller.cluster.moves.drain import Limits
from controller.cluster.reconcile.cluster_controller import ClusterController, Pace
from controller.cluster.reconcile.node_state import Silence
from controller.cluster.settings import ClusterControllerSettings
from controller.model.service_process import ProcessKind
from controller.pki import cluster_scope, server_name
from controller.process.api_client import ApiClient
from controller.process.process import Process
from controller.store.changes import Feed
from controller.store.database import Database, Fence, Tier

_SWITCH_SECONDS = 0.0005


async def main(settings: ClusterControllerSettings) -> None:
    """Run until SIGTERM. Raises SchemaMismatch, Unavailable (no database) at the start."""
    # A thread with an answer of the database would wait 5 ms (the default) for the thread that makes rows.
    sys.setswitchinterval(_SWITCH_SECONDS)
    process = Process(ProcessKind.CLUSTER_CONTROLLER, settings)
    db = Database(settings.database.url, tier=Tier.CLUSTER, cluster=settings.cluster)
    try:
        await asyncio.to_thread(db.check_schema)
        feed = Feed(db, process.clock)
        api_name = server_name(cluster_scope(settings.cluster), ProcessKind.CLUSTER_API.value)
        api = ApiClient(process.channels, settings.api.target, api_name)

        async def work(fence: Fence) -> None:
            controller = ClusterController(
                db,
                feed,
                fence,
                cluster=settings.cluster,
                clock=process.clock,
                silence=Silence(settings.unknown_after_seconds, settings.down_after_seconds),
                pace=Pace(
                    resync=settings.resync_seconds,
                    keep_changes=settings.keep_changes,
                    keep_events=settings.keep_events,
                ),
                limits=Limits(settings.drain_moves_per_node, settings.drain_moves),
                report=process.report,
            )
            await controller.run()

        process.watch_database(db)
        process.add_task("feed", feed.run)
        process.elect(db, work, reassign=api.reassign, lease_seconds=settings.election.lease_seconds)
        process.heartbeat_to(api.send_heartbeat)
        await process.run()
    finally:
        db.close()
