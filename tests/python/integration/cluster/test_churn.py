"""Churn through the store and the cluster controller's own passes: every step is checked in the database.

The test plays the root (desired states), the agents (reports; migrations arrive or fail) and the nodes that disappear
and return, in process and without waiting. After each step: nothing is given twice, in any dimension, NUMA cell or
pinned cpu; every reservation has its assignment and every assignment its reservation; the owner of the claim is the one
that may run; hard rules hold on whichever node a move ends. ``unit/schedule/test_churn`` makes many more steps, and
checks prefixes too.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.agents import reports
from controller.cluster.moves import rebalance
from controller.cluster.reconcile import node_state
from controller.cluster.reconcile.cluster_controller import ClusterController
from controller.cluster.reconcile.node_state import Seen
from controller.cluster.root_link import apply_desired
from controller.cluster.root_link.service import forget_node
from controller.cluster.unit_of_work import storage
from controller.errors import Conflict, NoRoom
from controller.model.assignment import ASSIGNMENT, Assignment, AssignmentRole
from controller.model.compute import COMPUTE, Compute, Rebalance
from controller.model.node import NODE, Node
from controller.model.registry import key_of
from controller.schedule import Placed, Request, place
from controller.schedule.inputs import columns
from controller.store import capacity, claims, lease, resources
from controller.store.capacity import Taking
from controller.store.changes import Feed
from controller.store.database import Fence, Tier, Transaction
from controller.wire.agent_pb2 import ResourceReport
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node
from tests.python.unit.schedule.churn_fleet import FLAVORS, POLICIES, fleet
from tests.python.unit.schedule.judge import Judge

SEED = "RESOURCE_CHURN_SEED"
FACTS = {facts.name: facts for facts in fleet()}
SIZES: tuple[dict[str, Any], ...] = (
    {"vcpus": 1, "memory_mib": 2048, "disk_gib": 8, "network_mbps": 100},
    {"vcpus": 1, "memory_mib": 512, "disk_gib": 4, "cpu_percent": 29},
    {"vcpus": 4, "memory_mib": 6000, "disk_gib": 20, "disk_mibps": 40},
    {"vcpus": 2, "memory_mib": 3000, "disk_gib": 10, "disk_iops": 300},
    {"vcpus": 2, "memory_mib": 1024, "disk_gib": 8, "cpu_mode": "Pinned", "huge_pages": True},
    {"vcpus": 5, "memory_mib": 3000, "disk_gib": 8, "cpu_mode": "Pinned"},
    {"vcpus": 1, "memory_mib": 1024, "disk_gib": 4, "machine_share": "Cell"},
    {"vcpus": 2, "memory_mib": 1024, "disk_gib": 4, "machine_share": "Machine"},
)


class Play:
    """The root's desired state and everything outside of the controller."""

    def __init__(self, databases: Databases, clock: VirtualClock, seed: int) -> None:
        self.random = random.Random(seed)
        url = databases.url(Tier.CLUSTER)
        self.db = databases.open(url, Tier.CLUSTER, clock, CLUSTER)
        dbs = [self.db]
        if databases.engine == "postgresql":  # several controllers of one tier are for PostgreSQL only
            dbs.append(databases.open(url, Tier.CLUSTER, clock, CLUSTER))
        held = self.db.write(lambda tx: lease.reassign(tx, "cluster-controller", "c1", 0, 1e6))
        self.fence = Fence("cluster-controller", held.term)
        self.controllers = [
            (db, ClusterController(db, Feed(db, clock), self.fence, cluster=CLUSTER, clock=clock)) for db in dbs
        ]
        self.desired: dict[str, dict[int, Compute]] = {}
        self.judges: dict[str, Judge] = {}
        self.incomplete: set[str] = set()
        self.made = 0
        self.seen: Counter[str] = Counter()
        self.db.write(self._fill)

    def _fill(self, tx: Transaction) -> None:
        for facts in FACTS.values():
            made = node(facts.name, facts.zones["rack"], providers=tuple(sorted(facts.providers)))
            cells = [
                {
                    "cell": cell.number,
                    "cpus": [100 * cell.number + 50 + at for at in range(int(cell.total.vcpus))],
                    "pinned_cpus": list(cell.pinned_cpus),
                    "memory_mib": cell.total.memory_mib,
                    "hugepages_mib": cell.total.hugepages_mib,
                }
                for cell in facts.cells
            ]
            observed = {"zones": {**facts.zones, "node": facts.name}, "numa": cells, "migration_address": "a:1"}
            state = {"labels": dict(facts.labels), "observed": observed, "state": "Up", "status": "Active"}
            resources.insert(tx, [made.model_copy(update=state)])
            capacity.set_total(tx, facts.name, facts.total, {cell.number: cell.total for cell in facts.cells})

    # --- the root

    def send_desired(self, *services: str) -> None:
        states = []
        for service in services:
            self.made += 1
            documents = list(self.desired[service].values())
            owner = f"RegionService default/kanto/{service}"
            states.append(apply_desired.OwnerState(owner, f"d{self.made}", documents, gone=not documents))
        self.db.write(lambda tx: apply_desired.apply(tx, 1, states))
        taken_in = self.db.read(apply_desired.digests)
        for each in states:
            name = each.owner.rpartition("/")[2]
            self.incomplete.discard(name)
            if each.documents and taken_in.get(each.owner) != each.digest:
                self.incomplete.add(name)
            if not each.documents:
                del self.desired[name]

    def add(self, service: str, index: int, like: Compute | None = None) -> None:
        self.made += 1
        fields = like.spec.model_dump(include={"sizes", "schedule_policy", "on_node_down", "provider"}) if like else {}
        if like is None:
            policy = self.random.choice(POLICIES)
            fields = {"sizes": self.random.choice(SIZES), "schedule_policy": policy, "provider": "libvirt"}
            fields["on_node_down"] = self.random.choice(("Rebuild", "Rebuild", "None"))
        made = compute(f"{service}-{index}", **fields).model_copy(update={"uid": f"{self.made:032x}"})
        self.judges[service] = Judge(FACTS, made.spec.schedule_policy)
        self.desired[service][index] = made

    def create(self) -> None:
        new = []
        for _ in range(self.random.choice((1, 1, 3))):
            new.append(f"s{self.made}")
            self.desired[new[-1]] = {}
            self.add(new[-1], 0)
            for index in range(1, self.random.randint(1, 6)):
                self.add(new[-1], index, self.desired[new[-1]][0])
        self.send_desired(*new)
        self.control()

    def scale(self) -> None:
        if service := self._any():
            mine = self.desired[service]
            if self.random.random() < 0.5:
                index = next(at for at in range(len(mine) + 1) if at not in mine)
                self.add(service, index, next(iter(mine.values())))
            else:
                del mine[max(mine)]
            self.send_desired(service)
            self.control()

    def delete_by_name(self) -> None:
        if service := self._any():
            del self.desired[service][self.random.choice(list(self.desired[service]))]
            self.send_desired(service)

    def delete_service(self) -> None:
        if service := self._any():
            self.desired[service].clear()
            self.send_desired(service)

    def rebalance(self) -> None:
        """Plan, and request the moves as the root's API does."""
        service = self._any()
        rows = {key_of(each) for each in self.computes() if each.spec.service == service}
        if service is None or not rows or service in self.incomplete:
            return

        def look(tx: Transaction) -> list[tuple[str, str]]:
            plan = storage.load(tx, CLUSTER, rows)
            found = [each for each in plan.workloads.values() if isinstance(each, Compute)]
            found = [each for each in found if not each.status.startswith("Deleting")]
            return [(move.resource, move.target) for move in rebalance.preview(plan, found, 2).moves]

        moves = self.db.read(look)
        for order, (name, target) in enumerate(moves):
            index = int(name.rpartition("-")[2])
            spec = self.desired[service][index].spec
            asked = {"migrations": spec.migrations + 1, "migrate_to": target, "rebalance": Rebalance(order=order)}
            changed = {"spec": spec.model_copy(update=asked)}
            self.desired[service][index] = self.desired[service][index].model_copy(update=changed)
        self.seen["moves requested"] += len(moves)
        self.send_desired(service)
        self.control()

    def _any(self) -> str | None:
        return self.random.choice(list(self.desired)) if self.desired else None

    # --- the controller; on PostgreSQL two of them at the same moment

    def control(self) -> None:
        if self.incomplete:
            self.send_desired(*sorted(self.incomplete & set(self.desired)))
        keys = frozenset(str(key_of(each)) for each in self.computes())
        work = [(db, controller) for db, controller in self.controllers]
        if len(work) == 1:
            work[0][0].write(lambda tx: work[0][1]._pass(tx, keys), fence=self.fence)
            return
        with ThreadPoolExecutor(len(work)) as threads:
            running = [threads.submit(db.write, partial(one._pass, keys=keys), fence=self.fence) for db, one in work]
            for each in running:
                each.result()

    def drain_on(self) -> None:
        names = sorted(each.name for each in self.rows() if each.spec.drain or "drain" in each.observed)
        if names:
            _, controller = self.controllers[0]
            self.db.write(lambda tx: controller._drain_all(tx, names), fence=self.fence)

    def two_stale(self) -> None:
        """Both look, then both write: the second gets all that it drew up, or nothing."""
        looks = [self.db.read(lambda tx: storage.snapshot(tx, CLUSTER, [])) for _ in range(2)]
        kept: list[tuple[str, str]] = []
        for number, snapshot in enumerate(looks):
            wanted = []
            for at in range(6):
                need, share = self.random.choice(FLAVORS)
                wanted.append(Request(f"x{number}-{at}", f"x{number}-{at}", 0, need, "libvirt", machine_share=share))
            answers = [each for each in place(snapshot, wanted) if isinstance(each, Placed)]
            takings = [Taking(each.node, each.request.key, each.share) for each in answers]
            before = self.db.read(capacity.takings)
            try:
                self.db.write(partial(capacity.take, wanted=takings))
                kept += [(each.node, each.uid) for each in takings]
            except (NoRoom, Conflict):
                assert number == 1, "nothing had changed since it looked"
                assert self.db.read(capacity.takings) == before
                self.seen["lost the race"] += 1
        self.db.read(self._check_capacity)
        self.db.write(lambda tx: capacity.give_back(tx, kept))

    # --- agents and nodes

    def agents(self) -> None:
        """What is on nodes that are up is done and reported, but for a few that are slow."""
        up = {each.name for each in self.rows() if each.state == "Up"}
        told = {}
        for each in self.assignments():
            if each.spec.node in up and self.random.random() < 0.8:
                told[each.name] = each.spec.node, self._report(each)
        self.db.write(lambda tx: reports.write(tx, CLUSTER, told))
        self.control()

    def _report(self, item: Assignment) -> ResourceReport:
        spec = item.spec
        said = ResourceReport(assignment=item.name, resource_uid=spec.resource_uid, role=spec.role)
        said.revision, said.ready = spec.revision, spec.migrate_ready
        said.status, said.state, said.attempt = "Active", "Running", spec.migrate_attempt
        if spec.role is AssignmentRole.LEAVING:
            said.status, said.state = "Deleting:Scheduled", "Absent"
        elif spec.role is AssignmentRole.INCOMING:
            said.status, said.state, said.migration, said.attempt = "Creating:Scheduled", "Absent", "Prepared", 0
            said.attempt = spec.attempt
        elif spec.migrate_to and spec.migrate_ready:
            fails = self.random.random() < 0.2
            said.migration, said.state = ("Failed", "Running") if fails else ("Sent", "Absent")
            self.seen["failed" if fails else "sent"] += 1
        return said

    def node_down_or_back(self) -> None:
        rows = self.rows()
        down = [each.name for each in rows if each.state == "Down"]
        name = down[0] if len(down) > 2 or (down and self.random.random() < 0.5) else self.random.choice(rows).name
        word = "Up" if name in down else "Down"
        self.db.write(lambda tx: node_state.write(tx, CLUSTER, {name: Seen(word, "")}))

    def forget(self) -> None:
        for each in [each for each in self.rows() if each.state == "Down"][:1]:
            name = each.name

            def give_up(tx: Transaction, name: str = name) -> None:
                forget_node(tx, CLUSTER, "s1", 1, name, connected=lambda _: False, down_after=60.0)
                node_state.write(tx, CLUSTER, {name: Seen("Up", "created again")})

            self.db.write(give_up)
            self.seen["forgotten"] += 1
            self.control()

    def drain(self) -> None:
        rows = self.rows()
        leaving = [each for each in rows if each.spec.drain]
        chosen = leaving or self.random.sample(rows, 2)
        asked = {"drain": not leaving, "schedulable": bool(leaving)}
        changed = [
            each.model_copy(update={"spec": each.spec.model_copy(update=asked)}) for each in chosen
        ]  # as the root does
        self.db.write(lambda tx: resources.update(tx, changed))
        self.drain_on()

    def step(self) -> str:
        full = sum(map(len, self.desired.values())) > 45
        steps = {
            self.create: 0.3 if full else 2, self.scale: 2, self.delete_by_name: 1, self.delete_service: 1.2,
            self.rebalance: 1, self.drain_on: 2, self.two_stale: 0.5, self.agents: 7, self.node_down_or_back: 1,
            self.forget: 0.3, self.drain: 0.7,
        }  # fmt: skip
        (chosen,) = self.random.choices(list(steps), list(steps.values()))
        chosen()
        self.seen[chosen.__name__] += 1
        return chosen.__name__

    # --- what must hold

    def computes(self) -> list[Compute]:
        return self.db.read(lambda tx: resources.list_all(tx, COMPUTE))

    def assignments(self) -> list[Assignment]:
        return self.db.read(lambda tx: resources.list_all(tx, ASSIGNMENT))

    def rows(self) -> list[Node]:
        return self.db.read(lambda tx: resources.list_all(tx, NODE))

    def check(self) -> None:
        self.db.read(self._check)

    def _check(self, tx: Transaction) -> None:
        self._check_capacity(tx)
        fields = ("name", "spec.node", "spec.resource_uid", "spec.role")
        items = resources.texts(tx, "Assignment", fields, given="spec.node")
        assert {(at, uid) for _, at, uid, _ in items} == set(capacity.takings(tx)), (
            "a reservation, or its owner, is lost"
        )
        owners = {uid: name for name, _, uid, role in items if role == "Owner"}
        assert claims.taken(tx, "owner") == owners
        facts = ("uid", "spec.service", "status", "observed.node", "observed.migrating_to")
        places: dict[str, list[list[str]]] = defaultdict(list)
        known = set()
        for uid, service, status, *at in resources.texts(tx, "Compute", facts, given="uid"):
            known.add(uid)
            if service and not str(status).startswith("Deleting") and at[0]:
                places[service].append([name for name in at if name])
                assert (at[0], uid) in {(where, whose) for _, where, whose, _ in items}, f"{uid} has nothing on {at[0]}"
        assert {uid for _, _, uid, _ in items} <= known, "an assignment of what is gone"
        for service, each in places.items():
            broken = self.judges[service].broken(each)
            assert not broken, f"{service}: {broken}"

    def _check_capacity(self, tx: Transaction) -> None:
        taken: dict[str, list[int]] = defaultdict(lambda: [0] * 8)
        cells: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0] * 8)
        cpus: Counter[tuple[str, int]] = Counter()
        for (name, _), share in capacity.takings(tx).items():
            taken[name] = [a + b for a, b in zip(taken[name], columns(share.size), strict=True)]
            cpus.update((name, cpu) for cpu in share.cpus)
            for number, part in share.cells.items():
                row = cells[name, number]
                cells[name, number] = [a + b for a, b in zip(row, columns(part), strict=True)]
        assert set(cpus.values()) <= {1}
        for name, facts in FACTS.items():
            assert all(a <= b for a, b in zip(taken[name], columns(facts.total), strict=True)), f"{name}: {taken[name]}"
            for cell in facts.cells if len(facts.cells) > 1 else ():
                row = cells[name, cell.number]
                assert all(a <= b for a, b in zip(row, columns(cell.total), strict=True)), f"{name}: cell {cell.number}"
                assert row[1] == sum((name, cpu) in cpus for cpu in cell.pinned_cpus)
        assert {name: columns(use.taken) for name, use in capacity.usage(tx).items()} == {
            name: tuple(taken[name]) for name in FACTS
        }


def walk(play: Play, seed: int, steps: int) -> None:
    for number in range(steps):
        name = ""
        try:
            name = play.step()
            play.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {number} ({name or 'within'}): {error}") from error


pytestmark = pytest.mark.design("I1", "I3", "I5", "J8", "J10", "F3", "K3")


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_given_twice_and_no_rule_is_broken(
    sqlite_databases: Databases, clock: VirtualClock, seed: int
) -> None:
    play = Play(sqlite_databases, clock, seed)
    walk(play, seed, 450)
    for what in ("sent", "failed", "forgotten", "moves requested", "drain", "two_stale", "lost the race"):
        assert play.seen[what], f"{what} never happened"


def test_a_new_seed(sqlite_databases: Databases, clock: VirtualClock) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1 << 32))
    sys.stderr.write(f"to walk this again: {SEED}={seed}\n")
    walk(Play(sqlite_databases, clock, seed), seed, 150)


@pytest.mark.parametrize("seed", [3])
def test_two_controllers_at_the_same_moment(databases: Databases, clock: VirtualClock, seed: int) -> None:
    """On PostgreSQL two of one term pass over the same at once."""
    walk(Play(databases, clock, seed), seed, 60)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 110))
def test_ten_times_as_far(sqlite_databases: Databases, clock: VirtualClock, seed: int) -> None:
    walk(Play(sqlite_databases, clock, seed), seed, 2000)
