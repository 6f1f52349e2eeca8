"""Audit records: who asked for which write, and what came of it.

Written in the transaction of the write itself when it succeeds, so that no write goes unrecorded;
outside the change log. Their names rise with time, so a list is in the order of asking.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from controller.model.event import AUDIT_RECORD, AuditRecord, AuditRecordSpec
from controller.store import resources
from controller.store.database import Transaction
from controller.store.tables import resource as table
from controller.store.tables import to_microseconds


def record(
    tx: Transaction,
    *,
    token: str,
    verb: str,
    resource_kind: str = "",
    resource: str = "",
    request_id: str = "",
    outcome: str = "ok",
    project: str = "default",
) -> AuditRecord:
    """Note one write: ``verb`` is the operation id, ``outcome`` ``ok`` or the code of the error."""
    spec = AuditRecordSpec(
        at=tx.now,
        token=token,
        verb=verb,
        resource_kind=resource_kind,
        resource=resource,
        request_id=request_id,
        outcome=outcome,
    )
    asked = AuditRecord(name=resources.new_uid(tx), project=project, spec=spec)
    return resources.insert(tx, [asked], log=False)[0]


def prune(tx: Transaction, before: datetime) -> int:
    """Delete the records made before that time; returns how many went."""
    statement = select(table.c.path).where(
        table.c.kind == AUDIT_RECORD.name, table.c.created_at < to_microseconds(before)
    )
    doomed = [AUDIT_RECORD.key(path) for path in tx.connection.execute(statement).scalars()]
    resources.delete(tx, doomed, log=False)
    return len(doomed)
