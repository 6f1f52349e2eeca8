"""Audit records: who requested which write, and its outcome.

The record of a successful write is stored in the transaction of the write, so that every write has one. Records are
not in the change log. Their names rise with time, so that a list is in the order of the requests.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from controller.model.event import AUDIT_RECORD, AuditRecord, AuditRecordSpec
from controller.store import resources
from controller.store.database import Transaction
from controller.store.tables import resource as table
from controller.store.tables import to_microseconds


def record(tx: Transaction, asked: AuditRecordSpec) -> AuditRecord:
    """Record a write; without a time, it is that of the transaction."""
    spec = asked if asked.at is not None else asked.model_copy(update={"at": tx.now})
    return resources.insert(tx, [AuditRecord(name=resources.new_uid(tx), spec=spec)], log=False)[0]


def prune(tx: Transaction, before: datetime) -> int:
    """Delete the records from before that time; return how many were deleted."""
    statement = select(table.c.path).where(
        table.c.kind == AUDIT_RECORD.name, table.c.created_at < to_microseconds(before)
    )
    doomed = [AUDIT_RECORD.key(path) for path in tx.connection.execute(statement).scalars()]
    resources.delete(tx, doomed, log=False)
    return len(doomed)
