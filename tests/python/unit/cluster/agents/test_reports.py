"""Gathering agents' reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import reports
from controller.cluster.agents.reports import ReportWriter
from controller.errors import InvalidInput, Problem
from controller.store.database import Database, Tier
from controller.wire.agent_pb2 import ResourceReport
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER


@pytest.mark.design("A5")
async def test_a_report_that_the_database_refuses_costs_no_other(
    sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    db: Database = sqlite_databases.new(Tier.CLUSTER, cluster=CLUSTER)
    written: list[str] = []

    def picky(tx: Any, cluster: str, reports: Mapping[str, Any]) -> int:
        if "u3-1" in reports:
            raise InvalidInput([Problem("", "the database refuses the value")])
        written.extend(reports)
        return len(reports)

    monkeypatch.setattr(reports, "write", picky)
    writer = ReportWriter(db, VirtualClock(), CLUSTER)
    names = [f"u{number}-1" for number in range(7)]
    writer.put("node-0", [ResourceReport(assignment=name, resource_uid=name[:2]) for name in names])
    await writer.flush()
    assert sorted(written) == [name for name in names if name != "u3-1"]
