"""Serves the StatusService of every process.

Design: A9, F4
"""

from __future__ import annotations

from collections.abc import Callable

from controller.rpc.identity import Context, peer_identity
from controller.wire import status_pb2, status_pb2_grpc

Report = Callable[[], status_pb2.StatusReply]


class StatusServicer(status_pb2_grpc.StatusServiceServicer):
    """Replies with the current result of ``report`` to every caller with a certificate of ours."""

    def __init__(self, report: Report) -> None:
        self._report = report

    async def Status(self, request: status_pb2.StatusRequest, context: Context) -> status_pb2.StatusReply:
        peer_identity(context)
        return self._report()
