"""Answers: exactly the fields that were set are sent, and what a newer cluster adds is passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from controller.errors import InvalidInput, Problem
from controller.model.fields import Change
from controller.model.registry import Key
from controller.root.api import answers, problems, render
from controller.root.writes.diff import FieldChange
from controller.root.writes.immutability_rules import conflict, invalid
from controller.root.writes.plan import Action, Plan, Step

KEY = Key("Region", "", ("kanto",))


def sent(answer: answers.Answer) -> Any:
    return json.loads(bytes(render.answer(answer).body))


def test_a_plan_sends_what_its_steps_hold() -> None:
    changed = FieldChange("spec.description", None, "East", Change.LIVE)
    refused = (invalid("spec.floor", "is required"), conflict("spec", "is in use", ["Image kanto/guest"]))
    step = Step(KEY, Action.UPDATE, None, None, (changed,), refused, (Problem("spec.rack", "does not exist"),))
    assert sent(answers.Plan.of(Plan(7, (step,)))) == {
        "as_of": 7,
        "changes": [
            {
                "kind": "Region",
                "key": "kanto",
                "action": "update",
                "diff": [{"path": "spec.description", "before": None, "after": "East", "change": "live"}],
                "refusals": [
                    {"code": InvalidInput.code, "path": "spec.floor", "message": "is required"},
                    {
                        "code": "conflict",
                        "path": "spec",
                        "message": "is in use",
                        "users": ["Image kanto/guest"],
                        "user_count": 1,
                    },
                ],
                "unresolved": [{"path": "spec.rack", "message": "does not exist"}],
                "forecast": None,
            }
        ],
    }


def test_a_forecast_sends_what_the_cluster_said() -> None:
    forecast = {"cluster": "", "placements": {}, "reasons": {"too few vcpus": 2}, "later": {"field": [1, 2.5]}}
    step = Step(KEY, Action.CREATE, forecast=forecast)
    assert sent(answers.Plan.of(Plan(1, (step,))))["changes"][0]["forecast"] == forecast


MOVES = {
    "moves": [{"resource": "default/kanto/web-0", "from": "a", "to": "b", "why": "rack", "cost": 3}],
    "blocked": [{"resource": "default/kanto/web-1", "from": "a", "reason": "full", "counts": {"full": 2}, "since": 1}],
    "message": "",
    "rounds": [[0]],
}
LOSS = {"domain": "r", "fits": 1, "nodes": 1, "moved": 0, "unplaced": 0, "staying": 0, "gpus": 1}
CAPACITY = {
    "cluster": "tokyo1",
    "nodes": 2,
    "open_nodes": 2,
    "computes": 1,
    "moving": "some",
    "dimensions": {"vcpus": {"total": 8, "free": 4.5, "held": 1}},
    "flavors": [{"name": "small", "fits": 9, "after_loss": {"rack": LOSS}, "pinned": True}],
    "gpus": 0,
}


@pytest.mark.parametrize(("model", "document"), [(answers.MovePlan, MOVES), (answers.ClusterCapacity, CAPACITY)])
def test_fields_of_a_newer_cluster_are_passed_on(model: type[answers.Answer], document: dict[str, Any]) -> None:
    body = sent(model.model_validate(document))
    assert body == document
    assert json.dumps(body, sort_keys=True) == json.dumps(document, sort_keys=True), "whole numbers stay whole"


def test_an_answer_of_the_root_has_no_other_fields() -> None:
    with pytest.raises(ValidationError):
        answers.BatchResult.model_validate({"resource_version": 1, "results": [], "more": 1})


def test_a_problem_repeats_text_that_is_not_unicode() -> None:
    error = InvalidInput([Problem("spec.\ud800", "is not text: \udfff")])
    body = bytes(problems.response(error, "id").body)
    assert json.loads(body)["errors"] == [{"path": "spec.\ud800", "message": "is not text: \udfff"}]
