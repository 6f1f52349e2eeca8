"""Why a node was chosen, in words: one case for each kind of score that placement tells."""

from __future__ import annotations

from typing import Any

import pytest

from controller.cli.views import forecasts

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


CHANGE = {"before": 2097152.0, "after": 1000001.0, "total": 1310720000}


def test_free_capacity_is_told_in_full_however_large_the_cluster_is() -> None:
    *_, header, row = forecasts.long({"cluster": "tokyo1", "capacity": {"memory_mib": CHANGE}})
    assert header.split() == ["FREE", "BEFORE", "AFTER", "OF", "CHANGE"]
    assert row.split() == ["memory_mib", "2097152", "1000001", "1310720000", "-1097151"]


def test_in_short_each_refusal_is_told_once_and_by_whom() -> None:
    why = "8 nodes: 8 rack already used"
    bound = {"cluster": "tokyo1", "refused": {why: 1}, "reasons": {"rack already used": 8}}
    assert forecasts.short(bound) == ["forecast: cluster tokyo1", f"forecast: 1 would fit nowhere: {why}"]
    new = {"cluster": "", "refused": {why: 1}, "reasons": {"rack already used": 8}, "refused_by": {"tokyo1": why}}
    assert forecasts.short(new) == [
        "forecast: no cluster would take it",
        f"forecast: cluster tokyo1 would not take it: {why}",
    ]
