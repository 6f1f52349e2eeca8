"""Clauses of filters against a simple evaluator of the documents: alternatives, negation, labels and fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import InvalidInput
from controller.model import registry
from controller.model.access import Token
from controller.root.api import topology_filters
from controller.store import resources
from controller.store.database import Database, Transaction
from controller.store.selectors import Clause
from tests.python.contract.store.samples import make, store

KIND = "Node"
NODES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "a": ({"env": "lab"}, {"providers": ["libvirt"]}),
    "b": ({"env": "test", "team": "web"}, {"schedulable": False, "cordoned_by": "Operator"}),
    "c": ({}, {"physical_resource": "server1"}),
    "d": ({"env": "lab", "team": "db"}, {"physical_resource": "server2", "schedulable": False}),
    "e": ({"team": "true"}, {"physical_resource": "server1", "drain": True, "schedulable": False}),
}
TOKEN = Token.model_validate(registry.get("Token").example)

fields = st.tuples(
    st.sampled_from(["spec.physical_resource", "spec.schedulable", "spec.drain", "labels.env", "labels.team", "state"]),
    st.sampled_from(["=", "!="]),
    st.sampled_from(["", "server1", "server2", "true", "false", "lab", "web", "Up"]),
).map("".join)
keys, values = st.sampled_from(["env", "team", "other"]), st.sampled_from(["lab", "test", "web", "true"])
labels = st.one_of(
    st.tuples(keys, st.sampled_from(["=", "!="]), values).map("".join),
    st.tuples(st.sampled_from(["", "!"]), keys).map("".join),
)
texts_of_fields = st.lists(st.lists(fields, min_size=1, max_size=3).map(" || ".join), max_size=3)
texts_of_labels = st.lists(
    st.lists(st.lists(labels, min_size=1, max_size=2).map(",".join), min_size=1, max_size=3).map("||".join), max_size=3
)


@pytest.fixture
def nodes(database: Database) -> Database:
    store(database, *(make(KIND, name, spec, labels=labels) for name, (labels, spec) in NODES.items()))
    return database


def holds(document: Any, text: str, is_label: bool) -> bool:
    """Whether one alternative holds, by the words of the documentation."""
    if is_label and "," in text:
        return all(holds(document, part, True) for part in text.split(","))
    name, separator, value = text.partition("=")
    is_negated = name.endswith("!") or (not separator and name.startswith("!"))
    name = name.strip("!")
    if is_label and not separator:
        return (name in document["labels"]) is not is_negated
    found: Any = document
    for step in ("labels", name) if is_label else name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    shown = "" if found is None else json.dumps(found) if isinstance(found, bool) else str(found)
    return (shown == value) is not is_negated


@pytest.mark.design("N2")
@settings(max_examples=150, print_blob=True)
@given(by_field=texts_of_fields, by_label=texts_of_labels)
def test_clauses_find_what_a_simple_evaluator_finds(nodes: Database, by_field: list[str], by_label: list[str]) -> None:
    documents = found(nodes, [])
    expected = [
        one["name"]
        for one in documents
        if all(any(holds(one, each.strip(), False) for each in text.split("||")) for text in by_field)
        and all(any(holds(one, each.strip(), True) for each in text.split("||")) for text in by_label)
    ]
    clauses = parsed(by_field, by_label)
    if clauses is None:
        assert expected == []
        return
    assert [one["name"] for one in found(nodes, clauses)] == expected


def parsed(by_field: list[str], by_label: list[str]) -> list[Clause] | None:
    """The clauses; None for one field that would have to have two values."""
    try:
        both = [*topology_filters.fields_of(by_field, [KIND], TOKEN), *topology_filters.labels_of(by_label, [KIND])]
    except InvalidInput as error:
        if "cannot be both" not in str(error):
            raise
        return None
    return [clause for _, clause in both]


def found(db: Database, clauses: list[Clause]) -> list[Any]:
    """The documents that match."""

    def work(tx: Transaction) -> list[Any]:
        return [json.loads(row) for rows in resources.raw_pages(tx, KIND, clauses=clauses, size=2) for row in rows]

    return db.read(work)
