"""Which copy of a machine a restored database adopts: for every mix of backup and truth, the one that runs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster.agents import held_reports
from controller.cluster.reconcile.adoption import settle
from controller.cluster.unit_of_work.reported_copies import Copy
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.registry import key_of
from controller.wire.agent_pb2 import ResourceReport
from tests.python.integration.cluster.site import CLUSTER, compute

pytestmark = pytest.mark.design("G1", "D5")

NODES = ("n1", "n2", "n3")
ROLES = ("Owner", "Incoming", "Leaving")


def assignment(of: Compute, node: str, role: str, attempt: int = 1, **fields: object) -> Assignment:
    spec = {"resource": "default/kanto/web-0", "resource_kind": "Compute", "resource_uid": of.uid, "node": node}
    return Assignment.model_validate(
        {
            "name": f"{of.uid}-{attempt}",
            "cluster": CLUSTER,
            "spec": {**spec, "role": role, "attempt": attempt},
            **fields,
        }
    )


def work_of(of: Compute, *assignments: Assignment) -> UnitOfWork:
    found = {each.name: each for each in assignments}
    return UnitOfWork(CLUSTER, datetime(2026, 1, 1, tzinfo=UTC), {key_of(of): of}, found)


def owner_after(work: UnitOfWork, of: Compute, made: Copy | None) -> str | None:
    """The node that may run the Compute when ``settle`` and the assignment that it asks for are stored."""
    owners = [each.spec.node for each in work.of(of) if each.spec.role is AssignmentRole.OWNER]
    return [*owners, *([made.node] if made is not None else [])][0] if owners or made is not None else None


def test_a_running_machine_wins_against_what_the_backup_says() -> None:
    of = compute("web-0")
    work = work_of(of, assignment(of, "n1", "Owner"))
    made = settle(work, of, [Copy(of.uid, "n1", "Absent"), Copy(of.uid, "n2", "Running", "", "Owner", 2)])
    assert made is not None
    assert made.node == "n2"
    assert work.of(of) == []
    assert of.facts.attempt >= 2, "a number that an agent knows is not used again"


def test_what_a_node_confirms_stays_though_an_old_copy_is_elsewhere() -> None:
    of = compute("web-0")
    mine = assignment(of, "n1", "Owner", state="Running")
    work = work_of(of, mine)
    assert settle(work, of, [Copy(of.uid, "n2", "Stopped", "", "", 0)]) is None
    assert work.of(of) == [mine]


def test_a_complete_copy_is_adopted_when_its_source_is_removed() -> None:
    """The backup has it on n1; it had arrived on n2 and was not resumed when the database was lost."""
    of = compute("web-0")
    work = work_of(of, assignment(of, "n1", "Owner"))
    copies = [Copy(of.uid, "n1", "Absent", "", "Owner", 2), Copy(of.uid, "n2", "Paused", "user", "Incoming", 2)]
    made = settle(work, of, copies)
    assert made is not None
    assert made.node == "n2"


@pytest.mark.parametrize("copy", [("Paused", "incoming", "Incoming"), ("Stopped", "", "Leaving")])
def test_what_is_incomplete_or_on_its_way_out_is_not_adopted(copy: tuple[str, str, str]) -> None:
    of = compute("web-0")
    mine = assignment(of, "n1", "Owner")
    state, reason, role = copy
    work = work_of(of, mine)
    copies = [Copy(of.uid, "n1", "Absent"), Copy(of.uid, "n2", state, reason, role, 2)]
    assert settle(work, of, copies) is None
    assert work.of(of) == [mine]


def test_what_the_user_deleted_meanwhile_is_not_adopted() -> None:
    of = compute("web-0").model_copy(update={"status": "Deleting", "request_method": "Delete"})
    work = work_of(of, assignment(of, "n1", "Owner"))
    assert settle(work, of, [Copy(of.uid, "n1", "Absent"), Copy(of.uid, "n2", "Running", "", "Owner", 2)]) is None
    assert work.of(of) == []


_STATES = (("Stopped", ""), ("Paused", "user"), ("Paused", "incoming"), ("Absent", ""))
_REPORTS = st.builds(
    lambda state, role, attempt: ResourceReport(
        resource_uid=compute("web-0").uid, role=role, state=state[0], state_reason=state[1], attempt=attempt
    ),
    st.sampled_from(_STATES),
    st.sampled_from(["", *ROLES]),
    st.integers(0, 9),
)


@given(
    runs=st.sampled_from(NODES),
    role=st.sampled_from(["", "Owner"]),
    others=st.dictionaries(st.sampled_from(NODES), _REPORTS, max_size=2),
    backup=st.dictionaries(st.sampled_from(NODES), st.sampled_from(ROLES), max_size=2).filter(
        lambda found: list(found.values()).count("Owner") <= 1
    ),
)
def test_the_one_machine_that_runs_is_the_only_owner_afterwards(
    runs: str, role: str, others: dict[str, ResourceReport], backup: dict[str, str]
) -> None:
    """Reports of all nodes go the way that they go in the API, against any older assignments."""
    of = compute("web-0")
    mine = [assignment(of, node, kind, number) for number, (node, kind) in enumerate(backup.items(), 1)]
    copies: list[Copy] = []
    for node in NODES:
        sent = [others[node]] if node in others else []
        if node == runs:
            sent = [ResourceReport(resource_uid=of.uid, assignment=f"{of.uid}-9", role=role, state="Running")]
        here = [each for each in mine if each.spec.node == node]
        copies += held_reports.differences(node, here, sent)
    work = work_of(of, *mine)
    made = settle(work, of, copies)
    assert owner_after(work, of, made) == runs
    assert len(work.of(of)) + (made is not None) == 1
    assert of.facts.attempt >= max([0, *(copy.attempt for copy in copies)])
