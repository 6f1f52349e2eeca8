"""What grows without end is cut by the master, now and then: change log, events, audit records."""

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
"""A year of audit records, and what a yearly review needs to look back on."""


def cut(tx: Transaction, keep_changes: int) -> None:
    """One round."""
    changes.compact(tx, keep_changes)
    events.prune(tx, KEEP_EVENTS)
    audit.prune(tx, tx.now - KEEP_AUDIT)


async def keep_house(db: Database, fence: Fence, clock: Clock, keep_changes: int) -> None:
    """A round every ``INTERVAL`` seconds until cancelled; raises StaleTerm when superseded."""
    while True:
        await clock.sleep(INTERVAL)
        try:
            await db.awrite(lambda tx: cut(tx, keep_changes), fence=fence)
        except TemporaryError as error:
            structlog.get_logger("housekeeping").info("put off", error=error.message)
