"""Housekeeping of the root's database, by the master, at an interval: change log, events, audit records."""

from __future__ import annotations

from datetime import timedelta

import structlog

from controller.clock import Clock
from controller.errors import TemporaryError
from controller.store import audit, changes, events
from controller.store.database import Database, Fence, Transaction

INTERVAL = 300.0
"""Seconds between two rounds."""
KEEP_EVENTS = 10_000
KEEP_AUDIT = timedelta(days=400)
"""A year of audit records, and some weeks for a yearly review."""


def prune(tx: Transaction, keep_changes: int) -> None:
    """Delete what is older than the limits."""
    changes.compact(tx, keep_changes)
    events.prune(tx, KEEP_EVENTS)
    audit.prune(tx, tx.now - KEEP_AUDIT)


async def keep_house(db: Database, fence: Fence, clock: Clock, keep_changes: int) -> None:
    """Prune every ``INTERVAL`` seconds until cancelled; raises StaleTerm when superseded."""
    while True:
        await clock.sleep(INTERVAL)
        try:
            await db.awrite(lambda tx: prune(tx, keep_changes), fence=fence)
        except TemporaryError as error:
            structlog.get_logger("housekeeping").info("postponed", error=error.message)
