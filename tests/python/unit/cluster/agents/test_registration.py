"""Registrations of nodes: one that the database refuses fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import registration
from controller.cluster.agents.assignment_index import AssignmentIndex
from controller.cluster.agents.registration import NodeRegistrar
from controller.errors import InvalidInput, Problem, ResourceError, Unavailable
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER

pytestmark = pytest.mark.design("A5")

NODES = [f"node-{number}" for number in range(7)]


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    return sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)


class EmptyIndex:
    """Knows no node, so that every registration is written."""

    def node(self, _: str) -> None:
        return None


@pytest.mark.parametrize("error", [InvalidInput([Problem("", "refused")]), Unavailable("away")])
async def test_a_registration_that_is_refused_fails_alone(
    db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, error: ResourceError
) -> None:
    def picky(tx: Any, cluster: str, reported: Mapping[str, Any]) -> set[str]:
        if "node-3" in reported:
            raise error
        return set(reported)

    monkeypatch.setattr(registration, "write", picky)
    registrar = NodeRegistrar(db, cast(AssignmentIndex, EmptyIndex()), CLUSTER, clock)
    running = asyncio.create_task(registrar.run())
    try:
        outcomes = await asyncio.gather(*(registrar.register(name, {}) for name in NODES), return_exceptions=True)
    finally:
        running.cancel()
    failed = {name for name, outcome in zip(NODES, outcomes, strict=True) if outcome is error}
    assert failed == ({"node-3"} if isinstance(error, InvalidInput) else set(NODES))
