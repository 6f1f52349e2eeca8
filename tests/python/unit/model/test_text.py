"""Hostile text ends in one clear InvalidInput, never in a crash."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from controller.errors import InvalidInput
from controller.model import document, text

MERGE_BOMB = (
    "a0: &a0 {"
    + ", ".join(f"k{n}: 1" for n in range(20))
    + "}\n"
    + "".join(f"a{n}: &a{n}\n  <<: [{', '.join(f'*a{n - 1}' for _ in range(20))}]\n" for n in range(1, 9))
)
ALIAS_BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(9))}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("hostile", "complaint"),
    [
        pytest.param("[" * 100_000, "nested too deeply", id="json depth"),
        pytest.param("- " * 100_000, "nested too deeply", id="yaml sequence depth"),
        pytest.param("x: " + "{a: " * 100_000, "nested too deeply", id="yaml flow depth"),
        pytest.param("".join(" " * n + "a:\n" for n in range(200)), "nested too deeply", id="yaml mapping depth"),
        pytest.param(MERGE_BOMB, "aliases repeat more than 100000 values", id="merge bomb"),
        pytest.param('{"a": ' + "1" * 5000 + "}", "4300 digits", id="huge number in json"),
        pytest.param("a: " + "1" * 5000, "cannot be read", id="huge number in yaml"),
        pytest.param(ALIAS_BOMB, "aliases repeat more than 100000 values", id="alias bomb"),
        pytest.param("a: &a [*a]", "*a is inside of what it repeats", id="list that holds itself"),
        pytest.param("<<: {a: 1}\n<<: {b: 1}", "line 2: '<<' is given twice", id="two merges in one mapping"),
        pytest.param("---\n" * 60_000, "more than 50000 documents", id="many documents"),
        pytest.param("%TAG !a! x:\n" * 30 + "---\na: 1", "more than 20 directives", id="many directives"),
        *(
            pytest.param(f"#{mark}" + "- " * 100_000 + "a", "nested too deeply", id=f"yaml depth after {mark!a}")
            for mark in ("\r", "\x85", "\u2028", "\u2029")
        ),
        pytest.param("\ufeff" + "- " * 100_000 + "a", "nested too deeply", id="yaml depth after a byte order mark"),
        pytest.param("---\r" * 60_000, "more than 50000 documents", id="many documents with other ends of lines"),
        pytest.param("a: 0x" + "f" * 4000, "it has too many digits", id="huge hexadecimal number"),
        pytest.param("a: .inf", "line 1: '.inf' cannot be read", id="infinity in yaml"),
        pytest.param('{"a": 1e999}', "1e999 is larger than a number may be", id="infinity in json"),
        pytest.param('{"a": NaN}', "NaN is not a JSON value", id="json with nan is not read as yaml"),
        pytest.param("a: !!int yes", "line 1: 'yes' is not int", id="wrong word for a tag"),
        pytest.param("a: !!binary aGk=", "binary", id="tag outside of the core schema"),
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


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("12:30:45", "12:30:45"),
        ("yes", "yes"),
        ("off", "off"),
        ("2024-01-01", "2024-01-01"),
        ("0b11", "0b11"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".", "."),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("!!str 010", "010"),
        ("'010'", "010"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    (read,) = text.load_yaml(f"a: {written}")
    assert read == {"a": value}
    assert type(read["a"]) is type(value)


SHAPES: dict[str, Callable[[int], str]] = {
    "key twice at the end in json": lambda n: "{" + ", ".join(f'"k{i}": 1' for i in range(n)) + ', "k0": 2}',
    "keys in yaml": lambda n: "".join(f"k{i}: 1\n" for i in range(n)) + "k0: 2\n",
    "tiny documents": lambda n: "---\na: 1\n" * n,
    "anchors and aliases": lambda n: "".join(f"- &a{i} x\n- *a{i}\n" for i in range(n)),
    "one alias many times": lambda n: "a: &a [1, 2, 3]\nb:\n" + "- *a\n" * n,
    "merges": lambda n: "a: &a {x: 1}\nb:\n" + "- {<<: *a, y: 2}\n" * n,
    "flat list": lambda n: "[" + "1, " * n + "1]",
    "lists in a list": lambda n: "[" + "[], " * n + "1]",
    "long text": lambda n: "a: |\n" + "  words of a line\n" * n,
    "escaped characters": lambda n: '"' + "\\u0041" * n + '"',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_grows_no_faster_than_the_text(shape: str) -> None:
    """Calls are counted, of Python and of C, and what memory was held at most: no clock has a part in it."""
    small, large = (_work(SHAPES[shape](n)) for n in (500, 4000))
    assert large[0] <= 8 * 1.25 * small[0] + 100, "calls"
    assert large[1] <= 8 * 1.5 * small[1] + 100_000, "bytes"


def _work(content: str) -> tuple[int, int]:
    """Calls and the peak of memory while a text is read."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    tracemalloc.start()
    sys.setprofile(count)
    try:
        with suppress(InvalidInput):
            document.read(content)
    finally:
        sys.setprofile(None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return calls, peak


def test_a_mapping_that_is_merged_before_its_own_turn_keeps_its_overrides() -> None:
    content = "- spec: {template: &t {<<: {a: 1, b: 2}, a: 3}}\n- {<<: *t, c: 1}\n"
    assert document.read(content) == [{"spec": {"template": {"a": 3, "b": 2}}}, {"a": 3, "b": 2, "c": 1}]
