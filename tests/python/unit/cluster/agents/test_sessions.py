"""Gathering agents' heartbeats and greetings: what the database refuses of one costs no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import registration
from controller.cluster.agents.assignment_index import Roster
from controller.cluster.agents.registration import Greetings
from controller.cluster.agents.sessions import Sessions
from controller.errors import InvalidInput, Problem, ResourceError, Unavailable
from controller.store import processes
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER

pytestmark = pytest.mark.design("A5")

NODES = [f"node-{number}" for number in range(7)]


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    return sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)


def refuse(when: bool) -> None:
    if when:
        raise InvalidInput([Problem("", "the database refuses the value")])


async def test_a_heartbeat_whose_message_is_refused_counts_without_it(
    db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = processes.beat

    def picky(tx: Any, beats: Mapping[str, tuple[Any, bool, str]]) -> None:
        refuse(any("\0" in message for _, _, message in beats.values()))
        store(tx, beats)

    monkeypatch.setattr(processes, "beat", picky)
    sessions = Sessions(db, clock)
    for name in NODES:
        sessions.beat(name, healthy=False, message="bad \0" if name == "node-3" else "good")
    await sessions.flush()
    assert sorted(db.read(processes.beats)) == [name for name in NODES if name != "node-3"]
    await sessions.flush()
    beat = db.read(processes.beats)["node-3"]
    assert (beat.healthy, beat.message) == (False, "")


async def test_a_heartbeat_that_is_refused_altogether_is_dropped(
    db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def never(tx: Any, beats: Mapping[str, Any]) -> None:
        asked.extend(beats)
        refuse(True)

    monkeypatch.setattr(processes, "beat", never)
    sessions = Sessions(db, clock)
    sessions.beat("node-0")
    await sessions.flush()
    await sessions.flush()
    assert asked == ["node-0"]


class EmptyRoster:
    """Knows no node, so that every greeting is written."""

    def node(self, _: str) -> None:
        return None


@pytest.mark.parametrize("error", [InvalidInput([Problem("", "refused")]), Unavailable("away")])
async def test_a_greeting_that_is_refused_fails_alone(
    db: Database, monkeypatch: pytest.MonkeyPatch, error: ResourceError
) -> None:
    def picky(tx: Any, cluster: str, told: Mapping[str, Any]) -> set[str]:
        if "node-3" in told:
            raise error
        return set(told)

    monkeypatch.setattr(registration, "write", picky)
    greetings = Greetings(db, cast(Roster, EmptyRoster()), CLUSTER)
    running = asyncio.create_task(greetings.run())
    try:
        outcomes = await asyncio.gather(*(greetings.greet(name, {}) for name in NODES), return_exceptions=True)
    finally:
        running.cancel()
    failed = {name for name, outcome in zip(NODES, outcomes, strict=True) if outcome is error}
    assert failed == ({"node-3"} if isinstance(error, InvalidInput) else set(NODES))
