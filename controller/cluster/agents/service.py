"""AgentService: the calls of a node's agent to its cluster's API.

The caller of ``Session`` and ``Renew`` is the node that its certificate names, and gets nothing
that concerns another node. ``Join`` is the first contact: one transaction spends the one-time
token, which was made for one node, and stores the node. Then a certificate is signed for that node
only.

Design: A4, A5
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from controller.clock import Clock
from controller.cluster.agents import held_reports, quarantine_reports
from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.cluster.agents.heartbeats import Heartbeats
from controller.cluster.agents.registration import NodeRegistrar
from controller.cluster.agents.reports import ReportWriter
from controller.cluster.agents.sessions import AgentSession, Sessions
from controller.errors import Forbidden, InvalidInput, Problem, ResourceError
from controller.model import document
from controller.model.node import NODE, Capacity, Node, NumaCell
from controller.pki import Authority, CredentialFolder, Identity, cluster_scope
from controller.pki.identity import NODE as NODE_KIND
from controller.rate_limit import RateLimit, Reached, ignore_limit
from controller.rpc.identity import Context, require_identity
from controller.store import resources, restore_hold, tokens
from controller.store.database import Database, Transaction
from controller.wire import agent_pb2, agent_pb2_grpc

_REPORTS_PER_SECOND, _REPORTS_BURST = 500.0, 20_000.0
"""Reports of resources, and other messages, of one node. Each full report of a node with many machines is a burst."""


class AgentServicer(agent_pb2_grpc.AgentServiceServicer):
    """Serves the agents of one cluster."""

    def __init__(
        self,
        db: Database,
        *,
        cluster: str,
        clock: Clock,
        authority: CredentialFolder | None,
        index: AssignmentIndex,
        sessions: Sessions,
        heartbeats: Heartbeats,
        registrar: NodeRegistrar,
        reports: ReportWriter,
        lifetime: timedelta,
        reached: Reached = ignore_limit,
    ) -> None:
        """``authority`` is the cluster's intermediate CA; None where another process signs.

        ``reached`` is called with the name of each limit that an agent meets.
        """
        self._reached = reached
        self._reports_of = RateLimit(_REPORTS_PER_SECOND, _REPORTS_BURST, clock)
        self._db = db
        self._cluster = cluster
        self._clock = clock
        self._authority = authority
        self._index = index
        self._sessions = sessions
        self._heartbeats = heartbeats
        self._registrar = registrar
        self._reports = reports
        self._lifetime = lifetime
        self._log = structlog.get_logger("agents")

    async def Join(self, request: agent_pb2.JoinRequest, context: Context) -> agent_pb2.CertificateReply:
        """Exchange a join token for a certificate.

        Raises Unauthenticated, Forbidden (token spent, expired or for another node), InvalidInput (CSR).
        """
        reply = self._sign(self._signer(), request.csr, request.node)  # before the token is spent
        await self._db.awrite(partial(_join, cluster=self._cluster, token=request.token, node=request.node))
        self._log.info("node joined", node=request.node)
        return reply

    async def Renew(self, request: agent_pb2.RenewRequest, context: Context) -> agent_pb2.CertificateReply:
        """Sign a new certificate for the caller.

        Raises Unauthenticated, Forbidden (the node is no longer one of the cluster's), InvalidInput.
        """
        caller = require_identity(context, scope=cluster_scope(self._cluster), kinds=(NODE_KIND,))
        known = await self._db.aread(lambda tx: resources.find(tx, NODE.key(self._cluster, caller.name)))
        if known is None:
            raise Forbidden(f"{caller.name} is not a node of cluster {self._cluster}")
        return self._sign(self._signer(), request.csr, caller.name)

    async def Session(
        self, request_iterator: AsyncIterator[agent_pb2.AgentMessage], context: Context
    ) -> AsyncIterator[agent_pb2.ApiMessage]:
        """Serve until the agent disconnects, another session of the node begins, or the process drains."""
        caller = require_identity(context, scope=cluster_scope(self._cluster), kinds=(NODE_KIND,))
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("body") != "hello":
            raise InvalidInput([Problem("hello", "must be the first message")])
        if first.hello.node != caller.name:
            raise Forbidden(f"{caller} may report for its own node only, not for {first.hello.node!r}")
        facts = _facts(first.hello)
        await self._index.wait_until_current()  # first: registration compares the facts with the index
        await self._registrar.register(caller.name, facts)
        if self._index.node(caller.name) is None:
            raise Forbidden(f"{caller.name} is no longer a node of cluster {self._cluster}")
        if self._index.is_unknown_epoch(caller.name, first.hello.epoch, first.hello.assignments_version):
            await self._take_word(caller.name)
        elif self._index.has_returned(caller.name, first.hello.epoch, first.hello.assignments_version):
            await self._db.awrite(partial(restore_hold.note_returned, cluster=self._cluster, name=caller.name))
        session = AgentSession(caller.name)
        self._sessions.open(session, self._index)
        self._heartbeats.beat(caller.name)
        listening = asyncio.create_task(self._listen(session, request_iterator))
        try:
            async for message in session.messages():
                yield message
        finally:
            listening.cancel()
            self._sessions.close(session)

    async def _listen(self, session: AgentSession, messages: AsyncIterator[agent_pb2.AgentMessage]) -> None:
        """Receive heartbeats and reports of the agent; when they end, the session ends."""
        try:
            async for message in messages:
                await self._pace(session.node, message)
                match message.WhichOneof("body"):
                    case "heartbeat":
                        self._heartbeats.beat(session.node, message.heartbeat.healthy, message.heartbeat.message)
                    case "report":
                        if message.report.full and self._index.is_held(session.node):
                            take = partial(held_reports.take, cluster=self._cluster, node=session.node)
                            await self._db.awrite(partial(take, reported=message.report.resources))
                        self._reports.put(session.node, message.report.resources)
                        if message.report.full:
                            await self._take_quarantine(session.node, message.report)
        except Exception as error:
            self._log.debug("stream broke", node=session.node, error=repr(error))
        finally:
            self._sessions.close(session)

    async def _pace(self, node: str, message: agent_pb2.AgentMessage) -> None:
        """Take an agent's messages no faster than it may send them: its stream is then not read, and gRPC stops it."""
        amount = max(1, len(message.report.resources) + len(message.report.quarantine))
        seconds = self._reports_of.wait(node, amount)
        if seconds:
            self._reached("reports_of_agent")
            await self._clock.sleep(seconds)
            self._reports_of.charge(node, amount)

    async def _take_quarantine(self, node: str, report: agent_pb2.Report) -> None:
        facts = quarantine_reports.facts_of(report)
        if quarantine_reports.differs(self._index.node(node), facts):
            write = partial(quarantine_reports.write, cluster=self._cluster, name=node, facts=facts)
            try:
                await self._db.awrite(write)
            except ResourceError as error:  # the next full report says it again
                self._log.warning("quarantine not stored", node=node, error=error.message)

    async def _take_word(self, node: str) -> None:
        """Hold the node, because its agent knows what this database does not; hold all when several agents say so."""
        everything = await self._db.awrite(partial(restore_hold.take_word, cluster=self._cluster, name=node))
        self._log.warning("an agent knows newer assignments than the database", node=node, cluster_is_held=everything)
        await self._index.wait_until_current()

    def _signer(self) -> Authority:
        if self._authority is None:
            raise Forbidden("this cluster API does not sign certificates")
        return self._authority.load_authority()

    def _sign(self, authority: Authority, request: bytes, node: str) -> agent_pb2.CertificateReply:
        identity = Identity.node(self._cluster, node)
        issued = authority.sign(request, identity, clock=self._clock, ttl=self._lifetime)
        return agent_pb2.CertificateReply(certificate=issued.chain, authority=issued.roots)


def _join(tx: Transaction, cluster: str, token: str, node: str) -> None:
    tokens.use_join(tx, token, node)
    if resources.find(tx, NODE.key(cluster, node)) is None:
        # The root sends the rest of it; until then nothing is placed there.
        resources.insert(tx, [Node(name=node, cluster=cluster, state="Unknown", state_reason="has just joined")])


def _facts(hello: agent_pb2.Hello) -> dict[str, Any]:
    """Return the facts that the agent reports of its node; raises InvalidInput."""
    try:
        reported = json.loads(hello.capacity)
        capacity = Capacity.model_validate(reported["capacity"])
        numa = [NumaCell.model_validate(cell) for cell in reported.get("numa", ())]
    except ValidationError as error:
        raise InvalidInput(document.problems(error, "hello.capacity")) from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput([Problem("hello.capacity", "is not a JSON object with `capacity`")]) from error
    return {
        "capacity": capacity.model_dump(),
        "numa": [cell.model_dump(mode="json") for cell in numa],
        "providers": reported.get("providers", []),
        "endpoint": hello.endpoint,
        "migration_address": hello.migration_address,
        "version": hello.version,
    }
