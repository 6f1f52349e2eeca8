"""Wishes, their digests and their messages."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.compute import COMPUTE, Compute
from controller.model.document import parse
from controller.model.node import NODE, Node
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.root.reconcile import desired_state
from controller.root.reconcile.desired_state import Owner
from controller.root.service_template import Effort, effort
from controller.wire import cluster_pb2

SERVICE = cast(RegionService, parse(REGION_SERVICE.example)).model_copy(update={"uid": "s"})


def compute(index: int, **update: object) -> Compute:
    made = cast(Compute, parse(COMPUTE.example)).model_copy(update={"name": f"web-{index}", "uid": f"u{index}"})
    return made.model_copy(update=update)


@pytest.mark.design("H5")
def test_what_was_seen_does_not_change_the_digest() -> None:
    before = desired_state.service_owner(SERVICE, [compute(0)], None)
    seen = compute(0, status="Active", state="Running", observed={"node": "n1"}, resource_version=99)
    assert desired_state.service_owner(SERVICE, [seen], None).digest == before.digest


@pytest.mark.design("H5")
def test_what_was_asked_changes_the_digest() -> None:
    before = desired_state.service_owner(SERVICE, [compute(0)], None)
    other = compute(0).model_copy(update={"spec": compute(0).spec.model_copy(update={"reboots": 1})})
    assert desired_state.service_owner(SERVICE, [other], None).digest != before.digest


@pytest.mark.design("G1", "H5")
def test_a_cluster_learns_that_the_agent_of_a_node_had_registered_and_is_not_sent_it_for_that() -> None:
    planned = cast(Node, parse(NODE.example))
    joined = planned.model_copy(update={"observed": {"capacity": {"vcpus": 4}}})
    remembered = planned.model_copy(update={"observed": {"registered": True}})
    owners = [desired_state.node_owner(each, {"rack": "r1"}) for each in (planned, joined, remembered)]
    assert len({owner.digest for owner in owners}) == 1
    told = [json.loads(owner.documents[0])["observed"].get("registered", False) for owner in owners]
    assert told == [False, True, True]


@pytest.mark.design("K3")
def test_a_leaving_compute_is_left_out() -> None:
    both = [compute(0), compute(1, status="Deleting")]
    left, without = (desired_state.service_owner(SERVICE, each, None) for each in (both, both[:1]))
    assert (left.documents, left.digest) == (without.documents, without.digest)
    assert left.deleted_uids == (both[1].uid,), "its disks may be deleted, because it was deleted and not forgotten"
    assert without.deleted_uids == ()


@pytest.mark.design("H5")
@pytest.mark.parametrize("update", [{"observed": {"made": 2}}, {"uid": "another"}])
def test_the_same_words_said_later_have_another_digest(update: dict[str, object]) -> None:
    before = desired_state.service_owner(SERVICE, [compute(0)], None)
    later = desired_state.service_owner(SERVICE.model_copy(update=update), [compute(0)], None)
    assert later.documents == before.documents
    assert later.digest != before.digest


@given(st.lists(st.integers(min_value=0, max_value=1300), min_size=0, max_size=6))
def test_chunks_put_together_are_the_owners_again(sizes: list[int]) -> None:
    owners = [
        Owner(f"RegionService default/kanto/s{number}", tuple(b"%d" % item for item in range(size)), f"d{number}")
        for number, size in enumerate(sizes)
    ]
    messages = desired_state.chunks(owners, site="s1", term=7, sequence=9)
    states = [state for message in messages for state in message.owners]
    assert all((message.term, message.sequence) == (7, 9) for message in messages)
    assert all(sum(len(s.documents) for s in message.owners) <= desired_state.CHUNK_DOCUMENTS for message in messages)
    assert _joined(states) == {owner.name: owner.documents for owner in owners}


def _joined(states: list[cluster_pb2.OwnerState]) -> dict[str, tuple[bytes, ...]]:
    """As a receiver does: an owner is complete at its first message without ``more``."""
    whole: dict[str, tuple[bytes, ...]] = {}
    parts: list[bytes] = []
    for state in states:
        parts += state.documents
        if not state.more:
            assert state.owner not in whole
            whole[state.owner] = tuple(parts)
            parts = []
    assert not parts
    return whole


@pytest.mark.design("D3")
@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({}, Effort.NONE),
        ({"shutdown_timeout": 5}, Effort.LIVE),
        ({"disks": ({"name": "data", "size_gib": 1},)}, Effort.RESTART),
        ({"user_data": "#cloud-config"}, Effort.RECREATE),
        ({"shutdown_timeout": 5, "ssh_keys": ("ssh-ed25519 AAAA",)}, Effort.RECREATE),
    ],
)
def test_effort_is_the_strongest_change(update: dict[str, object], expected: Effort) -> None:
    spec = compute(0).spec
    assert effort(spec, type(spec).model_validate({**spec.model_dump(), **update})) is expected


@pytest.mark.design("D3")
def test_effort_looks_into_parts() -> None:
    spec = compute(0).spec
    larger = spec.model_copy(update={"sizes": spec.sizes.model_copy(update={"vcpus": 8})})
    other_line = spec.model_copy(update={"image": spec.image.model_copy(update={"cmdline": "quiet"})})
    other_disk = spec.model_copy(update={"sizes": spec.sizes.model_copy(update={"disk_gib": 9})})
    assert effort(spec, larger) is Effort.RESTART
    assert effort(spec, other_line) is Effort.RESTART
    assert effort(spec, other_disk) is Effort.RECREATE
