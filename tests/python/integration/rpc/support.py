"""A small cluster API on real sockets, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.clock import SystemClock
from controller.errors import ResourceError
from controller.pki import AuthorityTree, CredentialFolder, Identity, Lifetimes, cluster_scope, server_name
from controller.rpc import RpcServer, StatusServicer, current_request_id, require_identity
from controller.wire import agent_pb2, agent_pb2_grpc, status_pb2, status_pb2_grpc

API = Identity(cluster_scope("tokyo1"), "cluster-api", "api-1")
NODE = Identity.node("tokyo1", "node-1")
API_NAME = server_name(API.scope, API.kind)


@dataclass
class Agents(agent_pb2_grpc.AgentServiceServicer):
    """Echoes heartbeats; fails plain calls as told."""

    error: Exception | None = None
    request_ids: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def Renew(self, request: agent_pb2.RenewRequest, context: Any) -> agent_pb2.CertificateReply:
        identity = require_identity(context, scope=API.scope, kinds=["node"])
        self.request_ids.append(current_request_id())
        if self.error is not None:
            raise self.error
        if request.csr == b"slow":
            await asyncio.sleep(0.5)
        return agent_pb2.CertificateReply(certificate=identity.uri.encode())

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[agent_pb2.ApiMessage]:
        require_identity(context, scope=API.scope, kinds=["node"])
        try:
            async for message in request_iterator:
                if message.heartbeat.message == "fail":
                    assert isinstance(self.error, ResourceError)
                    raise self.error
                yield agent_pb2.ApiMessage(assignments=agent_pb2.Assignments(full=True))
        finally:
            self.ended.set()


@dataclass
class Site:
    """Authorities, folders and one server."""

    path: Path
    tree: AuthorityTree
    server: RpcServer
    agents: Agents
    calls: list[tuple[str, str]]
    port: int = 0
    socket: str = ""
    open_port: int = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def folder(self, identity: Identity, ttl: timedelta | None = None) -> CredentialFolder:
        path = self.path / identity.kind / identity.name
        self.tree.issue(identity, path, ttl=ttl)
        return CredentialFolder(path)


@asynccontextmanager
async def site(path: Path, lifetimes: Lifetimes | None = None) -> AsyncIterator[Site]:
    tree = AuthorityTree(path / "pki", clock=SystemClock(), lifetimes=lifetimes or Lifetimes())
    folder = path / API.kind / API.name
    tree.issue(API, folder)
    calls: list[tuple[str, str]] = []
    server = RpcServer(CredentialFolder(folder), observe=lambda method, status, _: calls.append((method, status)))
    agents = Agents()
    status = StatusServicer(lambda: status_pb2.StatusReply(kind=API.kind, name=API.name, ready=True))
    server.add(lambda added: agent_pb2_grpc.add_AgentServiceServicer_to_server(agents, added))
    server.add(lambda added: status_pb2_grpc.add_StatusServiceServicer_to_server(status, added))
    made = Site(path, tree, server, agents, calls)
    made.port = server.listen("127.0.0.1:0")
    made.open_port = server.listen("127.0.0.1:0", client_certificate=False)
    made.socket = f"unix:{path}/api.sock"
    server.listen(made.socket)
    await server.start()
    try:
        yield made
    finally:
        await server.stop(0)
