"""What ``get`` is asked for, and the order of what it shows."""

from __future__ import annotations

import pytest

from controller.cli import targets
from controller.cli.exit_codes import UsageProblem
from controller.cli.sorting import sorted_by
from controller.client import kinds


def parsed(*words: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(target.kind.name, target.names) for target in targets.parse(words)]


def test_kinds_and_names() -> None:
    assert parsed("vms") == [("Compute", ())]
    assert parsed("vm", "web-0", "web-1", "web-0") == [("Compute", ("web-0", "web-1"))]
    assert parsed("node,vm,nodes") == [("Node", ()), ("Compute", ())]
    assert parsed("vm/web-0", "rack/tokyo/a") == [("Compute", ("web-0",)), ("Rack", ("tokyo/a",))]
    assert parsed("rack", "tokyo/a") == [("Rack", ("tokyo/a",))]


@pytest.mark.parametrize("words", [("node,vm", "web-0"), ("vm/web-0", "web-1"), ("vm/",), ("nod",), ("node,",)])
def test_what_is_unclear_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageProblem):
        targets.parse(words)


def test_numbers_are_sorted_by_size_texts_by_letters_and_what_has_no_value_is_last() -> None:
    items = [{"name": name, "spec": spec} for name, spec in (("b", {"row": 10}), ("c", {}), ("a", {"row": 9}))]
    for path in ("spec.row", ".spec.row", "{.spec.row}"):
        assert [item["name"] for item in sorted_by(kinds.get("Rack"), items, path)] == ["a", "b", "c"]
    assert [item["name"] for item in sorted_by(kinds.get("Rack"), items, "name")] == ["a", "b", "c"]


def test_a_field_that_no_rack_has_set_sorts_nothing_and_one_that_does_not_exist_is_refused() -> None:
    items = [{"name": name, "spec": {}} for name in "ba"]
    assert sorted_by(kinds.get("Rack"), items, "spec.pair") == items
    with pytest.raises(UsageProblem, match="perhaps 'pair' is meant"):
        sorted_by(kinds.get("Rack"), items, "spec.pairr")


@pytest.mark.parametrize(
    ("word", "meant"), [("vmz", "vm"), ("nod", "node"), ("servce", "service"), ("VMZ", "vm"), ("recks", "racks")]
)
def test_a_mistyped_kind_is_answered_with_the_nearest_word_that_users_write(word: str, meant: str) -> None:
    with pytest.raises(UsageProblem, match=f"^KIND '{word}' is not known; perhaps '{meant}' is meant; known kinds: "):
        targets.parse([word])
