"""``observed`` as the models of the kinds: what is read, what passes through, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.model.compute import Compute, ComputeSpec
from controller.model.node import Capacity, Node

pytestmark = pytest.mark.design("D2")


def compute(observed: dict[str, Any]) -> Compute:
    return Compute(name="web-0", region="kanto", spec=ComputeSpec.model_construct(), observed=observed)


def node(observed: dict[str, Any]) -> Node:
    return Node(name="n1", cluster="tokyo1", observed=observed)


def test_keys_of_a_newer_peer_stay_in_the_stored_form() -> None:
    stored = {"node": "n1", "from_the_future": {"a": [1]}, "migrations": 2}
    made = node(stored)
    before = made.model_dump_json()
    assert made.facts.zones == {}
    assert made.model_dump_json() == before
    assert made.observed == stored


def test_nothing_that_is_not_stored_becomes_stored() -> None:
    made = compute({"node": "n1"})
    assert (made.facts.node, made.facts.migrating_to, made.facts.attempt) == ("n1", "", 0)
    assert made.observed == {"node": "n1"}


@pytest.mark.parametrize("value", [None, "many", {"a": 1}, [3]])
def test_a_value_of_another_type_counts_as_not_reported(value: object) -> None:
    facts = compute({"attempt": value, "node": "n1", "migration_failed": value}).facts
    assert (facts.attempt, facts.node, facts.migration_failed) == (0, "n1", None)


def test_facts_follow_what_replaces_observed() -> None:
    made = compute({"node": "n1"})
    assert made.facts.migrating_to == ""
    changed = made.model_copy(update={"observed": {"node": "n1", "migrating_to": "n2"}})
    assert changed.facts.migrating_to == "n2"
    assert made.facts.migrating_to == ""
    made.observed = {}
    assert not made.facts.node


def test_facts_are_made_once_and_change_neither_equality_nor_the_json_form() -> None:
    made, other = compute({"node": "n1"}), compute({"node": "n1"})
    assert made.facts is made.facts
    assert made == other
    assert made.model_dump() == other.model_dump()
    assert made.model_copy(deep=True) == other


def test_a_failed_migration_is_read_as_it_was_noted() -> None:
    at = datetime(2026, 1, 1, 12, 30, 15, 250, tzinfo=UTC)
    failed = compute({"migration_failed": {"at": at.isoformat(), "reason": "no", "target": None, "tries": 3}})
    assert failed.facts.migration_failed is not None
    assert (failed.facts.migration_failed.at, failed.facts.migration_failed.tries) == (at, 3)


def test_what_a_node_reported_is_read_with_its_own_models() -> None:
    facts = node({"capacity": {"vcpus": 4, "memory_mib": 4096}, "numa": [{"cell": 0, "cpus": [0, 1]}]}).facts
    assert facts.capacity == Capacity(vcpus=4, memory_mib=4096)
    assert facts.numa[0].cpus == (0, 1)


def test_a_field_of_a_newer_agent_hides_nothing_around_it() -> None:
    """A node without its cells would be given more than its cells have."""
    facts = node(
        {
            "capacity": {"vcpus": 4, "memory_mib": 4096, "gpus": 1},
            "numa": [{"cell": 0, "cpus": [0, 1], "cache_mib": 32}, {"cell": 1, "cpus": [2]}],
            "zones": {"rack": "r1", "room": None},
        }
    ).facts
    assert facts.capacity == Capacity(vcpus=4, memory_mib=4096)
    assert [cell.cpus for cell in facts.numa] == [(0, 1), (2,)]
    assert facts.zones == {"rack": "r1"}


@pytest.mark.design("D5", "G1")
def test_one_more_migration_is_more_than_a_restored_root_knows_of() -> None:
    """The root's backup was older than a move: its next number was one that the cluster had handled already."""
    there = compute({}).model_copy(update={"spec": ComputeSpec.model_construct(migrations=1)})
    assert there.next_migration == 2
    assert there.model_copy(update={"observed": {"migrations": 4}}).next_migration == 5


@pytest.mark.design("D5", "G1")
def test_one_more_reboot_is_more_than_a_restored_root_knows_of() -> None:
    there = compute({}).model_copy(update={"spec": ComputeSpec.model_construct(reboots=1)})
    assert there.next_reboot == 2
    assert there.model_copy(update={"observed": {"reboots": 4}}).next_reboot == 5
