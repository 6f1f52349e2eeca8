"""The ApiService that both tiers' APIs serve to the processes of their tier (F4, A9).

ReassignRole is one transaction. UpdateNode is gathered in memory and written about once a second
for all processes together: the sender tells again soon, so a lost second costs nothing, and
thousands of senders cost one write. Any number of API processes may serve one database.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from controller.clock import Clock
from controller.errors import InvalidInput, Problem, TemporaryError
from controller.model.envelope import State
from controller.model.service_process import ProcessKind, ProcessRole, ServiceProcess, ServiceProcessSpec
from controller.pki import ROOT, cluster_scope
from controller.pki.identity import NODE
from controller.process.mastership import Standing
from controller.rpc.identity import Context, require_identity
from controller.store import lease, processes, resources
from controller.store.database import Database, Tier, Transaction
from controller.wire import api_pb2, api_pb2_grpc

_ELECTED = {Tier.ROOT: ProcessKind.RESOURCE_CONTROLLER, Tier.CLUSTER: ProcessKind.CLUSTER_CONTROLLER}


class ApiServicer(api_pb2_grpc.ApiServiceServicer):
    """Serves the processes of one tier; ``run`` must be kept running beside it."""

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
        """A process that says nothing for ``silent_seconds`` is shown as Down."""
        self._db = db
        self._clock = clock
        self._cluster = cluster
        self._scope = cluster_scope(cluster) if cluster else ROOT
        self._ttl = lease_seconds
        self._flush_seconds = flush_seconds
        self._silent = timedelta(seconds=silent_seconds)
        self._log = structlog.get_logger("api-service")
        self._told: dict[str, ServiceProcess] = {}

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
        self.tell(request)
        return api_pb2.UpdateNodeReply()

    async def reassign(self, kind: str, name: str, observed_term: int) -> Standing:
        """Compare-and-swap of the lease; see ``store.lease``."""

        def work(tx: Transaction) -> Standing:
            held = lease.reassign(tx, kind, name, observed_term, self._ttl)
            return Standing(held.holder, held.term, (held.expires_at - tx.now).total_seconds())

        return await self._db.awrite(work)

    def tell(self, request: api_pb2.UpdateNodeRequest) -> None:
        """Take in what a process says of itself; written by the next flush. Raises InvalidInput."""
        try:
            spec = ServiceProcessSpec(
                process_kind=ProcessKind(request.kind),
                cluster=self._cluster or None,
                endpoint=request.endpoint,
                role=ProcessRole(request.role),
                term=request.term,
                version=request.version,
            )
            self._told[request.name] = ServiceProcess(
                name=request.name,
                spec=spec,
                state=(State.UP if request.ready else State.UNKNOWN).value,
                state_reason=request.message,
            )
        except ValueError as error:
            raise InvalidInput([Problem("", str(error))]) from error

    async def run(self) -> None:
        """Write what was told and mark who is silent, about once a second, for ever."""
        while True:
            await self._clock.sleep(self._flush_seconds)
            try:
                await self.flush()
            except TemporaryError as error:
                # What was told is lost, and told again soon.
                self._log.warning("processes not written", error=error.message)

    async def flush(self) -> None:
        """Write what was told since the last flush; raises Unavailable when the database is away."""
        told, self._told = self._told, {}
        if told:
            await self._db.awrite(lambda tx: [processes.heartbeat(tx, process) for process in told.values()])
        # Looked for by reading first: a quiet tier writes nothing.
        if await self._db.aread(self._silent_ones):
            await self._db.awrite(lambda tx: resources.update(tx, self._silent_ones(tx)))

    def _silent_ones(self, tx: Transaction) -> list[ServiceProcess]:
        """Processes of this tier that are shown as alive and are silent, as they are to be shown."""
        return [
            process.model_copy(
                update={"state": State.DOWN.value, "state_reason": f"no heartbeat since {process.spec.heartbeat}"}
            )
            for process in processes.all_processes(tx)
            if process.spec.cluster == (self._cluster or None)
            and process.state != State.DOWN
            and process.spec.heartbeat is not None
            and process.spec.heartbeat < tx.now - self._silent
        ]
