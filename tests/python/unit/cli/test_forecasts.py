"""Why a node was chosen, in words: one case for each kind of score that placement tells."""

from __future__ import annotations

from typing import Any

import pytest

from controller.cli import forecasts

pytestmark = pytest.mark.design("J8")

RULE = {"rule": "rack AntiAffinity hard", "domain": "r1", "already_there": 0, "fewest": 0, "most": 2}
NO_DOMAIN = {"rule": "power spread", "domain": None, "already_there": 1, "fewest": 1, "most": 3}
BEST_FIT = {
    "rule": "best fit",
    "domain": "n1",
    "usable_percent": 87.25,
    "stranded_percent": 1.5,
    "cost": 0.25,
    "least": 0.25,
    "most": 1.0,
}
SECOND_LOOK = {"rule": "second look", "domain": "n1", "instead_of": "n2"}
FIRST_CHOICE_NONE = {"rule": "second look", "domain": "n1", "instead_of": None}


def why(*scores: dict[str, Any]) -> list[str]:
    """The lines that show web-0 on n1."""
    return forecasts.long({"cluster": "tokyo1", "placements": {"web-0": "n1"}, "why": {"web-0": scores}})


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (RULE, "rack AntiAffinity hard r1 (0 there, of 0 to 2)"),
        (NO_DOMAIN, "power spread - (1 there, of 1 to 3)"),
        (BEST_FIT, "best fit n1 (87.25 % usable, cost 0.25, of 0.25 to 1)"),
        (SECOND_LOOK, "second look n1 instead of n2"),
        (FIRST_CHOICE_NONE, "second look n1"),
    ],
    ids=["rule", "rule without a domain", "best fit", "second look", "second look without a first choice"],
)
def test_each_kind_of_score_in_words(score: dict[str, Any], words: str) -> None:
    _, header, row = why(score)
    assert header.split() == ["COMPUTE", "NODE", "WHY"]
    assert row == f"web-0    n1    {words}"


def test_scores_stand_in_the_order_in_which_they_decided() -> None:
    assert why(SECOND_LOOK, RULE, BEST_FIT)[-1].endswith(
        "second look n1 instead of n2; rack AntiAffinity hard r1 (0 there, of 0 to 2); "
        "best fit n1 (87.25 % usable, cost 0.25, of 0.25 to 1)"
    )


def test_a_placement_without_scores_shows_a_dash() -> None:
    assert why()[-1].split() == ["web-0", "n1", "-"]
