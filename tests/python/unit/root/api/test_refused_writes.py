"""What was counted of refused writes is written once, also when the process stops while it is being written."""

from __future__ import annotations

import asyncio
import threading

import pytest

from controller.clock import VirtualClock
from controller.errors import TemporaryError, Unavailable
from controller.model import registry
from controller.model.event import AuditRecordSpec
from controller.rate_limit import ignore_limit
from controller.root.api.refused_writes import RefusedWrites
from controller.store import audit, resources
from controller.store.database import Database, Tier, Transaction
from tests.python.databases import Databases
from tests.python.eventually import eventually

REFUSAL = AuditRecordSpec(token="viewer", verb="PutRegion", resource_kind="Region", outcome="forbidden")


class Disk:
    """Holds the writer's thread until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.error: TemporaryError | None = None
        record = audit.record

        def held(tx: Transaction, asked: AuditRecordSpec) -> None:
            self.begun.set()
            assert self.goes_on.wait(60)
            if self.error is not None:
                raise self.error
            record(tx, asked)

        monkeypatch.setattr(audit, "record", held)


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    return sqlite_databases.new(Tier.ROOT, clock)


async def refused(db: Database, clock: VirtualClock, number: int) -> RefusedWrites:
    """Return refusals of which the first has a record of its own, and the others are counted."""
    made = RefusedWrites(db, clock, 0.001, 1, ignore_limit)
    for _ in range(number + 1):
        await made.record(REFUSAL)
    return made


def counts(db: Database) -> list[int]:
    kind = registry.get("AuditRecord")
    found = db.read(lambda tx: list(resources.list_all(tx, kind)))
    return sorted(one.spec.count for one in found)


@pytest.mark.parametrize("is_away", [False, True])
async def test_a_stop_while_it_is_written_loses_and_repeats_nothing(
    db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, is_away: bool
) -> None:
    """``run`` was cancelled while the database wrote: what it had counted was in nobody's hands."""
    refusals = await refused(db, clock, 7)
    disk = Disk(monkeypatch)
    running = asyncio.ensure_future(refusals.run())
    await clock.advance(61)
    await eventually(disk.begun.is_set)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    draining = asyncio.ensure_future(refusals.flush())
    await asyncio.sleep(0)
    if is_away:
        disk.error = Unavailable("the database is away")
    disk.goes_on.set()
    if is_away:
        await eventually(lambda: refusals._writing is None)
        disk.error = None
    await draining
    await refusals.flush()
    assert counts(db) == [1, 7]
