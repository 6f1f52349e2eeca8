"""Agents' reports on their way into the database: gathered, and written in one transaction.

The newest report of each assignment is kept, so that any number of agents cost one write about
every ``gather`` seconds. A write that fails for the moment is tried again with what is newest by
then; a report that is lost with this process comes again, for agents repeat everything when they
connect and now and then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, cast

import structlog

from controller.clock import Clock
from controller.cluster.agents.batch_write import write_apart
from controller.errors import ResourceError, TemporaryError
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.store import resources
from controller.store.database import Database, Transaction
from controller.wire.agent_pb2 import ResourceReport

_RETRY_SECONDS = 0.5


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
    """Take in reports, ``(node, report)`` by assignment; returns how many assignments changed.

    A report about an assignment of another node is passed over: an agent speaks for its own only.
    """
    rows = cast(
        list[Assignment], list(resources.get_many(tx, (ASSIGNMENT.key(cluster, name) for name in reports)).values())
    )
    changed = []
    for row in rows:
        node, report = reports[row.name]
        if row.spec.node == node and (applied := apply_report(row, report)) is not None:
            changed.append(applied)
    resources.update(tx, changed)
    return len(changed)


class ReportWriter:
    """Gathers reports; ``run`` must be kept running."""

    def __init__(self, db: Database, clock: Clock, cluster: str, gather: float = 0.05) -> None:
        self._db = db
        self._clock = clock
        self._cluster = cluster
        self._gather = gather
        self._waiting: dict[str, tuple[str, ResourceReport]] = {}
        self._some = asyncio.Event()
        self._log = structlog.get_logger("reports")

    def put(self, node: str, reports: Iterable[ResourceReport]) -> None:
        """Take reports of a node's agent; those that name no assignment need no answer."""
        for report in reports:
            if report.assignment:
                self._waiting[report.assignment] = (node, report)
        if self._waiting:
            self._some.set()

    async def run(self) -> None:
        """Write for ever; cancel to end."""
        while True:
            await self._some.wait()
            await self._clock.sleep(self._gather)
            await self.flush()

    async def flush(self) -> None:
        """Write what has come so far."""
        taken, self._waiting = self._waiting, {}
        self._some.clear()
        if not taken:
            return
        late = False
        for part, outcome in await write_apart(self._write, taken):
            if isinstance(outcome, TemporaryError):
                self._log.warning("reports not written yet", error=outcome.message, reports=len(part))
                self._waiting = {**part, **self._waiting}
                late = True
            elif isinstance(outcome, ResourceError):
                ((name, (node, _)),) = part.items()
                self._log.warning("report refused", assignment=name, node=node, error=outcome.message)
        if late:
            self._some.set()
            await self._clock.sleep(_RETRY_SECONDS)

    async def _write(self, reports: Mapping[str, tuple[str, ResourceReport]]) -> int:
        return await self._db.awrite(partial(write, cluster=self._cluster, reports=reports))
