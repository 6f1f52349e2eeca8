"""Which reports are sent, and when a resource is forgotten."""

from __future__ import annotations

from controller.agent.reports import Reports
from controller.wire.agent_pb2 import ResourceReport


def test_a_report_is_sent_once_and_so_is_a_removal() -> None:
    reports = Reports()
    report = ResourceReport(resource_uid="u0", assignment="a", state="Running")
    reports.put(report)
    reports.put(ResourceReport.FromString(report.SerializeToString()))
    assert reports.take_changed() == [report]
    assert reports.take_changed() == []
    assert not reports.changed.is_set()
    assert reports.take_all() == [report]
    reports.remove("u0")
    (removal,) = reports.take_changed()
    assert (removal.state, removal.assignment) == ("Absent", "")
    assert reports.take_all() == []
    reports.remove("u0")
    assert reports.take_changed() == []
