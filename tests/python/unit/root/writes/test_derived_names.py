"""A name is refused when something that is made from it would be too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.clock import VirtualClock
from controller.errors import InvalidInput
from controller.model import document
from controller.model.compute import COMPUTE
from controller.model.region_service import MAX_REPLICAS
from controller.model.registry import AnyResource
from controller.pki import AuthorityTree, cluster_scope
from controller.root.writes import derived_names

LONGEST_SERVICE, LONGEST_CLUSTER = 57, 39


def service(length: int, replicas: int = 1) -> AnyResource:
    template = {
        "flavor": "small",
        "image": "guest",
        "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
    }
    spec = {"replicas": replicas, "compute": template}
    return document.parse({"kind": "RegionService", "name": "s" * length, "region": "kanto", "spec": spec})


def cluster(length: int) -> AnyResource:
    spec = {"region": "kanto", "datacenter": "tokyo"}
    return document.parse({"kind": "Cluster", "name": "c" * length, "spec": spec})


def paths(before: AnyResource | None, after: AnyResource) -> list[str]:
    return [path for path, _ in derived_names.problems(before, after)]


def test_a_service_leaves_room_for_the_last_of_its_computes() -> None:
    assert paths(None, service(LONGEST_SERVICE)) == []
    assert paths(None, service(LONGEST_SERVICE + 1)) == ["name"]
    document.parse({**dict(COMPUTE.example), "name": f"{'s' * LONGEST_SERVICE}-{MAX_REPLICAS - 1}"})
    with pytest.raises(InvalidInput, match="name"):
        document.parse({**dict(COMPUTE.example), "name": f"{'s' * (LONGEST_SERVICE + 1)}-{MAX_REPLICAS - 1}"})


def test_a_stored_service_with_a_longer_name_grows_as_far_as_its_name_lets_it() -> None:
    stored = service(61)
    assert paths(stored, service(61, replicas=10)) == []
    assert paths(stored, service(61, replicas=11)) == ["spec.replicas"]


def test_a_cluster_has_a_name_that_its_authority_can_have(tmp_path: Path, clock: VirtualClock) -> None:
    assert paths(None, cluster(LONGEST_CLUSTER)) == []
    assert paths(None, cluster(LONGEST_CLUSTER + 1)) == ["name"]
    tree = AuthorityTree(tmp_path, clock=clock)
    tree.scope_folder(cluster_scope("c" * LONGEST_CLUSTER))
    with pytest.raises(ValueError, match="64"):
        tree.scope_folder(cluster_scope("c" * (LONGEST_CLUSTER + 1)))
