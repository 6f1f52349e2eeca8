"""The database is unreachable at the wrong moment: a reader of the change log begins again, and ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.cluster.reconcile.cluster_controller import ClusterController
from controller.errors import Unavailable
from controller.store import resources
from controller.store.changes import Feed
from controller.store.database import Database, Fence, Tier
from tests.python.databases import Databases
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, node

pytestmark = pytest.mark.design("A5", "H2")


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Has node-0; its first read fails."""
    made = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    made.write(lambda tx: resources.insert(tx, [node("node-0", "rack-0")]))
    read = made.aread
    away = [Unavailable("the database is away")]

    async def first_fails(work: Callable[..., Any]) -> Any:
        if away:
            raise away.pop()
        return await read(work)

    monkeypatch.setattr(made, "aread", first_fails)
    return made


async def goes_on(task: asyncio.Task[None], clock: VirtualClock, done: Callable[[], bool]) -> None:
    try:
        await clock.advance(1.0)
        await eventually(lambda: done() or task.done())
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_index_continues_after_the_database_was_away(db: Database, clock: VirtualClock) -> None:
    index = AssignmentIndex(db, Feed(db, clock), clock, CLUSTER)
    await goes_on(asyncio.create_task(index.run()), clock, lambda: index.node("node-0") is not None)


async def test_the_controller_continues_after_the_database_was_away(db: Database, clock: VirtualClock) -> None:
    controller = ClusterController(db, Feed(db, clock), Fence("cluster-controller", 1), cluster=CLUSTER, clock=clock)
    await goes_on(asyncio.create_task(controller._follow()), clock, lambda: "node-0" in controller._nodes)
