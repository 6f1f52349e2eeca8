"""Hosts, agents and the ways between them, for one Compute: small enough to try every bad order.

The hypervisors live by themselves: a migration that was begun goes on, ends or breaks whatever
happens to the agent that began it. Agents forget everything in a crash but what they keep on disk:
their assignments and the journal of migrations. Reports may be lost, doubled, late and in any
order; assignments may be lost, but not overtake each other (one stream).

A machine carries the identity of its disks, so that a machine created again where another existed is
seen as the loss that it is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.cluster.agents.reports import apply_report
from controller.cluster.moves.node_loss import forget
from controller.cluster.reconcile import computes
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute, ComputeSpec, OnNodeDown
from controller.model.node import Capacity, Node, NodeSpec, Share
from controller.model.registry import key_of
from controller.wire.agent_pb2 import ResourceReport

NODES = ("n1", "n2", "n3")
UID = "0198c0ffee"
NEED = {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}


@dataclass
class Machine:
    """A copy on a host."""

    disks: int
    state: str
    reason: str = ""


@dataclass
class Job:
    """A migration that the hypervisors carry out."""

    source: str
    target: str
    attempt: int
    arrived: bool = False


@dataclass
class Agent:
    """What an agent knows; ``items`` and ``journal`` are on disk."""

    items: list[Assignment] = field(default_factory=list)
    journal: dict[int, str] = field(default_factory=dict)
    confirmed: bool = False
    succeeded: set[int] = field(default_factory=set)


class World:
    """One Compute, three nodes."""

    def __init__(self, on_node_down: OnNodeDown = OnNodeDown.NONE) -> None:
        spec = ComputeSpec.model_validate(
            {
                "service": "web",
                "index": 0,
                "host_name": "web-0.default.kanto",
                "cluster": "tokyo1",
                "provider": "memory",
                "sizes": NEED,
                "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
                "on_node_down": on_node_down,
            }
        )
        self.compute: Compute | None = Compute(name="web-0", region="kanto", uid=UID, status="Initializing", spec=spec)
        self.nodes = {
            name: Node(
                name=name,
                cluster="tokyo1",
                state="Up",
                spec=NodeSpec(providers=("memory",)),
                observed={"zones": {"rack": f"rack-{name}"}, "migration_address": f"{name}:1"},
            )
            for name in NODES
        }
        self.assignments: dict[str, Assignment] = {}
        self.claims: dict[tuple[str, str], Capacity] = {}
        self.owners: dict[str, str] = {}
        self.hosts: dict[str, Machine | None] = dict.fromkeys(NODES)
        self.agents = {name: Agent() for name in NODES}
        self.jobs: list[Job] = []
        self.reports: list[tuple[str, ResourceReport]] = []
        self.disks = itertools.count(1)
        self.lost_host = False

    # -- the controller -------------------------------------------------------------------------

    def control(self) -> None:
        """One pass of the controller."""
        work = self.work()
        if self.compute is not None:
            computes.reconcile(work, [self.compute])
        self.apply(work)

    def work(self) -> UnitOfWork:
        usage = {}
        for name in self.nodes:
            taken = [size for (node, _), size in self.claims.items() if node == name]
            usage[name] = (
                Capacity(vcpus=4, memory_mib=4096, disk_gib=10),
                Capacity(
                    vcpus=sum(size.vcpus for size in taken),
                    memory_mib=sum(size.memory_mib for size in taken),
                    disk_gib=sum(size.disk_gib for size in taken),
                ),
            )
        if self.compute is not None:
            self.compute = self.compute.model_copy(deep=True)
        return UnitOfWork(
            cluster="tokyo1",
            now=datetime(2026, 1, 1, tzinfo=UTC),
            workloads={key_of(self.compute): self.compute} if self.compute is not None else {},
            assignments={name: each.model_copy(deep=True) for name, each in self.assignments.items()},
            nodes=dict(self.nodes),
            usage=usage,
            shares={pair: Share(size) for pair, size in self.claims.items()},
        )

    def apply(self, work: UnitOfWork) -> None:
        """Write a plan as the database would: capacity and the permission to run are taken once only."""
        for pair in work.given_back:
            self.claims.pop(pair, None)
        for node, uid, share in work.taken:
            assert (node, uid) not in self.claims, "capacity taken twice"
            self.claims[node, uid] = share.size
        for uid in work.disowned:
            self.owners.pop(uid, None)
        for uid, name in work.owned:
            assert uid not in self.owners, "two owners"
            self.owners[uid] = name
        self.assignments = work.assignments
        if not work.workloads:
            self.compute = None

    def forget(self, node: str) -> None:
        """The node burns down, is fenced and forgotten."""
        self.hosts[node] = None
        self.agents[node] = Agent()
        self.lost_host = True
        for job in [job for job in self.jobs if node in (job.source, job.target)]:
            self._break_job(job, source_pauses=False)
        self.hosts[node] = None
        self.nodes[node].state = "Down"
        work = self.work()
        forget(work, node)
        self.apply(work)

    # -- the ways between -----------------------------------------------------------------------

    def deliver_assignments(self, node: str) -> None:
        """The agent gets its present set."""
        agent = self.agents[node]
        agent.items = [each.model_copy(deep=True) for each in self.assignments.values() if each.spec.node == node]
        agent.confirmed = True

    def deliver_report(self, number: int, *, keep: bool = False) -> None:
        """One of the reports under way arrives; ``keep``: it will come again."""
        name, report = self.reports[number] if keep else self.reports.pop(number)
        assignment = self.assignments.get(name)
        if assignment is not None:
            self.assignments[name] = apply_report(assignment, report) or assignment

    # -- the hypervisors ------------------------------------------------------------------------

    def job_of(self, node: str) -> Job | None:
        return next((job for job in self.jobs if node in (job.source, job.target)), None)

    def progress(self, job: Job) -> None:
        """Take a migration one step on: all arrived, then the source's copy goes."""
        source, target = self.hosts[job.source], self.hosts[job.target]
        if source is None or target is None:
            self._break_job(job, source_pauses=False)
        elif not job.arrived:
            source.state, source.reason = "Paused", "migration"
            target.state, target.reason = "Paused", "user"
            job.arrived = True
        else:
            self.hosts[job.source] = None
            self.agents[job.source].succeeded.add(job.attempt)
            self.jobs.remove(job)

    def fail_job(self, job: Job, how: str) -> None:
        """A hypervisor dies: during the copy, or at the finish on the source's or the target's side."""
        if how == "source at finish" and job.arrived:
            self.jobs.remove(job)  # source paused by migration, target complete, nothing under way
        elif how == "both":
            self._break_job(job, source_pauses=True)
        elif how == "definition left" and job.arrived:
            self._break_job(job, source_pauses=False)
            self.hosts[job.target] = Machine(0, "Stopped")
        else:
            self._break_job(job, source_pauses=False)

    def _break_job(self, job: Job, *, source_pauses: bool) -> None:
        source = self.hosts[job.source]
        if source is not None:
            state = ("Paused", "migration") if source_pauses else ("Running", "")
            source.state, source.reason = state
        self.hosts[job.target] = None
        self.jobs.remove(job)

    # -- the agents -----------------------------------------------------------------------------

    def crash_agent(self, node: str) -> None:
        agent = self.agents[node]
        agent.confirmed = False
        agent.succeeded = set()

    def act(self, node: str) -> None:
        """One round of the agent: look, do the next thing, report."""
        agent = self.agents[node]
        for item in agent.items:
            match item.spec.role:
                case AssignmentRole.OWNER:
                    phase = self._act_as_owner(node, agent, item)
                case AssignmentRole.INCOMING:
                    phase = self._act_as_target(node, agent, item)
                case AssignmentRole.LEAVING:
                    phase = ""
                    if self.job_of(node) is None:
                        self.hosts[node] = None
            self._report(node, item, phase)
        if not agent.items and agent.confirmed and self.job_of(node) is None:
            self.hosts[node] = None

    def _act_as_owner(self, node: str, agent: Agent, item: Assignment) -> str:
        attempt, machine = item.spec.migrate_attempt, self.hosts[node]
        runs = machine is not None and machine.state == "Running"
        if not item.spec.migrate_to:
            self._keep_running(node, agent)
            return ""
        known = agent.journal.get(attempt, "")
        if not known and item.spec.migrate_ready and runs and self.job_of(node) is None:
            agent.journal[attempt] = known = "Sending"
            self._send(node, item.spec.migrate_to, attempt)
        elif known == "Sending" and self.job_of(node) is None:
            known = "Failed" if runs else "Sent" if attempt in agent.succeeded else "Unclear"
        elif known == "Unclear" and runs:
            known = "Failed"
        if known:
            agent.journal[attempt] = known
        if known in ("", "Failed"):
            self._keep_running(node, agent)
        return known

    def _keep_running(self, node: str, agent: Agent) -> None:
        machine = self.hosts[node]
        given_away = any(phase not in ("Failed", "Prepared") for phase in agent.journal.values())
        if machine is not None and machine.state == "Running":
            return
        if not agent.confirmed and (given_away or (machine is not None and machine.reason == "migration")):
            return
        if machine is None:
            self.hosts[node] = Machine(next(self.disks), "Running")
        elif machine.reason != "incoming" and self.job_of(node) is None:
            machine.state, machine.reason = "Running", ""

    def _act_as_target(self, node: str, agent: Agent, item: Assignment) -> str:
        if item.spec.attempt not in agent.journal:
            machine = self.hosts[node]
            if machine is not None and machine.state != "Stopped":
                return ""
            self.hosts[node] = None
            agent.journal[item.spec.attempt] = "Prepared"
        return agent.journal[item.spec.attempt]

    def _send(self, node: str, to: str, attempt: int) -> None:
        source = self.hosts[node]
        assert source is not None
        if self.hosts[to] is None and self.nodes[to].state != "Down" and attempt in self.agents[to].journal:
            self.hosts[to] = Machine(source.disks, "Paused", "incoming")
            self.jobs.append(Job(node, to, attempt))

    def _report(self, node: str, item: Assignment, phase: str) -> None:
        machine = self.hosts[node]
        owner = item.spec.role is AssignmentRole.OWNER
        runs = machine is not None and machine.state == "Running"
        report = ResourceReport(
            assignment=item.name,
            resource_uid=UID,
            revision=1 if machine else 0,
            status="Active" if owner and (runs or phase) else "Creating:Scheduled",
            state=machine.state if machine else "Absent",
            state_reason=machine.reason if machine else "",
            migration=phase,
            role=item.spec.role,
            ready=item.spec.migrate_ready,
            attempt=item.spec.attempt if item.spec.role is AssignmentRole.INCOMING else item.spec.migrate_attempt,
        )
        self.reports.append((item.name, report))

    # -- what must hold -------------------------------------------------------------------------

    def running(self) -> list[str]:
        return [name for name, machine in self.hosts.items() if machine is not None and machine.state == "Running"]

    def check(self) -> None:
        """What holds at every step."""
        assert len(self.running()) <= 1, f"two copies run: {self.running()}"
        owners = [each.name for each in self.assignments.values() if each.spec.role is AssignmentRole.OWNER]
        assert sorted(self.owners.values()) == owners
        assert set(self.claims) == {(each.spec.node, UID) for each in self.assignments.values()}
        if not self.lost_host:
            assert self.fresh_machines() <= 1, "a machine was created again, its disks are lost"

    def fresh_machines(self) -> int:
        following = next(self.disks)
        self.disks = itertools.chain([following], self.disks)  # type: ignore[assignment]
        return following - 1

    def settle(self, rounds: int = 40) -> None:
        """No more faults: everything is delivered and goes on until nothing changes any more."""
        before: object = None
        for _ in range(rounds):
            self.turn()
            for job in list(self.jobs):
                self.progress(job)
                self.check()
            while self.reports:
                self.deliver_report(0)
                self.control()
            after = (str(self.compute), str(self.assignments), str(self.hosts), str(self.jobs))
            if after == before:
                return
            before = after
        raise AssertionError(f"still changing: {before}")

    def turn(self) -> None:
        """The controller and every agent do one thing."""
        self.control()
        for node in NODES:
            if self.nodes[node].state != "Down":
                self.deliver_assignments(node)
                self.act(node)
            self.check()

    def ask_to_migrate(self, to: str | None = None) -> None:
        """Wish for one more migration."""
        assert self.compute is not None
        requested = {"migrations": self.compute.spec.migrations + 1, "migrate_to": to}
        self.compute.spec = self.compute.spec.model_copy(update=requested)
        self.control()

    def begin_to_send(self) -> None:
        """Go on with a migration until the hypervisors have the job."""
        for _ in range(10):
            self.turn()
            while self.reports:
                self.deliver_report(0)
            if self.jobs:
                return
        raise AssertionError("no migration began")
