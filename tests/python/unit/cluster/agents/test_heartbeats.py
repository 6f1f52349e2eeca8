"""Heartbeats: what the database refuses of one node costs no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents.heartbeats import Heartbeats
from controller.errors import InvalidInput, Problem
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
    heartbeats = Heartbeats(db, clock)
    for name in NODES:
        heartbeats.beat(name, healthy=False, message="bad \0" if name == "node-3" else "good")
    await heartbeats.flush()
    assert sorted(db.read(processes.beats)) == [name for name in NODES if name != "node-3"]
    await heartbeats.flush()
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
    heartbeats = Heartbeats(db, clock)
    heartbeats.beat("node-0")
    await heartbeats.flush()
    await heartbeats.flush()
    assert asked == ["node-0"]
