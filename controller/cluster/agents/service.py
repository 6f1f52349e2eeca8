"""AgentService: what a node's agent asks of its cluster's API (A4, A5).

Whoever calls ``Session`` and ``Renew`` is the node that its certificate names, and gets nothing
that concerns another. ``Join`` is first contact: the one-time token, made for one node, is spent in
the same transaction in which the node is noted, and a certificate is signed for that node only.
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
from controller.cluster.agents.assignment_index import Roster
from controller.cluster.agents.registration import Greetings
from controller.cluster.agents.reports import ReportWriter
from controller.cluster.agents.sessions import AgentSession, Sessions
from controller.errors import Forbidden, InvalidInput, Problem
from controller.model import document
from controller.model.node import NODE, Capacity, Node, NumaCell
from controller.pki import Authority, CredentialFolder, Identity, cluster_scope
from controller.pki.identity import NODE as NODE_KIND
from controller.rpc.identity import Context, require_identity
from controller.store import resources, tokens
from controller.store.database import Database, Transaction
from controller.wire import agent_pb2, agent_pb2_grpc


class AgentServicer(agent_pb2_grpc.AgentServiceServicer):
    """Serves the agents of one cluster."""

    def __init__(
        self,
        db: Database,
        *,
        cluster: str,
        clock: Clock,
        authority: CredentialFolder | None,
        roster: Roster,
        sessions: Sessions,
        greetings: Greetings,
        reports: ReportWriter,
        lifetime: timedelta,
    ) -> None:
        """``authority``: the cluster's intermediate; None where another process signs."""
        self._db = db
        self._cluster = cluster
        self._clock = clock
        self._authority = authority
        self._roster = roster
        self._sessions = sessions
        self._greetings = greetings
        self._reports = reports
        self._lifetime = lifetime
        self._log = structlog.get_logger("agents")

    async def Join(self, request: agent_pb2.JoinRequest, context: Context) -> agent_pb2.CertificateReply:
        """Raises Unauthenticated, Forbidden (token spent, ended or another's), InvalidInput (CSR)."""
        reply = self._sign(self._signer(), request.csr, request.node)  # before the token is spent
        await self._db.awrite(partial(_join, cluster=self._cluster, token=request.token, node=request.node))
        self._log.info("node joined", node=request.node)
        return reply

    async def Renew(self, request: agent_pb2.RenewRequest, context: Context) -> agent_pb2.CertificateReply:
        """Raises Unauthenticated, Forbidden (the node is no longer one of the cluster's), InvalidInput."""
        caller = require_identity(context, scope=cluster_scope(self._cluster), kinds=(NODE_KIND,))
        known = await self._db.aread(lambda tx: resources.find(tx, NODE.key(self._cluster, caller.name)))
        if known is None:
            raise Forbidden(f"{caller.name} is no node of cluster {self._cluster}")
        return self._sign(self._signer(), request.csr, caller.name)

    async def Session(
        self, request_iterator: AsyncIterator[agent_pb2.AgentMessage], context: Context
    ) -> AsyncIterator[agent_pb2.ApiMessage]:
        """Runs until the agent goes, another session of the node begins, or the process drains."""
        caller = require_identity(context, scope=cluster_scope(self._cluster), kinds=(NODE_KIND,))
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("body") != "hello":
            raise InvalidInput([Problem("hello", "must be the first message")])
        if first.hello.node != caller.name:
            raise Forbidden(f"{caller} speaks for its own node only, not for {first.hello.node!r}")
        facts = _facts(first.hello)
        await self._roster.caught_up()  # first, for a greeting is compared with what is known of the node
        await self._greetings.greet(caller.name, facts)
        if self._roster.node(caller.name) is None:
            raise Forbidden(f"{caller.name} is no longer a node of cluster {self._cluster}")
        session = AgentSession(caller.name)
        self._sessions.open(session, self._roster)
        self._sessions.beat(caller.name)
        listening = asyncio.create_task(self._listen(session, request_iterator))
        try:
            async for message in session.messages():
                yield message
        finally:
            listening.cancel()
            self._sessions.close(session)

    async def _listen(self, session: AgentSession, messages: AsyncIterator[agent_pb2.AgentMessage]) -> None:
        """Take in what the agent says; its end is the session's end."""
        try:
            async for message in messages:
                match message.WhichOneof("body"):
                    case "heartbeat":
                        self._sessions.beat(session.node, message.heartbeat.healthy, message.heartbeat.message)
                    case "report":
                        self._reports.put(session.node, message.report.resources)
        except Exception as error:
            self._log.debug("stream broke", node=session.node, error=repr(error))
        finally:
            self._sessions.close(session)

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
        # The root will tell more of it; until then nothing is placed there.
        resources.insert(tx, [Node(name=node, cluster=cluster, state="Unknown", state_reason="has just joined")])


def _facts(hello: agent_pb2.Hello) -> dict[str, Any]:
    """What the node has, as the agent tells it; raises InvalidInput."""
    try:
        told = json.loads(hello.capacity)
        capacity = Capacity.model_validate(told["capacity"])
        numa = [NumaCell.model_validate(cell) for cell in told.get("numa", ())]
    except ValidationError as error:
        raise InvalidInput(document.problems(error, "hello.capacity")) from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput([Problem("hello.capacity", "is not a JSON object with `capacity`")]) from error
    return {
        "capacity": capacity.model_dump(),
        "numa": [cell.model_dump(mode="json") for cell in numa],
        "providers": told.get("providers", []),
        "endpoint": hello.endpoint,
        "migration_address": hello.migration_address,
        "version": hello.version,
    }
