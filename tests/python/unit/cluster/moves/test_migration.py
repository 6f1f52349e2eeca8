"""Live migration step by step: each way through the recovery table, and late reports."""

from __future__ import annotations

import pytest

from controller.cluster.moves.migration import Verdict, verdict
from controller.model.assignment import Assignment, AssignmentRole, AssignmentSpec
from controller.wire.agent_pb2 import ResourceReport
from tests.python.unit.cluster.simulation import UID, World

pytestmark = pytest.mark.design("D5", "E1")


def sending() -> World:
    """A Compute that was on one node and is being sent to another."""
    world = World()
    world.settle()
    world.ask_to_migrate()
    world.begin_to_send()
    return world


def settled(world: World) -> World:
    world.settle()
    world.check()
    assert world.compute is not None
    assert world.compute.status == "Active"
    assert len(world.running()) == len(world.assignments) == len(world.claims) == 1
    return world


def test_a_running_compute_arrives_paused_and_is_resumed_by_its_new_owner_only() -> None:
    world = sending()
    (job,) = world.jobs
    world.progress(job)
    assert world.running() == []
    world.act(job.target)
    assert world.running() == []
    settled(world)
    assert world.running() == [job.target]
    assert world.compute is not None
    assert world.compute.observed["node"] == job.target
    assert "migrating_to" not in world.compute.observed


@pytest.mark.parametrize(
    ("arrived", "how", "ends_on"),
    [
        (False, "copy", "source"),
        (True, "copy", "source"),
        (True, "definition left", "source"),
        (True, "both", "source"),
        (True, "source at finish", "target"),
    ],
)
def test_a_broken_migration_ends_on_the_host_that_has_the_whole_machine(arrived: bool, how: str, ends_on: str) -> None:
    world = sending()
    (job,) = world.jobs
    if arrived:
        world.progress(job)
    world.fail_job(job, how)
    world.act(job.target)  # else an unclear try ends on the source, which is as safe
    while world.reports:
        world.deliver_report(0)
    settled(world)
    assert world.running() == [job.source if ends_on == "source" else job.target]
    assert world.compute is not None
    assert ("migration_failed" in world.compute.observed) == (ends_on == "source")


def test_a_paused_source_is_removed_before_the_target_may_resume() -> None:
    world = sending()
    (job,) = world.jobs
    world.progress(job)
    world.fail_job(job, "source at finish")
    for _ in ("the source ends", "the target looks again"):
        for node in (job.source, job.target):
            world.deliver_assignments(node)
            world.act(node)
        while world.reports:
            world.deliver_report(0)
        world.control()
    roles = {each.spec.node: each.spec.role for each in world.assignments.values()}
    assert roles == {job.source: AssignmentRole.LEAVING, job.target: AssignmentRole.INCOMING}
    settled(world)


def test_the_target_dies_after_it_was_seen_complete_and_the_source_keeps_the_machine() -> None:
    """Once, what the target had said while the source was sending decided: the source was removed, and all was lost."""
    world = sending()
    (job,) = world.jobs
    world.progress(job)
    world.act(job.target)  # complete, it says
    world.fail_job(job, "both")  # and then its hypervisor dies, with the copy
    settled(world)
    assert world.running() == [job.source]
    assert world.fresh_machines() == 1, "its disks are the old ones"


def test_an_absent_report_for_an_earlier_role_does_not_end_a_leaving_one() -> None:
    world = World()
    world.settle()
    (assignment,) = world.assignments.values()
    early = ResourceReport(assignment=assignment.name, state="Absent", role="Owner")
    assert world.compute is not None
    world.compute.status = "Deleting"
    world.control()
    world.reports = [(assignment.name, early)]
    world.deliver_report(0)
    world.control()
    assert set(world.assignments) == {assignment.name}
    assert world.running() == [assignment.spec.node]


def test_a_repeated_failure_of_an_earlier_attempt_does_not_end_the_current_one() -> None:
    world = sending()
    (job,) = world.jobs
    world.fail_job(job, "copy")
    world.act(job.source)
    late = [item for item in world.reports if item[1].migration == "Failed"]
    assert late
    settled(world)
    world.ask_to_migrate(job.target)
    world.begin_to_send()
    world.reports = [late[0]]
    world.deliver_report(0)
    world.control()
    assert any(each.spec.migrate_ready for each in world.assignments.values())
    settled(world)
    assert world.running() == [job.target]


def test_the_target_keeps_its_part_until_the_source_has_taken_in_that_the_try_is_over() -> None:
    world = sending()
    (job,) = world.jobs
    world.fail_job(job, "copy")
    world.act(job.source)
    while world.reports:
        world.deliver_report(0)
    for _ in range(3):
        world.control()
    assert {each.spec.role for each in world.assignments.values()} == {AssignmentRole.OWNER, AssignmentRole.INCOMING}
    world.deliver_assignments(job.source)
    world.act(job.source)
    world.deliver_report(0)
    world.control()
    assert {each.spec.role for each in world.assignments.values()} == {AssignmentRole.OWNER, AssignmentRole.LEAVING}
    settled(world)


def test_deleting_in_the_middle_removes_the_source_first_and_then_the_target() -> None:
    world = sending()
    (job,) = world.jobs
    assert world.compute is not None
    world.compute.status = "Deleting"
    world.control()
    roles = {each.spec.node: each.spec.role for each in world.assignments.values()}
    assert roles == {job.source: AssignmentRole.LEAVING, job.target: AssignmentRole.INCOMING}
    world.settle()
    assert world.compute is None
    assert set(world.hosts.values()) == {None}
    assert world.claims == {}


def test_a_lost_source_leaves_a_complete_copy_to_the_target() -> None:
    world = sending()
    (job,) = world.jobs
    world.progress(job)
    world.fail_job(job, "source at finish")
    world.act(job.target)
    while world.reports:
        world.deliver_report(0)
    world.forget(job.source)
    settled(world)
    assert world.running() == [job.target]
    assert world.fresh_machines() == 1


def test_a_lost_source_of_an_incomplete_copy_is_an_error_that_names_what_to_do() -> None:
    world = sending()
    (job,) = world.jobs
    world.forget(job.source)
    world.settle()
    assert world.compute is not None
    assert world.compute.status == "Error"
    assert "was lost; delete it, or set on_node_down to Rebuild" in world.compute.status_reason
    assert world.running() == []
    assert world.claims == {}


def _assignment(role: AssignmentRole, state: str, reason: str = "", phase: str = "", attempt: int = 2) -> Assignment:
    return Assignment(
        name=f"{UID}-{role.lower()}",
        cluster="tokyo1",
        state=state,
        state_reason=reason,
        observed={"migration": phase, "migrate_attempt": attempt},
        spec=AssignmentSpec(
            resource_kind="Compute", resource="x", resource_uid=UID, node="n1", role=role, migrate_attempt=2
        ),
    )


@pytest.mark.parametrize(
    ("phase", "source", "target", "expected"),
    [
        ("Sending", "Running", "Paused incoming", Verdict.WAIT),
        ("Sending", "Paused", "Paused user", Verdict.WAIT),
        ("", "Running", "Absent", Verdict.WAIT),
        ("Failed", "Running", "Paused user", Verdict.KEEP_SOURCE),
        ("Failed", "Stopped", "Paused user", Verdict.KEEP_SOURCE),
        ("Unclear", "Running", "Paused user", Verdict.KEEP_SOURCE),
        ("Unclear", "Unknown", "Paused user", Verdict.WAIT),
        ("Unclear", "Absent", "Paused user", Verdict.SWAP),
        ("Unclear", "Absent", None, Verdict.KEEP_SOURCE),
        ("Unclear", "Paused", "Paused user", Verdict.ASK_TARGET),
        ("Unclear", "Paused", "Absent", Verdict.ASK_TARGET),
        ("Unclear", "Paused", "Paused user again", Verdict.REMOVE_SOURCE),
        ("Unclear", "Stopped", "Paused user again", Verdict.REMOVE_SOURCE),
        ("Unclear", "Paused", "Paused incoming again", Verdict.REMOVE_TARGET),
        ("Unclear", "Paused", "Absent - again", Verdict.REMOVE_TARGET),
        ("Unclear", "Stopped", "Stopped - again", Verdict.REMOVE_TARGET),
        ("Unclear", "Paused", None, Verdict.KEEP_SOURCE),
        ("Sent", "Absent", "Absent", Verdict.SWAP),
        ("Sent", "Paused", "Absent", Verdict.REMOVE_SOURCE),
    ],
)
def test_the_recovery_table(phase: str, source: str, target: str | None, expected: Verdict) -> None:
    said = _assignment(AssignmentRole.OWNER, source, phase=phase)
    other = None
    if target is not None:
        state, reason, looked = (*target.split(), "", "")[:3]
        other = _assignment(AssignmentRole.INCOMING, state, reason)
        other.observed["ready"] = bool(looked)
    assert verdict(said, other) is expected


def test_a_report_about_another_attempt_decides_nothing() -> None:
    late = _assignment(AssignmentRole.OWNER, "Absent", phase="Sent", attempt=1)
    assert verdict(late, _assignment(AssignmentRole.INCOMING, "Paused", "user")) is Verdict.WAIT


def test_a_compute_that_is_deleted_while_its_target_is_asked_goes() -> None:
    """Once, the target's own word that it is to look again kept it from being removed, for ever."""
    world = sending()
    (job,) = world.jobs
    world.progress(job)
    world.fail_job(job, "both")
    world.act(job.source)
    while world.reports:
        world.deliver_report(0)
    world.control()
    assert [each.spec.migrate_ready for each in world.assignments.values()] == [True, True]
    assert world.compute is not None
    world.compute.status = "Deleting"
    world.settle()
    assert world.compute is None
    assert world.assignments == {}
    assert world.claims == {}
