"""Which reports of agents and heartbeats of nodes count, and what they change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import registration, reports
from controller.cluster.agents.assignment_index import item_of
from controller.cluster.agents.reports import apply_report
from controller.cluster.reconcile import node_state
from controller.cluster.reconcile.node_state import Silence, state_from_heartbeat
from controller.model.assignment import Assignment, AssignmentRole, AssignmentSpec
from controller.model.node import Capacity
from controller.store import processes, resources
from controller.store.database import Database, Tier
from controller.store.processes import Beat
from controller.wire.agent_pb2 import ResourceReport
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, node

UID = "0198c0ffee"


def assignment(role: AssignmentRole = AssignmentRole.OWNER, **spec: object) -> Assignment:
    return Assignment(
        name=f"{UID}-1",
        cluster=CLUSTER,
        spec=AssignmentSpec.model_validate(
            {
                "resource_kind": "Compute",
                "resource": "default/kanto/web-0",
                "resource_uid": UID,
                "node": "n1",
                "role": role,
                **spec,
            }
        ),
    )


@pytest.mark.design("D5")
def test_a_report_made_under_another_role_is_passed_over() -> None:
    for role, spoken in ((AssignmentRole.LEAVING, "Owner"), (AssignmentRole.OWNER, "Incoming")):
        late = ResourceReport(assignment=f"{UID}-1", role=spoken, state="Absent", status="Deleting:Scheduled")
        assert apply_report(assignment(role), late) is None


@pytest.mark.design("D5")
def test_a_report_is_taken_in_once() -> None:
    report = ResourceReport(
        role="Owner",
        status="Active",
        state="Running",
        revision=3,
        attempt=2,
        migration="Sending",
        observed=b'{"addresses": ["172.16.10.10"]}',
    )
    applied = apply_report(assignment(), report)
    assert applied is not None
    assert (applied.status, applied.state) == ("Active", "Running")
    assert applied.observed == {
        "addresses": ["172.16.10.10"],
        "role": "Owner",
        "revision": 3,
        "migrate_attempt": 2,
        "migration": "Sending",
    }
    assert apply_report(applied, report) is None


def test_facts_that_are_no_json_object_do_no_harm() -> None:
    for facts in (b"{", b"[1]"):
        applied = apply_report(assignment(), ResourceReport(role="Owner", state="Running", observed=facts))
        assert applied is not None
        assert applied.state == "Running"


@pytest.mark.design("A4", "D5")
def test_source_and_target_see_the_same_number_and_only_what_leaves_loses_its_disks() -> None:
    source = item_of(assignment(migrate_to="n2", migrate_attempt=4, migrate_ready=True, desired={"a": 1}))
    target = item_of(assignment(AssignmentRole.INCOMING, attempt=4))
    assert source.attempt == target.attempt == 4
    assert source.spec == b'{"a":1}'
    assert not source.delete_disks
    assert item_of(assignment(AssignmentRole.LEAVING)).delete_disks


@pytest.mark.design("G6")
@pytest.mark.parametrize(("quiet", "state"), [(0, "Up"), (15, "Up"), (16, "Unknown"), (60, "Unknown"), (61, "Down")])
def test_a_silent_node_is_unknown_and_then_down(quiet: int, state: str) -> None:
    clock = VirtualClock()
    beat = Beat(clock.now() - timedelta(seconds=quiet))
    assert state_from_heartbeat(beat, clock.now(), Silence())[0] == state


def test_a_node_without_a_heartbeat_is_unknown_and_an_unhealthy_one_has_a_reason() -> None:
    now = VirtualClock().now()
    assert state_from_heartbeat(None, now, Silence()) == ("Unknown", "no heartbeat yet")
    assert state_from_heartbeat(Beat(now, healthy=False, message="libvirtd is away"), now, Silence()) == (
        "Up",
        "libvirtd is away",
    )


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    return sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)


@pytest.mark.design("G6", "D4")
def test_nodes_are_written_only_when_something_differs(db: Database) -> None:
    db.write(lambda tx: resources.insert(tx, [node("n1", "r1")]))
    facts = {"capacity": {"vcpus": 4, "memory_mib": 4096, "disk_gib": 40}}
    assert db.write(lambda tx: registration.write(tx, CLUSTER, {"n1": facts, "n9": facts})) == {"n1"}
    db.write(lambda tx: processes.beat(tx, {"n1": (tx.now, True, "")}))
    seen = db.read(lambda tx: node_state.read_states(tx, ["n1"], Silence()))
    (changed,) = db.write(lambda tx: node_state.write(tx, CLUSTER, seen))
    assert (changed.state, changed.observed["taken"], changed.observed["computes"]) == (
        "Up",
        Capacity().model_dump(),
        0,
    )
    assert db.write(lambda tx: node_state.write(tx, CLUSTER, seen)) == []


@pytest.mark.design("A4")
def test_a_report_about_another_nodes_assignment_is_passed_over(db: Database) -> None:
    db.write(lambda tx: resources.insert(tx, [assignment()]))
    report = ResourceReport(assignment=f"{UID}-1", role="Owner", state="Running", status="Active")
    assert db.write(lambda tx: reports.write(tx, CLUSTER, {report.assignment: ("n2", report)})) == 0
    assert db.write(lambda tx: reports.write(tx, CLUSTER, {report.assignment: ("n1", report)})) == 1


@pytest.mark.design("G6")
def test_states_are_shown_at_once_and_what_is_taken_by_turns(db: Database) -> None:
    names = [f"n{number}" for number in range(6)]
    known = {name: node(name, "r").model_copy(update={"state": "Up"}) for name in names}
    full = node_state.Seen("Up", "", Capacity(vcpus=1), 1)
    seen = dict.fromkeys(names, full) | {"n5": node_state.Seen("Down", "last heartbeat at", Capacity(), 0)}
    first = node_state.due(known, seen, "", 2)
    assert set(first) == {"n5", "n0", "n1"}
    second = node_state.due(known, seen, "n1", 2)
    assert set(second) == {"n5", "n2", "n3"}
    third = node_state.due(known, seen, "n3", 2)
    assert set(third) == {"n5", "n4", "n0"}


@pytest.mark.design("G6")
def test_reading_states_alone_leaves_what_is_shown_as_taken(db: Database) -> None:
    shown = {"taken": Capacity(vcpus=2).model_dump(), "computes": 2}
    row = node("n1", "r1").model_copy(update={"state": "Up", "observed": shown})
    db.write(lambda tx: resources.insert(tx, [row]))
    seen = db.read(lambda tx: node_state.read_states(tx, ["n1"], Silence(), usage=False))
    (changed,) = db.write(lambda tx: node_state.write(tx, CLUSTER, seen))
    assert (changed.state, changed.observed) == ("Unknown", shown)
    assert not node_state.differs(changed, seen["n1"])
