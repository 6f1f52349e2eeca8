"""Hostile text ends in one clear InvalidInput, never in a crash."""

from __future__ import annotations

import pytest

from controller.errors import InvalidInput
from controller.model import document, text

MERGE_BOMB = (
    "a0: &a0 {"
    + ", ".join(f"k{n}: 1" for n in range(20))
    + "}\n"
    + "".join(f"a{n}: &a{n}\n  <<: [{', '.join(f'*a{n - 1}' for _ in range(20))}]\n" for n in range(1, 9))
)


@pytest.mark.parametrize(
    ("hostile", "complaint"),
    [
        pytest.param("[" * 100_000, "nested too deeply", id="json depth"),
        pytest.param("- " * 100_000, "nested too deeply", id="yaml sequence depth"),
        pytest.param("x: " + "{a: " * 100_000, "nested too deeply", id="yaml flow depth"),
        pytest.param("".join(" " * n + "a:\n" for n in range(200)), "nested too deeply", id="yaml mapping depth"),
        pytest.param(MERGE_BOMB, "merge keys bring in too much", id="merge bomb"),
        pytest.param('{"a": ' + "1" * 5000 + "}", "4300 digits", id="huge number in json"),
        pytest.param("a: " + "1" * 5000, "cannot be read", id="huge number in yaml"),
        pytest.param("a: 2001-99-99", "cannot be read", id="impossible date"),
        pytest.param("a: !!python/name:os.system", "python/name", id="python tag"),
        pytest.param('{"a": 1, "a": 2}', "'a' is given twice", id="key twice in json"),
        pytest.param("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice", id="key twice in yaml"),
        pytest.param('{"a": "x\\u0000y"}', "NUL", id="nul in json"),
        pytest.param('a: "x\\0y"', "NUL", id="nul in yaml"),
        pytest.param("a: \x01", "unacceptable character", id="control character"),
        pytest.param("a: [1", "line ", id="unclosed"),
        pytest.param("a: *nowhere", "undefined alias", id="unknown alias"),
        pytest.param("x: {[1, 2]: 3}", "unhashable", id="list as a key"),
    ],
)
def test_hostile_text_is_refused_with_its_reason(hostile: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        document.read(hostile)
    assert complaint in caught.value.message


def test_json_alone_knows_no_constants() -> None:
    with pytest.raises(InvalidInput, match="NaN is not a JSON value"):
        text.load_json("[NaN]")


def test_merge_keys_and_overrides_of_ordinary_size_work() -> None:
    read = document.read("base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n")
    assert read == [{"base": {"a": 1, "b": 2}, "mine": {"a": 1, "b": 3}}]


def test_an_escaped_backslash_before_a_zero_is_no_nul() -> None:
    assert document.read('{"a": "\\\\0"}') == [{"a": "\\0"}]
