"""Gathering agents' reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import reports
from controller.cluster.agents.reports import ReportWriter
from controller.errors import InvalidInput, Problem
from controller.model.assignment import ASSIGNMENT
from controller.store import resources
from controller.store.database import Database, Tier
from controller.wire.agent_pb2 import ResourceReport
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER
from tests.python.unit.cluster.agents.test_report_application import assignment


@pytest.mark.design("A5")
async def test_a_report_that_the_database_refuses_costs_no_other(
    sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    db: Database = sqlite_databases.new(Tier.CLUSTER, cluster=CLUSTER)
    written: list[str] = []

    def picky(tx: Any, cluster: str, reports: Mapping[str, Any]) -> int:
        named = [report.assignment for _, report in reports.values()]
        if "u3-1" in named:
            raise InvalidInput([Problem("", "the database refuses the value")])
        written.extend(named)
        return len(reports)

    monkeypatch.setattr(reports, "write", picky)
    writer = ReportWriter(db, VirtualClock(), CLUSTER)
    names = [f"u{number}-1" for number in range(7)]
    writer.put("node-0", [ResourceReport(assignment=name, resource_uid=name[:2]) for name in names])
    await writer.flush()
    assert sorted(written) == [name for name in names if name != "u3-1"]


async def test_a_report_of_another_nodes_assignment_replaces_no_report(sqlite_databases: Databases) -> None:
    """An agent that names an assignment of another node could else keep that node's reports from being written."""
    db: Database = sqlite_databases.new(Tier.CLUSTER, cluster=CLUSTER)
    made = assignment()
    db.write(lambda tx: resources.insert(tx, [made]))
    writer = ReportWriter(db, VirtualClock(), CLUSTER)

    def report(state: str) -> ResourceReport:
        uid, revision = made.spec.resource_uid, made.spec.revision
        return ResourceReport(
            assignment=made.name, resource_uid=uid, role="Owner", revision=revision, status="Active", state=state
        )

    writer.put("n1", [report("Running")])
    writer.put("n2", [report("Stopped")])
    await writer.flush()
    assert db.read(lambda tx: resources.get(tx, ASSIGNMENT.key(CLUSTER, made.name))).state == "Running"
