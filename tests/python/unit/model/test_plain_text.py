"""Texts of documents have no characters that end or forge lines, names or commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from controller.errors import InvalidInput
from controller.model import document, plain_text, registry
from controller.model.envelope import SERVER_SET
from controller.model.fields import facts

KINDS = sorted(registry.kinds(), key=lambda kind: kind.name)
BAD = ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\x9b", "\ud800", "\u2028"]
UNSEEN = ["\u202e", "\u2066", "\u200b", "\u200d", "\ufeff"]


def texts(model: type[BaseModel], step: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The path of every field that users write and that may hold a text, and whether it has several lines."""
    for name, info in model.model_fields.items():
        if (not step and name in SERVER_SET) or len(step) > 6:
            continue
        inner = [each for each in _parts(info.annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
        for each in inner:
            yield from texts(each, (*step, name))
        if not inner and str in _parts(info.annotation):
            yield (*step, name), bool(facts(info).get("x-lines"))


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def refused(kind: str, path: tuple[str, ...], value: object) -> list[str]:
    raw: Any = value
    for name in reversed(path):
        raw = {name: raw}
    with pytest.raises(InvalidInput) as caught:
        document.parse({**raw, "kind": kind} if path != ("kind",) else raw)
    return [str(problem) for problem in caught.value.problems if str(problem).startswith(".".join(path))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_text_of_any_kind_takes_a_control_character(kind: Any) -> None:
    paths = [(path, lines) for path, lines in texts(kind.model) if path != ("kind",)]
    assert paths
    for path, lines in paths:
        for bad in BAD if lines else [*BAD, *UNSEEN, "\n", "\t", "\r"]:
            found = refused(kind.name, path, f"a{bad}b")
            assert found, (path, bad)
        assert refused(kind.name, path, ["a", "\x1b"]), path
        assert refused(kind.name, path, {"key": "\x1b"}), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_text_is_looked_at(kind: Any) -> None:
    """Also those that a pattern refuses anyway."""
    for path, _ in texts(kind.model):
        raw: Any = "a\x1bb"
        for name in reversed(path):
            raw = {name: raw}
        assert [problem.path for problem in plain_text.problems(raw)] == [".".join(path)]


def test_a_name_of_a_field_has_several_lines_in_every_kind_or_in_none() -> None:
    flagged = plain_text.fields_with_lines()
    assert flagged == {"description", "user_data"}
    for kind in KINDS:
        for path, lines in texts(kind.model):
            assert lines == (path[-1] in flagged), (kind.name, path)


def test_texts_of_several_lines_keep_their_lines_tabs_and_languages() -> None:
    assert (
        plain_text.unsafe("#cloud-config\r\nrun:\n\t- \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\n", lines=True)
        == ""
    )
    assert plain_text.unsafe("a\rb", lines=True) == "U+000D (a control character)"


def test_keys_are_texts_too() -> None:
    with pytest.raises(InvalidInput, match="whose name contains"):
        document.parse({"kind": "Rack", "name": "r", "labels": {"a\x1b": "b"}})


def test_what_was_stored_before_stays_readable() -> None:
    stored = {"kind": "Datacenter", "name": "tokyo", "spec": {"description": "a\x07b"}}
    assert document.parse(stored, stored=True).name == "tokyo"


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _all_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _all_texts(inner)


_TEXT = st.text(st.sampled_from([*BAD, *UNSEEN, "\n", "\t", '"', "\\", "a", "\u6771"]), max_size=4)
_VALUE = st.recursive(
    _TEXT | st.integers() | st.floats() | st.none() | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(_VALUE)
def test_the_short_way_finds_every_character_that_the_long_way_finds(value: Any) -> None:
    assert bool(list(plain_text.problems(value))) == any(
        plain_text.unsafe(one, lines=False) for one in _all_texts(value)
    )
