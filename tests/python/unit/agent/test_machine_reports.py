"""What a report of a Compute contains."""

from __future__ import annotations

import pytest

from controller.agent.assignments import Assigned
from controller.agent.machine_decisions import Decision, Step
from controller.agent.machine_reports import machine_report
from controller.model.envelope import Status
from tests.python.unit.agent.bench import item


@pytest.mark.parametrize("acting", [Step.REMOVE, Step.WAIT])
def test_absent_under_leaving_is_reported_only_when_nothing_is_left_to_do(acting: Step) -> None:
    leaving = Assigned(item("u0", role="Leaving"))
    reported = [
        machine_report("u0", leaving, None, Decision(one, Status.DELETING_SCHEDULED)).state
        for one in (acting, Step.NOTHING)
    ]
    assert reported == ["Stopped", "Absent"]
