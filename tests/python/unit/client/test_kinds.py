"""The client's table of kinds says what the models say."""

from __future__ import annotations

import pytest

from controller.client import kinds
from controller.errors import NotFound
from controller.model import registry
from controller.model.envelope import SERVER_SET
from scripts import kind_table

NAMES = [kind.name for kind in registry.kinds()]


def test_the_table_is_up_to_date() -> None:
    assert kind_table.FILE.read_text(encoding="utf-8") == kind_table.text(), "run `make docs`"
    assert kinds.SERVER_SET == SERVER_SET


def test_the_kinds_are_the_models_in_their_order() -> None:
    assert [kind.name for kind in kinds.kinds()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_paths_are_those_of_the_models(name: str) -> None:
    mine, theirs = kinds.get(name), registry.get(name)
    names = [f"parent-{index}" for index in range(len(theirs.parents))] + ["own"]
    assert mine.item_path == theirs.item_path
    for project in ("default", "shop"):
        key, expected = mine.key(*names, project=project), theirs.key(*names, project=project)
        assert (str(key), key.path, key.names, key.project) == (
            str(expected),
            expected.path,
            expected.names,
            expected.project,
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_is_found_by_the_same_words(name: str) -> None:
    kind = registry.get(name)
    for word in (
        name,
        name.upper(),
        kind.noun,
        kind.noun.replace("_", "-"),
        name.lower() + "s",
        kind.segment,
        *kind.aliases,
    ):
        assert kinds.find(word).name == name


def test_an_unknown_kind_is_refused_as_the_models_refuse_it() -> None:
    with pytest.raises(NotFound) as mine:
        kinds.find("shelf")
    with pytest.raises(NotFound) as theirs:
        registry.get("shelf")
    assert mine.value.message == theirs.value.message
