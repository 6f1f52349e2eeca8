"""Numbers and truth values are taken as they were written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.model import document, registry
from controller.model.envelope import Part


def flavor(vcpus: object) -> dict[str, Any]:
    sizes = {"vcpus": vcpus, "memory_mib": 256, "disk_gib": 1}
    return {"kind": "ResourceFlavor", "name": "small", "spec": {"provider": "libvirt", "sizes": sizes}}


@pytest.mark.parametrize(
    ("vcpus", "shown"),
    [
        (True, "true"),
        ("010", '"010"'),
        ("1_0", '"1_0"'),
        (" 1", '" 1"'),
        (1.0, "1.0"),
        ("1:30", '"1:30"'),
        (0, "0"),
    ],
)
def test_a_number_of_another_type_is_refused_as_it_was_written(vcpus: object, shown: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        document.parse(flavor(vcpus))
    (problem,) = caught.value.problems
    assert problem.path == "spec.sizes.vcpus"
    assert problem.message.endswith(f", not {shown}")


@pytest.mark.parametrize("asked", ["yes", "TRUE", 1, "1"])
def test_a_truth_value_is_true_or_false(asked: object) -> None:
    node = {"kind": "Node", "name": "a", "cluster": "c", "spec": {"providers": ["libvirt"], "schedulable": asked}}
    with pytest.raises(InvalidInput, match=r"spec\.schedulable: Input should be a valid boolean, not"):
        document.parse(node)


def test_the_text_of_a_number_is_the_number() -> None:
    """Templates of Ansible make texts of numbers."""
    assert document.parse(flavor("10")) == document.parse(flavor(10))
    node = {"kind": "Node", "name": "a", "cluster": "c"}
    read = [
        document.parse({**node, "spec": {"providers": ["libvirt"], "schedulable": given}}) for given in ("False", False)
    ]
    assert read[0] == read[1]


def test_the_text_of_a_number_is_read_in_a_document_that_is_nested_deeply() -> None:
    nested: Any = 1
    for _ in range(900):
        nested = [nested]
    with pytest.raises(InvalidInput):
        document.parse({**flavor("10"), "labels": nested})


def test_the_text_of_a_fraction_is_the_fraction() -> None:
    device = {"kind": "PhysicalResource", "name": "a", "datacenter": "d"}
    spec = {"role": "Server", "rack": "r"}
    read = [document.parse({**device, "spec": {**spec, "position": given}}) for given in ("10.5", 10.5)]
    assert read[0] == read[1]


def test_what_else_is_wrong_is_told_as_well() -> None:
    document_of_two = flavor("10")
    document_of_two["spec"]["sizes"]["memory_mib"] = "much"
    with pytest.raises(InvalidInput) as caught:
        document.parse(document_of_two)
    assert [problem.path for problem in caught.value.problems] == ["spec.sizes.memory_mib"]


class Cells(Part):
    """A mapping by number, as documents have it."""

    cells: dict[int, int]


def test_the_keys_of_a_mapping_are_texts_as_in_json() -> None:
    given = {"cells": {"0": 1}}
    assert Cells.model_validate(given) == Cells.model_validate_json(json.dumps(given)) == Cells(cells={0: 1})


def test_every_number_of_every_kind_is_strict() -> None:
    loose: list[str] = []

    def look(schema: object, path: str) -> None:
        if isinstance(schema, dict):
            if schema.get("type") in ("int", "float", "bool") and not schema.get("strict"):
                loose.append(path)
            for key, value in schema.items():
                if key not in ("cls", "metadata", "serialization", "keys_schema"):
                    look(value, f"{path}.{key}")
        elif isinstance(schema, list | tuple):
            for value in schema:
                look(value, path)

    for kind in registry.kinds():
        look(kind.model.__pydantic_core_schema__, kind.name)
    assert loose == []
