"""What a node keeps aside is in its row as it was reported last, with its whole size."""

from __future__ import annotations

from controller.clock import VirtualClock
from controller.cluster.agents import quarantine_reports
from controller.model.node import NODE, Node
from controller.store import resources
from controller.store.database import Database, Tier
from controller.wire.agent_pb2 import QuarantinedDisks, Report
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, node

DISKS = QuarantinedDisks(key="u0.1", uid="u0", name="web-0", at="2026-01-01T00:00:00+00:00", size_bytes=7)


def told(db: Database, report: Report) -> Node:
    facts = quarantine_reports.facts_of(report)
    db.write(lambda tx: quarantine_reports.write(tx, CLUSTER, "n1", facts))
    row = db.read(lambda tx: resources.get(tx, NODE.key(CLUSTER, "n1")))
    assert not quarantine_reports.differs(row, facts)
    return row


def test_the_row_follows_the_reports(sqlite_databases: Databases, clock: VirtualClock) -> None:
    db = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    db.write(lambda tx: resources.insert(tx, [node("n1", "r1")]))
    many = told(db, Report(full=True, quarantine=[DISKS], quarantine_bytes=300))
    assert ([each.key for each in many.facts.quarantine], many.facts.quarantine_bytes) == (["u0.1"], 300)
    older = told(db, Report(full=True, quarantine=[DISKS]))
    assert older.facts.quarantine_bytes == 7, "an older agent sends no sum"
    assert "quarantine" not in told(db, Report(full=True)).observed
