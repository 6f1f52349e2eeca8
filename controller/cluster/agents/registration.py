"""Registers nodes: writes the facts that agents report when a session begins, many in one transaction.

After a restart of the API all agents connect at the same time. Their registrations share
transactions, and one without new facts is not written at all. One that the database refuses fails
alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from controller.clock import Clock
from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.errors import Forbidden
from controller.model.node import NODE, Capacity, NumaCell
from controller.store import capacity, resources
from controller.store.batch_writer import BatchWriter
from controller.store.database import Database, Transaction


def write(tx: Transaction, cluster: str, reported: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Write what agents report of their nodes at the start of a session; return the names of those that exist.

    Facts: capacity {vcpus, memory_mib, disk_gib}, numa, providers, endpoint, migration_address,
    version.
    """
    rows = list(resources.get_many(tx, (NODE.key(cluster, name) for name in reported)).values())
    changed = []
    for node in rows:
        facts = reported[node.name]
        cells = [NumaCell.model_validate(cell) for cell in facts.get("numa", ())]
        total = Capacity.model_validate(facts["capacity"])
        capacity.set_total(tx, node.name, total, {cell.cell: cell.capacity for cell in cells})
        observed = {**node.observed, **facts}
        if observed != node.observed:
            changed.append(node.model_copy(update={"observed": observed}))
    resources.update(tx, changed)
    return {node.name for node in rows}


class NodeRegistrar:
    """Registers nodes; ``run`` must be kept running."""

    def __init__(self, db: Database, index: AssignmentIndex, cluster: str, clock: Clock) -> None:
        self._db = db
        self._index = index
        self._cluster = cluster
        self._writer = BatchWriter(self._write, clock)

    async def register(self, node: str, facts: Mapping[str, Any]) -> None:
        """Write the facts of a node, see ``write``. Raises Forbidden for a node that does not exist."""
        known = self._index.node(node)
        if known is not None and all(known.observed.get(name) == value for name, value in facts.items()):
            return
        if node not in await self._writer.add_and_wait(node, facts):
            raise Forbidden(f"{node} is not a node of cluster {self._cluster}")

    async def run(self) -> None:
        """Write registrations until cancelled."""
        await self._writer.run()

    async def _write(self, reported: Mapping[str, Mapping[str, Any]]) -> set[str]:
        return await self._db.awrite(partial(write, cluster=self._cluster, reported=reported))
