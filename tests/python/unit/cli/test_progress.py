"""What ``up`` shows while machines start, and how ``watch`` and plans put a change on a line."""

from __future__ import annotations

import pytest

from controller.cli import progress
from controller.cli.commands import watch
from controller.cli.output import Format
from controller.cli.views import plans
from controller.lab.up import Machine


def _machine(**facts: object) -> Machine:
    common = {"name": "web-0", "node": "", "rack": "", "address": "", "status": "Initializing", "reason": ""}
    return Machine(**{**common, "wanted": True, **facts})  # type: ignore[arg-type]


def test_a_line_is_shown_only_when_a_machine_changed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = progress.Lines()
    lines.say("lab tokyo: router and 4 nodes")
    lines.machines([_machine(), _machine(name="web-1")])
    lines.machines([_machine(), _machine(name="web-1", status="Active", node="n", rack="r", address="a", answers=True)])
    assert capsys.readouterr().out.splitlines() == [
        "lab tokyo: router and 4 nodes",
        "web-0  -  -  -  Initializing",
        "web-1  -  -  -  Initializing",
        "web-1  n  r  a  Active, answers",
    ]


def test_the_reason_of_an_error_is_shown() -> None:
    assert progress.row(_machine(status="Error", reason="no node fits"))[-1] == "Error: no node fits"


CHANGE = {
    "verb": "Updated",
    "kind": "Compute",
    "key": "default/kanto/web-0",
    "resource_version": 42,
    "resource": {"status": "Error", "state": "Stopped", "status_reason": "image checksum is wrong"},
}


def test_a_change_is_one_line() -> None:
    line = watch._line(CHANGE, Format.TABLE)
    assert line.split() == [
        "42",
        "Updated",
        "Compute",
        "default/kanto/web-0",
        "Error",
        "Stopped",
        "image",
        "checksum",
        "is",
        "wrong",
    ]
    assert line.endswith("wrong\n")
    assert watch._line(CHANGE, Format.NAME) == "Compute default/kanto/web-0\n"


def _step(**facts: object) -> dict[str, object]:
    common = {"kind": "Node", "key": "tokyo1/a", "action": "update", "diff": [], "refusals": [], "unresolved": []}
    return {**common, "forecast": None, **facts}


def test_a_plan_that_is_refused_says_why_and_who_stands_in_the_way() -> None:
    refusal = {"path": "spec.sizes", "message": "is in use", "users": ["RegionService default/kanto/web"]}
    view = plans.plan({"changes": [_step(refusals=[refusal])]})
    assert view.rows == [("Node", "tokyo1/a", "update", "refused")]
    assert view.lines == (
        "    refused: spec.sizes: is in use (used by RegionService default/kanto/web)",
        "1 to update",
    )


def test_a_forecast_that_is_unknown_says_why() -> None:
    view = plans.differences({"changes": [_step(forecast={"unknown": "the clusters did not answer in time"})]})
    assert "    forecast: unknown, the clusters did not answer in time" in view.lines


def test_reasons_against_nodes_are_counted_in_a_forecast() -> None:
    forecast = {"cluster": "", "placements": {}, "reasons": {"is cordoned": 2}}
    view = plans.differences({"changes": [_step(forecast=forecast)]})
    assert "    forecast: 2 x is cordoned" in view.lines


def test_nothing_differs() -> None:
    answer = {"changes": [_step(action="unchanged")]}
    assert plans.differences(answer).lines == []
    assert not plans.differs(answer)
    assert plans.differs({"changes": [_step()]})


def test_the_secret_of_a_new_token_is_shown_once() -> None:
    result = {"kind": "Token", "key": "ci", "action": "create", "status": "Active", "secret": "rs_x"}
    view = plans.results([result])
    assert view.rows == [("Token", "ci", "created", "Active")]
    assert view.lines == ("secret of Token ci: rs_x", "1 created")


@pytest.mark.parametrize("form", [Format.TABLE, Format.JSON, Format.NAME])
def test_a_change_is_one_line_that_does_not_act_on_the_terminal(form: Format) -> None:
    hostile = "a\x1b[2J\x9b\u202eb\nforged"
    line = watch._line({**CHANGE, "key": hostile, "resource": {"status": hostile, "status_reason": hostile}}, form)
    assert line.removesuffix("\n").isprintable()


def test_a_machines_reason_does_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress.Lines().machines([_machine(status="Error", reason="no \x1b[2J\nroom")])
    assert capsys.readouterr().out == "web-0  -  -  -  Error: no \\x1b[2J\\nroom\n"
