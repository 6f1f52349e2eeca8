"""Each kind declares its rules in its own file: the declarations of one kind must agree with each other."""

from __future__ import annotations

import pytest

from controller.model import document, registry
from controller.model.envelope import SERVER_SET
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import Kind, read_field

KINDS = [pytest.param(kind, id=kind.name) for kind in registry.kinds()]


@pytest.mark.parametrize("kind", KINDS)
def test_replication_rules_agree(kind: Kind) -> None:
    rules = kind.replication
    if rules.sent_with:
        owner = registry.get(rules.sent_with).replication
        assert owner.cluster_field or owner.sent_where_named, "the owner must name its cluster"
        assert rules.cluster_field or rules.sent_where_named, "a change of it must wake the link of its cluster"
        assert not (rules.cluster_field and rules.sent_where_named)
        assert not rules.mirrored, "a resource belongs either to the root or to the cluster"
    if rules.placed:
        assert rules.sent_with, "a cluster places only what the root sends"
        assert rules.reported, "the root deletes the row only after a report"
    if rules.mirrored:
        assert rules.reported, "a copy follows the reports"
        assert not kind.user_made, "the cluster creates it"
    assert rules.placed or not rules.placed_on_many
    assert rules.mirrored or not rules.unique_in_cluster
    for taken_over in (rules.status_from_cluster, rules.keeps_root_facts):
        assert not taken_over or (rules.reported and not rules.mirrored and not rules.placed)
    for when_reported in (rules.reported_without, rules.reported_with_cluster):
        assert rules.reported or not when_reported
    for in_cluster in (rules.restored_when_desired, rules.deleted_at_once, rules.first_state):
        assert not in_cluster or (rules.sent_with and not rules.placed)
    assert not (rules.restored_when_desired and rules.deleted_at_once)
    assert rules.first_state or not rules.first_state_reason


@pytest.mark.parametrize("kind", KINDS)
def test_declared_fields_exist(kind: Kind) -> None:
    example = document.parse({**kind.example, "observed": {"cluster": "tokyo1"}})
    example = example.model_copy(update={"observed": {"cluster": "tokyo1"}})
    for path in (kind.service_field, kind.replication.cluster_field):
        assert not path or read_field(example, path), f"{path} of {kind.name}"
    spec = type(example.spec).model_fields
    for name in (*(kind.access.subject_fields or ()), *kind.replication.reported_without):
        assert name in spec


@pytest.mark.parametrize("kind", KINDS)
def test_what_belongs_to_a_service_names_it(kind: Kind) -> None:
    example = document.parse(kind.example)
    if kind.service_field:
        assert kind.per_project
        assert kind.parents == REGION_SERVICE.parents, "a service and its parts have the same parents"
    if kind.service_field and kind.service_of_name is not None:
        assert kind.service_of_name(example.name) == kind.service_name(example)
    if kind.replication.sent_with == REGION_SERVICE.name:
        assert kind.service_field, "a change must wake the service"
        assert kind.service_of_name is not None, "a report must wake the service"


@pytest.mark.parametrize("kind", KINDS)
def test_access_rules_agree(kind: Kind) -> None:
    rules = kind.access
    assert rules.confidential or not rules.grants_access
    assert not kind.per_project or not (rules.admin_only or rules.confidential or rules.subject_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_deletion_rules_agree(kind: Kind) -> None:
    rules = kind.deletion
    assert kind.user_made or not (rules.by_controller or rules.takes_force)
    assert not kind.user_made or not (rules.by_name or rules.with_project)
    assert not (rules.by_controller and rules.takes_force)


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_topology_lines_and_new_resources_exist(kind: Kind) -> None:
    example = document.parse(kind.example)
    for name in (kind.topology.spec or ()) if kind.topology else ():
        assert name in type(example.spec).model_fields
    for name in kind.created_with:
        assert name in SERVER_SET


def test_topology_lines_have_an_order() -> None:
    positions = [kind.topology.position for kind in registry.kinds() if kind.topology]
    assert len(set(positions)) == len(positions)


def test_projects_are_one_kind() -> None:
    assert [kind.name for kind in registry.kinds() if kind.contains_by_project] == ["Project"]


def test_owners() -> None:
    assert {kind.name: kind.replication.sent_with for kind in registry.kinds() if kind.replication.sent_with} == {
        "Compute": "RegionService",
        "Loadbalancer": "RegionService",
        "Node": "Node",
        "JoinToken": "JoinToken",
        "SecurityGroup": "SecurityGroup",
    }
