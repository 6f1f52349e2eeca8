"""While a cluster is held after a restore nothing is changed: not even by a pass that was under way as it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import held_reports
from controller.cluster.reconcile import adoption, node_state
from controller.cluster.reconcile.cluster_controller import ClusterController
from controller.cluster.root_link import apply_desired
from controller.cluster.root_link.apply_desired import OwnerState
from controller.cluster.unit_of_work import storage
from controller.cluster.unit_of_work.reported_copies import Copy
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.errors import Conflict
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import Compute
from controller.model.node import NODE, Capacity
from controller.model.registry import key_of
from controller.store import capacity, events, lease, processes, resources, restore_hold
from controller.store.changes import Feed
from controller.store.database import Database, Fence, Tier, Transaction
from controller.wire.agent_pb2 import ResourceReport
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node

pytestmark = pytest.mark.design("G1", "D5")

SIZE = Capacity(vcpus=40, memory_mib=40960, disk_gib=400)


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    return sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)


def controller_of(db: Database, clock: VirtualClock) -> ClusterController:
    def fill(tx: Transaction) -> int:
        joined = node("n1", "r1").model_copy(update={"state": "Up"})
        resources.insert(tx, [joined.model_copy(update={"observed": {"capacity": SIZE.model_dump()}})])
        capacity.set_total(tx, "n1", SIZE)
        resources.insert(tx, [compute("web-0").model_copy(update={"status": "Initializing"})])
        return lease.reassign(tx, "cluster-controller", "one", 0, 10.0).term

    fence = Fence("cluster-controller", db.write(fill))
    return ClusterController(db, Feed(db, clock), fence, cluster=CLUSTER, clock=clock)


async def test_a_hold_that_begins_after_the_controller_has_looked_counts(db: Database, clock: VirtualClock) -> None:
    """The hold was looked at before the transaction, in memory: a pass placed what the database did not know to run."""
    controller = controller_of(db, clock)
    await controller.watch_nodes()
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=False))
    await controller._work(frozenset({str(key_of(compute("web-0")))}))
    assert db.read(lambda tx: resources.list_all(tx, ASSIGNMENT)) == []


async def test_the_hold_ends_when_its_last_node_is_given_up(db: Database, clock: VirtualClock) -> None:
    controller = controller_of(db, clock)
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=False))
    await controller.watch_nodes()
    assert db.read(restore_hold.is_active)
    db.write(lambda tx: restore_hold.release(tx, resources.get(tx, NODE.key(CLUSTER, "n1"))))
    await controller.watch_nodes()
    assert not db.read(restore_hold.is_active)
    await controller._work(frozenset({str(key_of(compute("web-0")))}))
    assert len(db.read(lambda tx: resources.list_all(tx, ASSIGNMENT))) == 1


def test_a_node_that_is_held_is_not_deleted_as_empty(db: Database, clock: VirtualClock) -> None:
    """The backup has nothing on it; what has come since is known once it has reported."""
    controller_of(db, clock)

    def leave(tx: Transaction) -> bool:
        row = resources.get(tx, NODE.key(CLUSTER, "n1"))
        resources.update(tx, [row.model_copy(update={"status": "Deleting"})])
        restore_hold.begin(tx, new_epoch=False)
        return node_state.remove_empty(tx, row)

    assert not db.write(leave)


def test_what_was_reported_before_the_restore_is_not_taken_for_a_report(db: Database, clock: VirtualClock) -> None:
    """The backup was made while the cluster was held."""
    controller_of(db, clock)
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    db.write(lambda tx: restore_hold.mark_reported(tx, resources.get(tx, NODE.key(CLUSTER, "n1"))))
    assert db.write(lambda tx: restore_hold.begin(tx, new_epoch=False)) == []
    assert db.write(lambda tx: restore_hold.begin(tx, new_epoch=True)) == ["n1"]


def test_a_node_that_the_root_sends_during_the_hold_is_waited_for_if_its_agent_was_there(
    db: Database, clock: VirtualClock
) -> None:
    """It joined after the backup: what the root sends again may run on it."""
    controller_of(db, clock)
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    wanted = [node("planned", "r1"), node("joined", "r1", registered=True)]
    states = [OwnerState(str(key_of(each)), "d", [each]) for each in wanted]
    db.write(lambda tx: apply_desired.apply(tx, 1, states))
    assert {each.name for each in db.read(restore_hold.held)} == {"n1", "joined"}


def test_the_hold_of_a_new_database_lasts_until_its_root_and_its_nodes_have_come(db: Database) -> None:
    """It ended at once, because the database knew no node: one without a past then got what runs on others."""
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)).startswith("waits for the root")
    db.write(lambda tx: apply_desired.check_site(tx, "s1"))
    joined = node("n1", "r1", registered=True)
    db.write(lambda tx: apply_desired.apply(tx, 1, [OwnerState(str(key_of(joined)), "d", [joined])]))
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)).startswith("waits until n1 has reported")
    db.write(lambda tx: held_reports.take(tx, CLUSTER, "n1", []))
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)).startswith("waits for the root")
    db.write(restore_hold.note_root_complete)
    assert db.write(lambda tx: adoption.advance(tx, CLUSTER)) == ""


def test_a_node_with_assignments_is_waited_for_without_facts(db: Database, clock: VirtualClock) -> None:
    controller_of(db, clock)
    spec = {"resource": "default/kanto/web-0", "resource_kind": "Compute", "resource_uid": "u", "node": "n2"}
    there = Assignment.model_validate({"name": "u-1", "cluster": CLUSTER, "spec": {**spec, "role": "Owner"}})
    db.write(lambda tx: resources.insert(tx, [node("n2", "r1"), node("n3", "r1")]))
    db.write(lambda tx: resources.insert(tx, [there]))
    assert db.write(lambda tx: restore_hold.begin(tx, new_epoch=True)) == ["n1", "n2"]


def test_a_node_that_was_planned_at_the_backup_and_has_joined_since_is_waited_for(
    db: Database, clock: VirtualClock
) -> None:
    """Its row has not changed at the root, so that it is not sent again; but the root remembers its agent."""
    controller_of(db, clock)
    db.write(lambda tx: resources.insert(tx, [node("n2", "r1"), node("n3", "r1")]))
    db.write(lambda tx: restore_hold.hold_joined(tx, CLUSTER, ["n2"]))
    assert db.read(restore_hold.held) == [], "no hold, nothing to wait for"
    assert db.write(lambda tx: restore_hold.begin(tx, new_epoch=True)) == ["n1"]
    db.write(lambda tx: restore_hold.hold_joined(tx, CLUSTER, ["n1", "n2", "n9"]))
    db.write(restore_hold.note_root_complete)
    db.write(lambda tx: restore_hold.hold_joined(tx, CLUSTER, ["n3"]))
    assert {each.name for each in db.read(restore_hold.held)} == {"n1", "n2"}
    db.write(lambda tx: restore_hold.release(tx, resources.get(tx, NODE.key(CLUSTER, "n2"))))
    db.write(lambda tx: restore_hold.hold_joined(tx, CLUSTER, ["n2"]))
    assert {each.name for each in db.read(restore_hold.held)} == {"n1"}, "it was given up"


@dataclass
class Held:
    """A cluster after a restore."""

    db: Database
    controller: ClusterController
    broken: bool = True

    def fill(self, tx: Transaction) -> None:
        joined = node("n2", "r2").model_copy(update={"state": "Up"})
        resources.insert(tx, [joined.model_copy(update={"observed": {"capacity": SIZE.model_dump()}})])
        capacity.set_total(tx, "n2", SIZE)
        resources.insert(tx, [compute("web-1").model_copy(update={"status": "Initializing"})])

    def report(self, tx: Transaction) -> None:
        """Each node reports the Compute that runs there, which the backup does not know."""
        for of, name in ((compute("web-0"), "n1"), (compute("web-1"), "n2")):
            running = ResourceReport(resource_uid=of.uid, assignment=f"{of.uid}-9", role="Owner", state="Running")
            assert held_reports.take(tx, CLUSTER, name, [running])

    def beat(self, tx: Transaction) -> None:
        processes.beat(tx, dict.fromkeys(("n1", "n2"), (tx.now, True, "")))

    async def pass_over(self) -> None:
        self.db.write(self.beat)
        await self.controller.watch_nodes()
        for _ in range(2):
            await self.controller._work(frozenset(str(key_of(compute(name))) for name in ("web-0", "web-1")))

    def places(self) -> dict[str, str]:
        found = self.db.read(lambda tx: resources.list_all(tx, ASSIGNMENT))
        return {each.spec.resource.rpartition("/")[2]: each.spec.node for each in found}

    def holds(self) -> dict[str, str]:
        return {each.name: each.facts.hold.value for each in self.db.read(lambda tx: resources.list_all(tx, NODE))}


@pytest.fixture
async def one_fails(db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Held:
    """A hold has ended in which the adoption of web-1 met an error that nobody foresaw."""
    settle = adoption.settle
    held = Held(db, controller_of(db, clock))

    def failing(work: UnitOfWork, of: Compute, copies: Sequence[Copy]) -> Copy | None:
        if of.name == "web-1" and held.broken:
            work.edit(of, observed={"node": "half-done"})
            raise ValueError("unforeseen")
        return settle(work, of, copies)

    monkeypatch.setattr(adoption, "settle", failing)
    db.write(held.fill)
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    db.write(held.report)
    await held.pass_over()
    return held


async def test_a_compute_that_cannot_be_adopted_holds_only_its_node_and_is_not_started_elsewhere(
    one_fails: Held,
) -> None:
    db = one_fails.db
    assert not db.read(restore_hold.is_active)
    assert one_fails.places() == {"web-0": "n1"}
    assert one_fails.holds() == {"n1": "", "n2": "Alone"}
    row = db.read(lambda tx: resources.get(tx, key_of(compute("web-1"))))
    assert row.status == "Error"
    assert "internal error (ValueError) when it was adopted" in row.status_reason
    assert "it and n2 stay as they are" in row.status_reason
    assert row.facts.node == "", "nothing of what failed is stored"
    found = db.read(lambda tx: events.of(tx, row.kind, key_of(row).path))
    assert [each.spec.reason for each in found] == ["NotAdopted"]


async def test_a_compute_that_was_set_aside_is_adopted_in_the_next_hold(one_fails: Held) -> None:
    db = one_fails.db
    one_fails.broken = False
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    db.write(one_fails.report)
    await one_fails.pass_over()
    assert one_fails.places() == {"web-0": "n1", "web-1": "n2"}
    assert one_fails.holds() == {"n1": "", "n2": ""}
    assert db.read(restore_hold.set_aside) == set()


async def test_an_operator_who_ends_the_hold_takes_the_database_for_true(one_fails: Held) -> None:
    db = one_fails.db
    assert db.write(restore_hold.skip_reports) == ["n2"]
    await one_fails.pass_over()
    assert one_fails.places().keys() == {"web-0", "web-1"}
    assert db.read(restore_hold.set_aside) == set()


async def test_what_fails_in_the_second_step_of_an_adoption_leaves_nothing_of_the_first(
    db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step had released the node that the backup names; it was not among those that may have the Compute."""
    held = Held(db, controller_of(db, clock))
    assign = adoption._assign

    def failing(work: UnitOfWork, of: Compute, on: str) -> None:
        assign(work, of, on)
        if of.name == "web-0":
            raise ValueError("unforeseen")

    monkeypatch.setattr(adoption, "_assign", failing)
    db.write(held.fill)
    await held.pass_over()
    assert held.places()["web-0"] == "n1", "as the backup has it"
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    running = ResourceReport(resource_uid=compute("web-0").uid, assignment="x-9", role="Owner", state="Running")
    absent = ResourceReport(resource_uid=compute("web-0").uid, assignment="x-1", role="Owner", state="Absent")
    db.write(lambda tx: held_reports.take(tx, CLUSTER, "n1", [absent]))
    db.write(lambda tx: held_reports.take(tx, CLUSTER, "n2", [running]))
    await held.pass_over()
    assert held.places()["web-0"] == "n1"
    assert held.holds() == {"n1": "Alone", "n2": "Alone"}


async def test_what_the_store_refuses_sets_one_compute_aside(
    db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is of the whole transaction: it held the cluster without end."""
    held = Held(db, controller_of(db, clock))
    store = storage.store

    def failing(tx: Transaction, work: UnitOfWork) -> range:
        if any(each.spec.resource.endswith("web-1") for each in work.inserted.values()):
            raise Conflict("owner is taken")
        return store(tx, work)

    db.write(held.fill)
    db.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    db.write(held.report)
    monkeypatch.setattr(storage, "store", failing)
    await held.controller.watch_nodes()
    assert held.places() == {"web-0": "n1"}
    assert held.holds() == {"n1": "", "n2": "Alone"}


async def test_nothing_is_placed_on_a_node_that_has_just_become_alone(one_fails: Held) -> None:
    """Its state is shown as Unknown a moment later; what waited is placed before that."""
    db = one_fails.db
    up = db.read(lambda tx: resources.get(tx, NODE.key(CLUSTER, "n2"))).model_copy(update={"state": "Up"})
    db.write(lambda tx: resources.update(tx, [up]))
    new = [compute(f"web-{number}").model_copy(update={"status": "Initializing"}) for number in (2, 3)]
    db.write(lambda tx: resources.insert(tx, new))
    await one_fails.controller._work(frozenset(str(key_of(each)) for each in new))
    assert {name: node for name, node in one_fails.places().items() if name != "web-0"} == {
        "web-2": "n1",
        "web-3": "n1",
    }


async def test_a_compute_that_is_set_aside_waits_for_as_many_nodes_as_may_have_it(one_fails: Held) -> None:
    db = one_fails.db
    uid = compute("web-1").uid
    db.write(lambda tx: restore_hold.end(tx, {uid: ["n1", "n2"]}))
    db.write(lambda tx: restore_hold.forget_set_aside(tx, "n2"))
    assert db.read(restore_hold.set_aside) == {uid}
    db.write(lambda tx: restore_hold.forget_set_aside(tx, "n1"))
    assert db.read(restore_hold.set_aside) == set()


def test_a_node_that_is_held_for_what_is_set_aside_has_given_no_word(db: Database, clock: VirtualClock) -> None:
    held = Held(db, controller_of(db, clock))
    db.write(held.fill)
    db.write(lambda tx: resources.insert(tx, [node("n3", "r1", registered=True)]))

    def join(tx: Transaction) -> None:
        rows = [row for row in resources.list_all(tx, NODE) if row.name != "n3"]
        joined = [row.model_copy(update={"observed": {**row.observed, "registered": True}}) for row in rows]
        resources.update(tx, joined)

    db.write(join)
    db.write(lambda tx: restore_hold.end(tx, {"u": ["n2"]}))
    assert not db.write(lambda tx: restore_hold.take_word(tx, CLUSTER, "n1"))
    assert db.write(lambda tx: restore_hold.take_word(tx, CLUSTER, "n3")), "the second agent"
