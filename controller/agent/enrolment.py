"""Gets and renews the certificate of a node, for its agent process.

The first certificate takes a join token; each later one is signed because the one before is still
valid. The private key is made here and never leaves the node. A node that was away for longer than
its certificate is valid joins again, with a new token.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grpc import aio

from controller.clock import Clock
from controller.errors import Unauthenticated, Unavailable
from controller.pki import CredentialFolder, Identity, Issued, Renewer, server_name
from controller.rpc import Channels, translated
from controller.rpc.channel import first_contact_channel
from controller.wire.agent_pb2 import CertificateReply, JoinRequest, RenewRequest
from controller.wire.agent_pb2_grpc import AgentServiceStub

RPC_TIMEOUT = 10.0


class Enrolment:
    """The certificate of one node."""

    def __init__(
        self,
        folder: CredentialFolder,
        identity: Identity,
        channels: Channels,
        *,
        api: str,
        join_api: str,
        clock: Clock,
        token: Callable[[], str],
        authority: Path | None,
    ) -> None:
        """``token`` returns the join token, empty if the node has none; ``authority``: PEM file of the trusted root."""
        self._folder = folder
        self._identity = identity
        self._channels = channels
        self._api = api
        self._join_api = join_api
        self._clock = clock
        self._token = token
        self._authority = authority
        self.server_name = server_name(identity.scope, "cluster-api")
        self.renewer = Renewer(folder, identity, self._issue, clock=clock)

    async def _issue(self, request: bytes) -> Issued:
        if self._has_valid_certificate():
            with translated(self._api):
                stub = AgentServiceStub(self._channels.get(self._api, self.server_name))
                return _issued(await stub.Renew(RenewRequest(csr=request), timeout=RPC_TIMEOUT))
        return await self._join(request)

    async def _join(self, request: bytes) -> Issued:
        token = self._token()
        if not token:
            raise Unauthenticated(
                f"{self._identity.name} has no valid certificate and no join token: "
                f"`resourcectl join-token create {self._identity.name} --cluster {self._identity.cluster}` makes one"
            )
        channel: aio.Channel = first_contact_channel(self._join_api, self.server_name, self._roots())
        try:
            with translated(self._join_api):
                join = JoinRequest(token=token, node=self._identity.name, csr=request)
                return _issued(await AgentServiceStub(channel).Join(join, timeout=RPC_TIMEOUT))
        finally:
            await channel.close(None)

    def _roots(self) -> bytes:
        if self._authority is None:
            return self._folder.roots()
        try:
            return self._authority.read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot read the trusted root {self._authority}: {error.strerror}") from error

    def _has_valid_certificate(self) -> bool:
        if not self._folder.exists():
            return False
        credentials = self._folder.load()
        return credentials.identity == self._identity and credentials.valid_until > self._clock.now()


def _issued(reply: CertificateReply) -> Issued:
    return Issued(chain=reply.certificate, roots=reply.authority)
