"""The client of a tier's ApiService, for the processes of that tier: heartbeats and the election of masters.

Design: A9, F4, H2
"""

from __future__ import annotations

from controller.process.standing import Standing
from controller.rpc import Channels, translated
from controller.wire import api_pb2
from controller.wire.api_pb2_grpc import ApiServiceStub


class ApiClient:
    """The client of a tier's ApiService, for a process of that tier."""

    def __init__(self, channels: Channels, target: str, server_name: str, *, timeout: float = 5.0) -> None:
        self._channels = channels
        self._target = target
        self._server_name = server_name
        self._timeout = timeout

    async def send_heartbeat(self, request: api_pb2.UpdateNodeRequest) -> None:
        """Call UpdateNode; a ``SendHeartbeat``."""
        with translated(self._target):
            await self._stub().UpdateNode(request, timeout=self._timeout)

    async def reassign(self, kind: str, name: str, observed_term: int) -> Standing:
        """Call ReassignRole; return the lease as the API knows it."""
        request = api_pb2.ReassignRoleRequest(kind=kind, name=name, observed_term=observed_term)
        with translated(self._target):
            reply = await self._stub().ReassignRole(request, timeout=self._timeout)
        return Standing(reply.holder, reply.term, reply.expires_in_seconds)

    def _stub(self) -> ApiServiceStub:
        return ApiServiceStub(self._channels.get(self._target, self._server_name))
