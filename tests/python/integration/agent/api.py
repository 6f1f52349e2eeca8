"""A cluster API played by the test, on real sockets with mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.clock import SystemClock
from controller.errors import Unauthenticated
from controller.pki import AuthorityTree, CredentialFolder, Identity, cluster_scope
from controller.rpc import RpcServer, require_identity
from controller.wire.agent_pb2 import (
    AgentMessage,
    ApiMessage,
    AssignmentItem,
    Assignments,
    CertificateReply,
    JoinRequest,
    RenewRequest,
    ResourceReport,
)
from controller.wire.agent_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server

SCOPE = cluster_scope("tokyo1")
API = Identity(SCOPE, "cluster-api", "api-1")


@dataclass
class PlayedApi(AgentServiceServicer):
    """Keeps what agents say, and hands out what the test assigns."""

    tree: AuthorityTree
    tokens: set[str] = field(default_factory=set)
    ttl: timedelta = timedelta(hours=1)
    assigned: dict[str, list[AssignmentItem]] = field(default_factory=dict)
    sent: dict[str, list[AgentMessage]] = field(default_factory=dict)
    sessions: dict[str, asyncio.Queue[ApiMessage | None]] = field(default_factory=dict)
    joins: int = 0
    renewals: int = 0
    version: int = 0

    async def Join(self, request: JoinRequest, context: Any) -> CertificateReply:
        if request.token not in self.tokens:
            raise Unauthenticated("unknown join token")
        self.tokens.discard(request.token)
        self.joins += 1
        return self._sign(request.csr, Identity.node("tokyo1", request.node))

    async def Renew(self, request: RenewRequest, context: Any) -> CertificateReply:
        identity = require_identity(context, scope=SCOPE, kinds=["node"])
        self.renewals += 1
        return self._sign(request.csr, identity)

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[ApiMessage]:
        identity = require_identity(context, scope=SCOPE, kinds=["node"])
        outgoing: asyncio.Queue[ApiMessage | None] = asyncio.Queue()
        self.sessions[identity.name] = outgoing
        reading = asyncio.create_task(self._read(identity.name, request_iterator))
        try:
            yield self._message(self.assigned.get(identity.name, []), full=True)
            while (message := await outgoing.get()) is not None:
                yield message
        finally:
            reading.cancel()

    def assign(self, node: str, *items: AssignmentItem) -> None:
        """Replace the node's assignments and send them."""
        self.assigned[node] = list(items)
        if node in self.sessions:
            self.sessions[node].put_nowait(self._message(items, full=True))

    def end_session(self, node: str) -> None:
        """Hang up."""
        self.sessions[node].put_nowait(None)

    def messages(self, node: str, kind: str) -> list[Any]:
        """Return the messages of one kind that the node sent."""
        return [getattr(one, kind) for one in self.sent.get(node, []) if one.WhichOneof("body") == kind]

    def state(self, node: str) -> dict[str, ResourceReport]:
        """The node's resources, as a controller that reads its reports sees them."""
        state: dict[str, ResourceReport] = {}
        for report in self.messages(node, "report"):
            if report.full:
                state = {}
            state.update({one.resource_uid: one for one in report.resources})
        return state

    def resource(self, node: str, uid: str) -> ResourceReport:
        """The newest report of a resource on a node; an empty one before the first."""
        return self.state(node).get(uid) or ResourceReport()

    def active(self, node: str) -> int:
        """How many resources of the node are Active."""
        return sum(one.status == "Active" for one in self.state(node).values())

    def _message(self, items: Any, *, full: bool) -> ApiMessage:
        self.version += 1
        return ApiMessage(assignments=Assignments(full=full, version=self.version, items=items))

    def _sign(self, csr: bytes, identity: Identity) -> CertificateReply:
        issued = self.tree.scope(SCOPE).sign(csr, identity, clock=SystemClock(), ttl=self.ttl)
        return CertificateReply(certificate=issued.chain, authority=issued.roots)

    async def _read(self, node: str, messages: Any) -> None:
        async for message in messages:
            self.sent.setdefault(node, []).append(message)


@dataclass
class Site:
    """The played API with its addresses."""

    path: Path
    api: PlayedApi
    target: str
    join_target: str
    root: Path

    def node_folder(self, node: str) -> CredentialFolder:
        """Credentials of a node, made on the spot."""
        path = self.path / "nodes" / node
        self.api.tree.issue(Identity.node("tokyo1", node), path)
        return CredentialFolder(path)


@asynccontextmanager
async def serve(path: Path, api: PlayedApi | None = None, port: int = 0) -> AsyncIterator[Site]:
    """Serve; a second time on the same path and port it is a restarted API."""
    tree = AuthorityTree(path / "pki", clock=SystemClock())
    folder = path / "api"
    tree.issue(API, folder)
    api = api or PlayedApi(tree)
    server = RpcServer(CredentialFolder(folder))
    server.add(lambda added: add_AgentServiceServicer_to_server(api, added))
    bound = server.listen(f"127.0.0.1:{port}")
    join = server.listen("127.0.0.1:0", client_certificate=False)
    await server.start()
    try:
        root = path / "pki" / "root" / "bundle.pem"
        yield Site(path, api, f"127.0.0.1:{bound}", f"127.0.0.1:{join}", root)
    finally:
        await server.stop(0)
