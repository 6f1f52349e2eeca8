"""Agents' reports, applied to their assignments: gathered, and written in one transaction.

Only the newest report of each assignment is written. A write that fails with a temporary error is
retried with the newest reports. A report that is lost with this process comes again: agents repeat
all their reports when they connect and at intervals.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import structlog

from controller.clock import Clock
from controller.errors import ResourceError, TemporaryError
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.store import resources
from controller.store.batch_writer import BatchWriter
from controller.store.database import Database, Transaction
from controller.wire.agent_pb2 import ResourceReport

_RETRY_SECONDS = 0.5
_MOST_WAITING = 200_000
"""Reports that wait while the database is away; what is dropped comes again with the agent's next full report."""


def apply_report(assignment: Assignment, report: ResourceReport) -> Assignment | None:
    """Return the assignment with the report applied; None when it changes nothing or does not count.

    A report counts only for the role that it was made under. A late one, made before the role changed,
    says nothing about the new role; the agent reports again.
    """
    if report.role != assignment.spec.role:
        return None
    observed: dict[str, Any] = {
        **_facts(report),
        "role": report.role,
        "revision": report.revision,
        "migrate_attempt": report.attempt,
    }
    if report.ready:
        observed["ready"] = True
    if report.migration:
        observed["migration"] = report.migration
    changes = {
        "status": report.status or assignment.status,
        "status_reason": report.status_reason,
        "state": report.state,
        "state_reason": report.state_reason,
        "observed": observed,
    }
    if all(getattr(assignment, name) == value for name, value in changes.items()):
        return None
    return assignment.model_copy(update=changes)


def _facts(report: ResourceReport) -> dict[str, Any]:
    if not report.observed:
        return {}
    try:
        facts = json.loads(report.observed)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def write(tx: Transaction, cluster: str, reports: Mapping[str, tuple[str, ResourceReport]]) -> int:
    """Apply reports, each ``(node, report)`` under any key; return how many assignments changed.

    A report about an assignment of another node is ignored: an agent reports on its own node only.
    """
    sent = {(node, report.assignment): report for node, report in reports.values()}
    names = dict.fromkeys(name for _, name in sent)
    rows = list(resources.get_many(tx, (ASSIGNMENT.key(cluster, name) for name in names)).values())
    changed = []
    for row in rows:
        report = sent.get((row.spec.node, row.name))
        if report is not None and (applied := apply_report(row, report)) is not None:
            changed.append(applied)
    resources.update(tx, changed)
    return len(changed)


class ReportWriter:
    """The reports that come to this process; ``run`` must be kept running."""

    def __init__(self, db: Database, clock: Clock, cluster: str, gather: float = 0.05) -> None:
        self._db = db
        self._cluster = cluster
        self._log = structlog.get_logger("reports")
        self._writer = BatchWriter(
            self._write,
            clock,
            gather=gather,
            retry=_RETRY_SECONDS,
            most=_MOST_WAITING,
            postponed=self._postponed,
            refused=self._refused,
        )

    def put(self, node: str, reports: Iterable[ResourceReport]) -> None:
        """Take reports of a node's agent; those that name no assignment need no answer."""
        for report in reports:
            if report.assignment:
                # The node is a part of the key: a report of another node's assignment replaces no report of that node.
                self._writer.add(f"{node}/{report.assignment}", (node, report))

    async def run(self) -> None:
        """Write reports until cancelled."""
        await self._writer.run()

    async def flush(self) -> None:
        """Write what has come so far."""
        await self._writer.flush()

    async def _write(self, reports: Mapping[str, tuple[str, ResourceReport]]) -> int:
        return await self._db.awrite(partial(write, cluster=self._cluster, reports=reports))

    def _postponed(self, number: int, error: TemporaryError) -> None:
        self._log.warning("reports not written yet", error=error.message, reports=number)

    def _refused(self, key: str, sent: tuple[str, ResourceReport], error: ResourceError) -> None:
        node, report = sent
        self._log.warning("report refused", assignment=report.assignment, node=node, error=error.message)
