"""Computes from desired to running: statuses, capacity and refusals, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.cluster.moves.drain import Limits, advance
from controller.cluster.reconcile import computes
from controller.cluster.traffic import loadbalancers
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork, Workload
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Capacity, Node, Share
from controller.model.registry import key_of
from tests.python.integration.cluster.site import compute, node

FOUR = Capacity(vcpus=4, memory_mib=4096, disk_gib=40)


def work_of(
    *workloads: Workload,
    assignments: tuple[Assignment, ...] = (),
    nodes: tuple[Node, ...] | None = None,
    taken: dict[str, Capacity] | None = None,
) -> UnitOfWork:
    found = nodes if nodes is not None else (up("n1", "r1"), up("n2", "r2"))
    return UnitOfWork(
        cluster="tokyo1",
        now=datetime(2026, 1, 1, tzinfo=UTC),
        workloads={key_of(each): each for each in workloads},
        assignments={each.name: each for each in assignments},
        nodes={each.name: each for each in found},
        usage={each.name: (FOUR, (taken or {}).get(each.name, Capacity())) for each in found},
    )


def up(name: str, rack: str, **spec: Any) -> Node:
    return node(name, rack, **spec).model_copy(update={"state": "Up", "status": "Active"})


def new(name: str, **spec: Any) -> Compute:
    return compute(name, **spec).model_copy(update={"status": "Initializing"})


def placed(made: Compute, **fields: Any) -> Assignment:
    """The owner's assignment of a Compute that was just placed on n1."""
    work = work_of(made)
    assignment = work.assign(made, "n1", AssignmentRole.OWNER, Share(), 1)
    return assignment.model_copy(update=fields)


def role_of(assignment: Assignment) -> AssignmentRole:
    """Its role now; read in place, mypy takes the role of the last assert for a constant."""
    return assignment.spec.role


def said(**facts: Any) -> dict[str, Any]:
    return {"role": "Owner", "revision": 1, "migrate_attempt": 0, **facts}


@pytest.mark.design("K5", "I1", "J10")
def test_placing_takes_the_capacity_and_makes_the_assignment_together() -> None:
    made = [new("web-0"), new("web-1", disks=[{"name": "data", "size_gib": 5}])]
    work = work_of(*made)
    computes.reconcile(work, made)
    assert {each.status for each in made} == {"Creating:Scheduled"}
    assert {each.observed["node"] for each in made} == {"n1", "n2"}
    needs = {uid: share.size for _, uid, share in work.taken}
    assert needs[made[1].uid] == Capacity(vcpus=1, memory_mib=256, disk_gib=6)
    assert {each.spec.resource_uid for each in work.inserted.values()} == {each.uid for each in made}
    assert sorted(uid for uid, _ in work.owned) == sorted(each.uid for each in made)


def test_an_agents_facts_do_not_replace_what_the_controller_notes() -> None:
    made = new("web-0").model_copy(update={"status": "Active", "observed": {"assignments": ["a"], "attempt": 4}})
    facts = {"accelerator": "kvm", "assignments": [], "attempt": 0, "lost": "n2", "node": "n9"}
    owner = placed(made, status="Active", state="Running", observed=said(**facts))
    computes.reconcile(work_of(made, assignments=(owner,)), [made])
    assert made.observed["accelerator"] == "kvm"
    assert (made.observed["assignments"], made.observed["attempt"], made.observed["node"]) == (["a"], 4, "n1")
    assert "lost" not in made.observed


@pytest.mark.design("J5", "J11")
def test_the_labels_that_hard_rules_and_filters_are_about_are_reported_while_a_policy_names_them() -> None:
    """The root has no other way to see that such a rule is broken."""
    made = new("web-0")
    owner = placed(made, status="Active", state="Running", observed=said())
    n1 = up("n1", "r1").model_copy(update={"labels": {"room": "east", "disk": "hdd", "owner": "me"}})
    told = []
    for policy in (
        {},
        {"node_label_hard_anti_affinities": ["room", "hall"], "node_label_filters": {"disk": "ssd"}},
        {"node_label_soft_anti_affinities": ["room"]},
    ):
        made.spec = compute("web-0", schedule_policy=policy).spec
        computes.reconcile(work_of(made, assignments=(owner,), nodes=(n1,)), [made])
        told.append(made.observed.get("node_labels"))
    assert told == [None, {"room": "east", "disk": "hdd"}, None]


@pytest.mark.design("J8", "K5")
def test_what_fits_nowhere_is_an_error_and_holds_up_nobody() -> None:
    huge, small = new("web-0", sizes={"vcpus": 9, "memory_mib": 256, "disk_gib": 1}), new("web-1")
    work = work_of(huge, small)
    computes.reconcile(work, [huge, small])
    assert (huge.status, huge.status_reason) == ("Error", "no node fits: 2 nodes: 2 too few vcpus")
    assert small.status == "Creating:Scheduled"
    assert [each.reason for each in work.events] == ["NoRoom", "Scheduled"]


@pytest.mark.design("K5")
@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ({"status": "Creating:Scheduled"}, ("Creating:Scheduled", "")),
        ({"status": "Active", "state": "Running", "observed": said()}, ("Active", "")),
        ({"status": "Active", "observed": said(revision=0)}, ("Creating:Scheduled", "")),
        ({"status": "Error", "status_reason": "bad image", "observed": said()}, ("Error", "bad image")),
    ],
)
def test_status_follows_the_owners_report(assignment: dict[str, Any], expected: tuple[str, str]) -> None:
    made = new("web-0").model_copy(update={"status": "Creating:Scheduled"})
    computes.reconcile(work_of(made, assignments=(placed(made, **assignment),)), [made])
    assert (made.status, made.status_reason) == expected


@pytest.mark.design("D3", "K5")
def test_a_new_revision_is_updating_until_its_owner_reports_that_it_runs() -> None:
    made = new("web-0")
    owner = placed(made, status="Active", state="Running", observed=said())
    made.status, made.revision = "Updating", 2
    made.spec = made.spec.model_copy(update={"user_data": "#!"})
    computes.reconcile(work_of(made, assignments=(owner,)), [made])
    assert made.status == "Updating:Scheduled"
    assert (owner.spec.revision, owner.spec.desired["user_data"]) == (2, "#!")
    owner.observed = said(revision=2)
    computes.reconcile(work_of(made, assignments=(owner,)), [made])
    assert made.status == "Active"


def test_a_spec_that_would_be_refused_today_is_still_changed() -> None:
    made = new("web-0")
    owner = placed(made, status="Active", state="Running", observed=said())
    owner.spec.desired["image"]["url"] = "https://user:password@images.example.com/guest.qcow2"
    made.status, made.revision = "Updating", 2
    computes.reconcile(work_of(made, assignments=(owner,)), [made])
    assert owner.spec.desired["image"]["url"] == made.spec.image.url


@pytest.mark.design("I1")
def test_a_larger_size_takes_the_difference_or_is_an_error_and_the_node_keeps_the_old_spec() -> None:
    made = new("web-0")
    owner = placed(made, status="Active", state="Running", observed=said())
    made.status, made.revision = "Updating", 2
    made.spec = made.spec.model_copy(update={"sizes": made.spec.sizes.model_copy(update={"vcpus": 3})})
    full = {"n1": Capacity(vcpus=3, memory_mib=512, disk_gib=2)}
    computes.reconcile(work := work_of(made, assignments=(owner,), taken=full), [made])
    assert made.status == "Error"
    assert made.status_reason.startswith("no room on n1 for the new size")
    assert owner.spec.desired["sizes"]["vcpus"] == 1
    assert work.taken == []
    room = {"n1": Capacity(vcpus=2, memory_mib=512, disk_gib=2)}
    work = work_of(made, assignments=(owner,), taken=room)
    work.shares = {("n1", made.uid): Share(Capacity(vcpus=1, memory_mib=256, disk_gib=1))}
    computes.reconcile(work, [made])
    assert work.given_back == [("n1", made.uid)]
    assert [share.size.vcpus for _, _, share in work.taken] == [3]
    assert owner.spec.desired["sizes"]["vcpus"] == 3


@pytest.mark.design("G6")
def test_a_compute_on_a_silent_node_is_unknown_and_stays_where_it_is() -> None:
    made = new("web-0")
    owner = placed(made, status="Active", state="Running", observed=said())
    down = up("n1", "r1").model_copy(update={"state": "Down"})
    work = work_of(made, assignments=(owner,), nodes=(down, up("n2", "r2")))
    computes.reconcile(work, [made])
    assert (made.state, made.state_reason) == ("Unknown", "node n1 is Down")
    assert work.inserted == {}


@pytest.mark.design("G6")
def test_a_compute_to_be_rebuilt_says_which_command_gives_its_silent_node_up() -> None:
    """It did nothing, and said nothing, until somebody knew the command."""
    made = new("web-0", on_node_down="Rebuild")
    owner = placed(made, status="Active", state="Running", observed=said())
    nodes = {state: up("n1", "r1").model_copy(update={"state": state}) for state in ("Up", "Unknown", "Down")}
    for state, told in (("Unknown", False), ("Down", True), ("Up", False)):
        computes.reconcile(work_of(made, assignments=(owner,), nodes=(nodes[state],)), [made])
        assert ("`resourcectl delete node tokyo1/n1 --force`" in made.status_reason) is told
        assert made.status == "Active"


@pytest.mark.design("K3")
def test_deleting_follows_the_nodes_reports_and_names_what_it_waits_for() -> None:
    made = new("web-0")
    owner = placed(made, status="Active", state="Running", observed=said())
    made.status = "Deleting"
    down = up("n1", "r1").model_copy(update={"state": "Down"})
    computes.reconcile(work_of(made, assignments=(owner,), nodes=(down,)), [made])
    assert (made.status, made.status_reason) == ("Deleting:Scheduled", "waits for n1")
    assert owner.spec.role is AssignmentRole.LEAVING
    owner.state, owner.observed = "Absent", {"role": "Leaving"}
    computes.reconcile(work := work_of(made, assignments=(owner,)), [made])
    assert set(work.dropped) == {key_of(made), key_of(owner)}
    assert work.given_back == [("n1", made.uid)]


def test_a_migration_that_is_impossible_is_tried_once_and_recorded() -> None:
    made = new("web-0", migrations=1, migrate_to="n1")
    owner = placed(made, status="Active", state="Running", observed=said())
    made.status = "Active"
    computes.reconcile(work := work_of(made, assignments=(owner,)), [made])
    assert made.observed["migrations"] == 1
    assert made.observed["migration_failed"]["reason"] == "it is on n1 already"
    assert [each.reason for each in work.events] == ["MigrationRefused"]
    computes.reconcile(work := work_of(made, assignments=(owner,)), [made])
    assert work.events == []


@pytest.mark.design("J4", "J8")
@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"node_filters": ["n1", "n3"]}, "n2 is not in the service's node_filters"),
        ({"node_label_filters": {"disk": "ssd"}}, "n2 cannot take it: without label disk=ssd"),
        ({"rules": [{"axis": "rack", "mode": "AntiAffinity", "hard": True}]}, "n2 cannot take it: rack already used"),
    ],
    ids=["node filter", "label filter", "hard rule"],
)
def test_a_migration_to_a_node_that_the_policy_forbids_is_refused_with_that_nodes_reason(
    policy: dict[str, Any], reason: str
) -> None:
    """web-0 on n1 is to go to n2, where web-1 stands; n3 is of no interest."""
    made, other = new("web-0", migrations=1, migrate_to="n2", schedule_policy=policy), new("web-1")
    owner = placed(made, status="Active", state="Running", observed=said())
    there = work_of(other).assign(other, "n2", AssignmentRole.OWNER, Share(), 1)
    made.status = other.status = "Active"
    nodes = (up("n1", "r1"), up("n2", "r2"), up("n3", "r3"))
    work = work_of(made, other, assignments=(owner, there), nodes=nodes)
    work.counted = [("default/kanto/web", "n1"), ("default/kanto/web", "n2")]
    computes.reconcile(work, [made])
    assert [(each.reason, each.message) for each in work.events] == [("MigrationRefused", reason)]
    assert owner.spec.migrate_to is None


@pytest.mark.design("F3")
def test_a_drain_moves_one_at_a_time_and_names_what_blocks_it() -> None:
    made = [new(f"web-{index}") for index in range(3)]
    owners = []
    for each in made:
        each.status = "Active"
        owners.append(placed(each, status="Active", state="Running", observed=said()))
    owners[0].state = "Stopped"
    draining = up("n1", "r1", drain=True, schedulable=False)
    work = work_of(*made, assignments=tuple(owners), nodes=(draining, up("n2", "r2")))
    result = advance(work, {"n1"}, Limits())["n1"].observed()
    assert result["remaining"] == 3
    assert result["blocked_by"] == [
        {"resource": "default/kanto/web-0", "reason": "it is Stopped, and only running machines move", "counts": {}}
    ]
    assert (result["moving"], result["planned"]) == ({"default/kanto/web-1": "n2"}, {"default/kanto/web-2": "n2"})
    assert [each.spec.migrate_to for each in owners] == [None, "n2", None]


def loadbalancer(**template: Any) -> Loadbalancer:
    return Loadbalancer.model_validate(
        {
            "name": "web",
            "region": "kanto",
            "uid": "lb1",
            "status": "Initializing",
            "spec": {
                "service": "web",
                "cluster": "tokyo1",
                "template": {"provider": "memory-lb", "network": "service", "replicas": 2, **template},
            },
        }
    )


@pytest.mark.design("K4", "K5")
def test_a_loadbalancer_without_a_provider_stays_initializing_with_the_reason() -> None:
    made = loadbalancer()
    loadbalancers.reconcile(work_of(made), [made])
    assert (made.status, made.status_reason) == ("Initializing", "no node fits: 2 nodes: 2 without provider memory-lb")


@pytest.mark.design("K4", "K5")
def test_a_loadbalancer_is_active_when_all_its_nodes_report_active_instances() -> None:
    made = loadbalancer()
    nodes = tuple(up(name, "r1", providers=("memory-lb",)) for name in ("n1", "n2", "n3"))
    loadbalancers.reconcile(work := work_of(made, nodes=nodes), [made])
    owners = tuple(work.inserted.values())
    assert made.status == "Creating:Scheduled"
    assert len({each.spec.node for each in owners}) == 2
    owners[0].status, owners[0].observed = "Active", said()
    loadbalancers.reconcile(work_of(made, assignments=owners, nodes=nodes), [made])
    assert made.status == "Creating:Scheduled"
    owners[1].status, owners[1].observed = "Active", said()
    loadbalancers.reconcile(work_of(made, assignments=owners, nodes=nodes), [made])
    assert made.status == "Active"


def test_a_loadbalancers_instance_leaves_a_draining_node_only_when_another_is_placed() -> None:
    made = loadbalancer(replicas=1)
    nodes = (up("n1", "r1", providers=("memory-lb",)), up("n2", "r2", providers=("memory-lb",)))
    loadbalancers.reconcile(work := work_of(made, nodes=nodes), [made])
    (owner,) = work.inserted.values()
    draining = tuple(
        each.model_copy(update={"spec": each.spec.model_copy(update={"drain": True})})
        if each.name == owner.spec.node
        else each
        for each in nodes
    )
    loadbalancers.reconcile(work_of(made, assignments=(owner,), nodes=draining[:1]), [made])
    assert role_of(owner) is AssignmentRole.OWNER
    loadbalancers.reconcile(work := work_of(made, assignments=(owner,), nodes=draining), [made])
    assert role_of(owner) is AssignmentRole.LEAVING
    assert [each.spec.node for each in work.inserted.values()] != [owner.spec.node]
