"""Label filters as users write them."""

from __future__ import annotations

import pytest

from controller.errors import InvalidInput
from controller.store.selectors import LabelFilter, LabelOperator, parse_labels

pytestmark = pytest.mark.design("F2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("env=lab", [LabelFilter("env", LabelOperator.IN, ("lab",))]),
        ("env == lab", [LabelFilter("env", LabelOperator.IN, ("lab",))]),
        ("env=", [LabelFilter("env", LabelOperator.IN, ("",))]),
        ("env!=lab", [LabelFilter("env", LabelOperator.NOT_IN, ("lab",))]),
        ("env in (a, b)", [LabelFilter("env", LabelOperator.IN, ("a", "b"))]),
        ("env notin (a)", [LabelFilter("env", LabelOperator.NOT_IN, ("a",))]),
        ("example.com/tier", [LabelFilter("example.com/tier", LabelOperator.EXISTS)]),
        ("!env", [LabelFilter("env", LabelOperator.MISSING)]),
        (
            "env in (a,b), !old",
            [LabelFilter("env", LabelOperator.IN, ("a", "b")), LabelFilter("old", LabelOperator.MISSING)],
        ),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, expected: list[LabelFilter]) -> None:
    assert parse_labels(text) == expected


@pytest.mark.parametrize("text", ["a b", "=x", "a in lab", "a in (x y)", "a='x'", "in (a)", "a=b=c", "!a=b", "a in ("])
def test_a_bad_filter_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a label filter"):
        parse_labels(text)
