"""The ApiService, which the API of each tier serves to the processes of its tier.

ReassignRole is one transaction. Heartbeats (UpdateNode) are collected in memory and written about once a second for
all processes together: thousands of senders cost one write, and a lost second does no harm, since the next heartbeat
follows soon. Any number of API processes may serve one database.

Design: A9, F4
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from controller.clock import Clock
from controller.errors import InvalidInput, Problem, TemporaryError
from controller.model.envelope import State
from controller.model.service_process import (
    SERVICE_PROCESS,
    ProcessKind,
    ProcessRole,
    ServiceProcess,
    ServiceProcessSpec,
)
from controller.pki import ROOT, cluster_scope
from controller.pki.identity import NODE
from controller.process.standing import Standing
from controller.rpc.identity import Context, require_identity
from controller.store import lease, processes, resources
from controller.store.database import Database, Tier, Transaction
from controller.store.processes import Beat
from controller.wire import api_pb2, api_pb2_grpc

_ELECTED = {Tier.ROOT: ProcessKind.RESOURCE_CONTROLLER, Tier.CLUSTER: ProcessKind.CLUSTER_CONTROLLER}


class ApiServicer(api_pb2_grpc.ApiServiceServicer):
    """Serves the processes of one tier; ``run`` must run at the same time."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        cluster: str = "",
        lease_seconds: float = 15.0,
        flush_seconds: float = 1.0,
        silent_seconds: float = 30.0,
    ) -> None:
        """``silent_seconds``: a process without a heartbeat for so long is shown as Down."""
        self._db = db
        self._clock = clock
        self._cluster = cluster
        self._scope = cluster_scope(cluster) if cluster else ROOT
        self._ttl = lease_seconds
        self._flush_seconds = flush_seconds
        self._silent = silent_seconds
        self._log = structlog.get_logger("api-service")
        self._received: dict[str, ServiceProcess] = {}
        self._known: dict[str, tuple[float, ServiceProcess]] = {}
        """What was last written for each process, and when."""

    async def ReassignRole(self, request: api_pb2.ReassignRoleRequest, context: Context) -> api_pb2.ReassignRoleReply:
        elected = _ELECTED[self._db.tier].value
        require_identity(context, scope=self._scope, kinds=[elected], name=request.name)
        if request.kind != elected:
            raise InvalidInput([Problem("kind", f"{request.kind!r} has no master here; {elected} has")])
        standing = await self.reassign(request.kind, request.name, request.observed_term)
        return api_pb2.ReassignRoleReply(
            holder=standing.holder, term=standing.term, expires_in_seconds=standing.expires_in
        )

    async def UpdateNode(self, request: api_pb2.UpdateNodeRequest, context: Context) -> api_pb2.UpdateNodeReply:
        kind = NODE if request.kind == ProcessKind.CLUSTER_AGENT else request.kind
        require_identity(context, scope=self._scope, kinds=[kind], name=request.name)
        self.record_heartbeat(request)
        return api_pb2.UpdateNodeReply()

    async def reassign(self, kind: str, name: str, observed_term: int) -> Standing:
        """Compare and swap the lease; see ``store.lease``."""

        def work(tx: Transaction) -> Standing:
            held = lease.reassign(tx, kind, name, observed_term, self._ttl)
            return Standing(held.holder, held.term, (held.expires_at - tx.now).total_seconds())

        return await self._db.awrite(work)

    def record_heartbeat(self, request: api_pb2.UpdateNodeRequest) -> None:
        """Keep a process's heartbeat until the next flush writes it. Raises InvalidInput."""
        try:
            spec = ServiceProcessSpec(
                process_kind=ProcessKind(request.kind),
                cluster=self._cluster or None,
                endpoint=request.endpoint,
                role=ProcessRole(request.role),
                term=request.term,
                version=request.version,
            )
            self._received[request.name] = ServiceProcess(
                name=request.name,
                spec=spec,
                state=(State.UP if request.ready else State.UNKNOWN).value,
                state_reason=request.message,
            )
        except ValueError as error:
            raise InvalidInput([Problem("", str(error))]) from error

    async def run(self) -> None:
        """Write heartbeats about once a second, and show silent processes as Down, until cancelled."""
        checked = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._flush_seconds)
            try:
                await self.flush()
                if self._clock.monotonic() - checked >= self._silent / 6:
                    checked = self._clock.monotonic()
                    await self.show_silent()
            except TemporaryError as error:
                # The heartbeats are lost; the next ones follow soon.
                self._log.warning("processes not written", error=error.message)

    async def flush(self) -> None:
        """Write the heartbeats since the last flush; raises Unavailable if the database is unreachable."""
        received, self._received = self._received, {}
        if not received:
            return
        now = self._clock.monotonic()
        # The row of a process that reported the same a moment ago need not be read. After a longer silence it must:
        # another API may have set it to Down.
        same = {name for name, process in received.items() if self._is_known(name, process, now)}

        def work(tx: Transaction) -> None:
            processes.flush(tx, {name: Beat(tx.now) for name in same})
            for name in received.keys() - same:
                processes.heartbeat(tx, received[name])

        await self._db.awrite(work)
        self._known.update({name: (now, process) for name, process in received.items()})

    def _is_known(self, name: str, process: ServiceProcess, now: float) -> bool:
        at, said = self._known.get(name, (0.0, None))
        return said == process and now - at < self._silent / 2

    async def show_silent(self) -> None:
        """Show processes without a recent heartbeat as Down; raises Unavailable."""
        # It reads first, so that a quiet tier writes nothing.
        if await self._db.aread(self._silent_ones):
            await self._db.awrite(lambda tx: resources.update(tx, self._silent_ones(tx)))

    def _silent_ones(self, tx: Transaction) -> list[ServiceProcess]:
        """Return the silent processes of this tier that are not shown as Down yet, changed to Down."""
        limit = tx.now - timedelta(seconds=self._silent)
        beats = processes.beats(tx, SERVICE_PROCESS.name)
        keys = [SERVICE_PROCESS.key(name) for name, beat in beats.items() if beat.at < limit]
        rows = list(resources.get_many(tx, keys).values())
        return [
            row.model_copy(
                update={
                    "state": State.DOWN.value,
                    "state_reason": f"no heartbeat since {beats[row.name].at:%Y-%m-%d %H:%M:%S} UTC",
                }
            )
            for row in rows
            if row.state != State.DOWN and row.spec.cluster == (self._cluster or None)
        ]
