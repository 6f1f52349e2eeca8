"""What agents say of their nodes when a session begins, written for many at once.

After a restart of the API all agents come back together: their greetings share transactions, and
one that says nothing new is not written at all. One that the database refuses fails alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from controller.cluster.agents.assignment_index import Roster
from controller.cluster.agents.batch_write import write_apart
from controller.errors import Forbidden, ResourceError
from controller.model.node import NODE, Capacity, Node, NumaCell
from controller.store import capacity, resources
from controller.store.database import Database, Transaction


def write(tx: Transaction, cluster: str, told: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Write what agents report of their nodes at the start of a session; return the names of those that exist.

    Facts: capacity {vcpus, memory_mib, disk_gib}, numa, providers, endpoint, migration_address,
    version.
    """
    rows = cast(list[Node], list(resources.get_many(tx, (NODE.key(cluster, name) for name in told)).values()))
    changed = []
    for node in rows:
        facts = told[node.name]
        cells = [NumaCell.model_validate(cell) for cell in facts.get("numa", ())]
        total = Capacity.model_validate(facts["capacity"])
        capacity.set_total(tx, node.name, total, {cell.cell: cell.capacity for cell in cells})
        observed = {**node.observed, **facts}
        if observed != node.observed:
            changed.append(node.model_copy(update={"observed": observed}))
    resources.update(tx, changed)
    return {node.name for node in rows}


class Greetings:
    """Takes greetings; ``run`` must be kept running."""

    def __init__(self, db: Database, roster: Roster, cluster: str) -> None:
        self._db = db
        self._roster = roster
        self._cluster = cluster
        self._waiting: dict[str, tuple[Mapping[str, Any], list[asyncio.Future[bool]]]] = {}
        self._some = asyncio.Event()

    async def greet(self, node: str, facts: Mapping[str, Any]) -> None:
        """Note what the node's agent says; see ``write``. Raises Forbidden for an unknown node."""
        known = self._roster.node(node)
        if known is not None and all(known.observed.get(name) == value for name, value in facts.items()):
            return
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        _, others = self._waiting.get(node, ({}, []))
        self._waiting[node] = (facts, [*others, done])
        self._some.set()
        if not await done:
            raise Forbidden(f"{node} is no node of cluster {self._cluster}")

    async def run(self) -> None:
        """Write for ever; cancel to end."""
        while True:
            await self._some.wait()
            self._some.clear()
            waiting, self._waiting = self._waiting, {}
            told = {node: facts for node, (facts, _) in waiting.items()}
            for part, outcome in await write_apart(self._write, told):
                for node in part:
                    _, futures = waiting[node]
                    _settle(futures, outcome if isinstance(outcome, ResourceError) else node in outcome)

    async def _write(self, told: Mapping[str, Mapping[str, Any]]) -> set[str]:
        return await self._db.awrite(partial(write, cluster=self._cluster, told=told))


def _settle(futures: list[asyncio.Future[bool]], outcome: bool | ResourceError) -> None:
    for future in futures:
        if future.done():
            continue  # the agent went away meanwhile
        if isinstance(outcome, ResourceError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
