"""How a process describes itself: the parts that are not ready, its role and term, where it answers.

The heartbeat to the API and the answer of gRPC Status are made of it, so that both say the same.

Design: A9, H2
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version

from controller.model.service_process import ProcessKind, ProcessRole
from controller.wire import api_pb2, status_pb2

VERSION = version("resource-service")


class SelfDescription:
    """The state of one process, as others see it."""

    def __init__(self, kind: ProcessKind, name: str, cluster: str | None, endpoint: str) -> None:
        self.endpoint = endpoint
        """Where others reach the gRPC server."""
        self.role = ProcessRole.NONE
        self.term = 0
        self._kind = kind
        self._name = name
        self._cluster = cluster or ""
        self._begin = time.monotonic()
        self._not_ready: dict[str, str] = {}

    @property
    def not_ready_parts(self) -> Mapping[str, str]:
        """Return the parts that are not ready, each with the reason; ready is who has none."""
        return self._not_ready

    def not_ready(self, part: str, why: str) -> None:
        """Mark a part as not ready, with the reason."""
        self._not_ready[part] = why

    def ready(self, part: str) -> bool:
        """Mark a part as ready; return whether it was not."""
        return self._not_ready.pop(part, None) is not None

    def heartbeat(self) -> api_pb2.UpdateNodeRequest:
        """Return what a heartbeat reports."""
        return api_pb2.UpdateNodeRequest(
            kind=self._kind.value,
            name=self._name,
            endpoint=self.endpoint,
            role=self.role.value,
            term=self.term,
            version=VERSION,
            ready=not self._not_ready,
            message=self._reasons(),
        )

    def status(self) -> status_pb2.StatusReply:
        """Return the answer of gRPC Status."""
        return status_pb2.StatusReply(
            kind=self._kind.value,
            name=self._name,
            cluster=self._cluster,
            role=self.role.value,
            term=self.term,
            version=VERSION,
            ready=not self._not_ready,
            message=self._reasons(),
            uptime_seconds=time.monotonic() - self._begin,
        )

    def _reasons(self) -> str:
        return "; ".join(f"{part}: {why}" for part, why in self._not_ready.items())
