"""Paths of fields in filters: every path that a kind has is known, and a mistyped one is refused at any depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.errors import InvalidInput
from controller.model import field_descriptions, registry
from controller.model.field_descriptions import MEMBERS
from controller.model.field_paths import check_path
from controller.model.registry import Kind

KINDS = list(registry.kinds())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_described_field_is_known_with_brackets_and_with_an_index(kind: Kind) -> None:
    for each in field_descriptions.all_of(kind):
        check_path(kind, each.path)
        check_path(kind, each.path.replace(MEMBERS, ".7"))


@given(kind=st.sampled_from(KINDS), data=st.data())
def test_a_field_with_one_letter_more_is_refused_at_any_depth(kind: Kind, data: st.DataObject) -> None:
    each = data.draw(st.sampled_from(field_descriptions.all_of(kind)))
    above, _, _name = each.path.rpartition(".")
    if above == "observed" or any(each.path.startswith(f"{f.path}.") for f in _maps(kind)):
        return
    with pytest.raises(InvalidInput):
        check_path(kind, f"{each.path}q")


def _maps(kind: Kind) -> list[field_descriptions.FieldDescription]:
    return [each for each in field_descriptions.all_of(kind) if each.type == "map"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("spec.rak", "spec of PhysicalResource has no field 'rak'; perhaps 'rack' is meant"),
        ("sepc.rack", "PhysicalResource has no field 'sepc'; perhaps 'spec' is meant"),
        ("spec.rack.name", "spec.rack of PhysicalResource has no field 'name'; it has no fields"),
        ("spec.", "spec of PhysicalResource has no field ''; it has "),
        ("", "PhysicalResource has no field ''; it has "),
    ],
)
def test_the_refusal_names_the_place_and_what_was_perhaps_meant(path: str, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_path(registry.get("PhysicalResource"), path)
    assert words in raised.value.problems[0].message


@pytest.mark.parametrize(
    "path", ["labels.env", "observed.anything.at.all", "spec.sizes.vcpus", "status", "resource_version"]
)
def test_maps_and_observed_facts_have_any_name(path: str) -> None:
    check_path(registry.get("ResourceFlavor"), path)
