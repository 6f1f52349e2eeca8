"""cluster-api: ClusterService for the root, ApiService for the cluster's processes, AgentService.

Any number of them may use one PostgreSQL. Refuses to start on a schema that it does not know.

Design: A4
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.cluster.agents.heartbeats import Heartbeats
from controller.cluster.agents.registration import NodeRegistrar
from controller.cluster.agents.reports import ReportWriter
from controller.cluster.agents.service import AgentServicer
from controller.cluster.agents.sessions import Sessions
from controller.cluster.root_link.service import ClusterServicer
from controller.cluster.settings import ClusterApiSettings
from controller.model.service_process import ProcessKind
from controller.pki import CredentialFolder
from controller.process.api_service import ApiServicer
from controller.process.process import Process
from controller.store.changes import Feed
from controller.store.database import Database, Tier
from controller.wire import api_pb2
from controller.wire.agent_pb2_grpc import add_AgentServiceServicer_to_server
from controller.wire.api_pb2_grpc import add_ApiServiceServicer_to_server
from controller.wire.cluster_pb2_grpc import add_ClusterServiceServicer_to_server


async def main(settings: ClusterApiSettings) -> None:
    """Serve until SIGTERM. Raises SchemaMismatch, Unavailable (no database) at the start."""
    process = Process(ProcessKind.CLUSTER_API, settings)
    db = Database(settings.database.url, tier=Tier.CLUSTER, cluster=settings.cluster)
    try:
        await asyncio.to_thread(db.check_schema)
        await _serve(process, db, settings)
    finally:
        db.close()


async def _serve(process: Process, db: Database, settings: ClusterApiSettings) -> None:
    clock, cluster = process.clock, settings.cluster
    feed = Feed(db, clock)
    sessions = Sessions()
    heartbeats = Heartbeats(db, clock)
    reports = ReportWriter(db, clock, cluster)
    index = AssignmentIndex(
        db,
        feed,
        clock,
        cluster,
        changed=sessions.send_changes,
        reread=lambda: sessions.send_full_sets(index),
        deleted=sessions.end_session,
        connected=sessions.connected,
    )
    registrar = NodeRegistrar(db, index, cluster, clock)
    authority = settings.tls.authority
    agents = AgentServicer(
        db,
        cluster=cluster,
        clock=clock,
        authority=CredentialFolder(authority) if authority is not None else None,
        index=index,
        sessions=sessions,
        heartbeats=heartbeats,
        registrar=registrar,
        reports=reports,
        lifetime=timedelta(seconds=settings.node_certificate_seconds),
        reached=process.metrics.limit_reached,
    )
    root = ClusterServicer(
        db,
        feed,
        process.channels,
        cluster,
        connected=sessions.connected,
        down_after=settings.down_after_seconds,
    )
    processes = ApiServicer(db, clock=clock, cluster=cluster, lease_seconds=settings.election.lease_seconds)

    async def send_heartbeat(request: api_pb2.UpdateNodeRequest) -> None:
        processes.record_heartbeat(request)

    process.add_service(lambda server: add_AgentServiceServicer_to_server(agents, server))
    process.add_service(lambda server: add_ClusterServiceServicer_to_server(root, server))
    process.add_service(lambda server: add_ApiServiceServicer_to_server(processes, server))
    if settings.root_listen:
        process.add_listener(settings.root_listen)
    if settings.join_listen:
        process.add_listener(settings.join_listen, client_certificate=False)
    process.watch_database(db)
    process.add_task("feed", feed.run)
    process.add_task("assignment_index", index.run)

    def drain() -> None:
        sessions.stop()
        heartbeats.stop()
        root.stop()

    process.add_task("sessions", heartbeats.run, stop=drain)
    process.add_task("reports", reports.run)
    process.add_task("registrations", registrar.run)
    process.add_task("processes", processes.run)
    process.heartbeat_to(send_heartbeat)
    await process.run()
    await heartbeats.flush()
    await reports.flush()
    await processes.flush()
