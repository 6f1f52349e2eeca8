"""Keys and values of labels: the lengths of Kubernetes, and null is none."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from controller.errors import InvalidInput
from controller.model import document
from controller.model.moments import STORED
from controller.model.names import LabelKey, Labels
from controller.model.region_service import REGION_SERVICE
from controller.model.schedule_policy import RuleMode
from controller.store.selectors import parse_labels
from inventory_sync.mapping import Label

PREFIX = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
LONGEST = f"{PREFIX}/{'N' * 63}"


def read(labels: dict[str, Any]) -> dict[str, str]:
    return document.parse({"kind": "Project", "name": "shop", "labels": labels, "spec": {}}).labels


def test_the_longest_key_and_value_are_taken_by_every_face() -> None:
    assert len(PREFIX) == 253
    assert read({LONGEST: "v" * 63}) == {LONGEST: "v" * 63}
    for text in (f"{LONGEST}={'v' * 63}", LONGEST, f"!{LONGEST}", f"{LONGEST} in (a,b)"):
        assert parse_labels(text)[0].key == LONGEST
    assert TypeAdapter(Label).validate_python(f"{LONGEST}=v") == f"{LONGEST}=v"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "N" * 64,
        f"{PREFIX}e/n",
        "a/b/c",
        "/n",
        "a/",
        "A.b/n",
        "a_b/n",
        "-a/n",
        "a..b/n",
        f"{'a' * 64}.b/n",
        "n-",
        "n\n",
    ],
)
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        read({key: "v"})
    with pytest.raises(ValidationError):
        TypeAdapter(Label).validate_python(f"{key}=v")


def test_values_have_63_characters_at_most() -> None:
    with pytest.raises(InvalidInput):
        read({"a": "v" * 64})


def test_a_label_that_is_null_is_none() -> None:
    assert read({"a": None, "b": "c"}) == {"b": "c"}
    assert TypeAdapter(Labels).validate_python({"a": None}) == {}


def test_a_key_that_was_stored_before_stays_readable() -> None:
    assert TypeAdapter(LabelKey).validate_python("A/b/c", context=STORED) == "A/b/c"


OLD_KEYS = ("Topology/zone", "my_org/rack", "a/b/c")


@pytest.mark.parametrize("key", OLD_KEYS)
def test_a_stored_service_with_keys_of_the_old_form_is_read_and_its_rules_are_made(key: str) -> None:
    """Else the controllers would end at it, or leave it and others alone."""
    raw = copy.deepcopy(dict(REGION_SERVICE.example))
    policy = raw["spec"]["compute"]["schedule_policy"]
    lists = [f"node_label_{mode}" for mode in LISTS]
    policy |= {name: [key] for name in lists}
    service = REGION_SERVICE.model.read_stored(json.dumps({**raw, "labels": {key: "x"}}))
    rules = service.spec.compute.schedule_policy.all_rules()
    assert [rule.axis for rule in rules if rule.axis == key] == [key] * len(lists)
    assert service.spec.compute.schedule_policy.modes_of(key) == {RuleMode.AFFINITY, RuleMode.ANTI_AFFINITY}
    assert service.labels == {key: "x"}


LISTS = ("hard_anti_affinities", "hard_affinities", "soft_anti_affinities", "soft_affinities")
