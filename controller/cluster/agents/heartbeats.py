"""Heartbeats of nodes: one row per node has the time of its last heartbeat, and whether it is healthy.

``Heartbeats`` writes the rows, about once a second for all nodes together. The cluster controller
reads them and makes a node Up, Unknown or Down from the age of its row, see
``reconcile/node_state``.

The row's time is the time of the write, not of the message: the clock of one node or API process
does not decide over a node's state.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from controller.clock import Clock
from controller.errors import ResourceError, TemporaryError
from controller.store import processes
from controller.store.batch_writer import BatchWriter
from controller.store.database import Database, Transaction

_FLUSH_SECONDS = 1.0


class Heartbeats:
    """The heartbeats that come to this process; ``run`` must be kept running."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._log = structlog.get_logger("sessions")
        self._writer = BatchWriter(
            self._write, clock, gather=_FLUSH_SECONDS, postponed=self._postponed, refused=self._refused
        )

    def beat(self, node: str, healthy: bool = True, message: str = "") -> None:
        """Take the heartbeat of a node; ``message`` is the reason why it is not healthy."""
        self._writer.add(node, (healthy, message))

    def stop(self) -> None:
        """Let ``run`` write what is there and end."""
        self._writer.stop()

    async def run(self) -> None:
        """Write heartbeats until stopped or cancelled."""
        await self._writer.run()

    async def flush(self) -> None:
        """Write the heartbeats that came since the last write, as of now."""
        await self._writer.flush()

    async def _write(self, beats: Mapping[str, tuple[bool, str]]) -> None:
        def write(tx: Transaction) -> None:
            processes.beat(tx, {node: (tx.now, healthy, message) for node, (healthy, message) in beats.items()})

        await self._db.awrite(write)

    def _postponed(self, number: int, error: TemporaryError) -> None:
        self._log.warning("heartbeats not written", error=error.message, nodes=number)

    def _refused(self, node: str, beat: tuple[bool, str], error: ResourceError) -> tuple[bool, str] | None:
        healthy, message = beat
        self._log.warning("heartbeat refused", node=node, error=error.message)
        # Only the message can be at fault. Without it the heartbeat still counts.
        return (healthy, "") if message else None
