"""A cell in memory: nodes, Computes and what is on the way, for tests of drains and rebalancing.

Plans are made of it and applied to it as the database would; migrations arrive, fail or stay under
way as the test says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.cluster.moves import drain
from controller.cluster.moves.drain import Drained, Limits
from controller.cluster.moves.spread import Spread, Topology
from controller.cluster.unit_of_work.service_computes import counted_nodes
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.compute import Compute
from controller.model.node import Capacity, Node, Share
from controller.model.registry import key_of
from controller.schedule import need_of
from tests.python.integration.cluster.site import CLUSTER, compute, node

TOTAL = Capacity(vcpus=4, memory_mib=4096, disk_gib=40)
Rule = dict[str, Any]


def apart(axis: str, *, hard: bool = True) -> Rule:
    return {"axis": axis, "mode": "AntiAffinity", "hard": hard}


def together(axis: str, *, hard: bool = True) -> Rule:
    return {"axis": axis, "mode": "Affinity", "hard": hard}


class Cell:
    """Nodes ``<rack>-<number>``; Computes ``<service>-<index>``."""

    def __init__(self, racks: Mapping[str, int], *, power: Mapping[str, str] | None = None) -> None:
        self.nodes: dict[str, Node] = {}
        for rack, number in racks.items():
            for each in range(1, number + 1):
                made = node(f"{rack}-{each}", rack)
                made.observed["zones"]["power"] = (power or {}).get(rack, "A")
                self.nodes[made.name] = made.model_copy(update={"state": "Up", "status": "Active"})
        self.totals: dict[str, Capacity] = {}
        """Of nodes that have not TOTAL."""
        self.computes: dict[str, Compute] = {}
        self.assignments: dict[str, Assignment] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def run(self, name: str, on: str, rules: Iterable[Rule] = (), **spec: Any) -> Compute:
        """A Compute that runs on a node."""
        policy = {"rules": list(rules), **spec.pop("schedule_policy", {})}
        made = compute(name, schedule_policy=policy, **spec)
        made = made.model_copy(update={"status": "Active", "state": "Running", "observed": {"node": on}})
        owner = UnitOfWork(CLUSTER, self.now).assign(made, on, AssignmentRole.OWNER, Share(), 1)
        self.assignments[owner.name] = owner.model_copy(update={"status": "Active", "state": "Running"})
        self.computes[name] = made
        return made

    def set(self, name: str, **spec: Any) -> None:
        """Change what is asked of a node."""
        found = self.nodes[name]
        self.nodes[name] = found.model_copy(update={"spec": found.spec.model_copy(update=spec)})

    def set_draining(self, *names: str) -> None:
        for name in names:
            self.set(name, drain=True, schedulable=False)

    @property
    def draining(self) -> list[str]:
        return [name for name, each in self.nodes.items() if each.spec.drain]

    def work(self) -> UnitOfWork:
        """A plan of everything."""
        usage = {name: (self.totals.get(name, TOTAL), Capacity()) for name in self.nodes}
        by_uid = {each.uid: each for each in self.computes.values()}
        for assignment in self.assignments.values():
            total, taken = usage[assignment.spec.node]
            need = need_of(by_uid[assignment.spec.resource_uid].spec)
            fields = {name: getattr(taken, name) + getattr(need, name) for name in Capacity.model_fields}
            usage[assignment.spec.node] = total, Capacity(**fields)
        counted = [(each.service_path, node) for each in self.computes.values() for node in counted_nodes(each)]
        return UnitOfWork(
            cluster=CLUSTER,
            now=self.now,
            workloads={key_of(each): each for each in self.computes.values()},
            assignments=dict(self.assignments),
            nodes=dict(self.nodes),
            usage=usage,
            counted=counted,
        )

    def apply(self, work: UnitOfWork) -> None:
        self.assignments = work.assignments
        for made in work.inserted.values():
            made.uid = made.name

    def step(self, limits: Limits | None = None) -> dict[str, Drained]:
        """One step of all drains."""
        work = self.work()
        result = drain.advance(work, self.draining, limits or Limits())
        self.apply(work)
        return result

    def moving(self) -> dict[str, tuple[str, str]]:
        """Compute to (from, to) of what is under way."""
        return {
            name: (each.observed["node"], each.observed["migrating_to"])
            for name, each in self.computes.items()
            if each.observed.get("migrating_to")
        }

    def arrive(self, name: str) -> None:
        """The migration of a Compute ends well."""
        moved = self.computes[name]
        source, target = self.moving()[name]
        for assignment in [each for each in self.assignments.values() if each.spec.resource_uid == moved.uid]:
            if assignment.spec.node == source:
                del self.assignments[assignment.name]
            else:
                spec = assignment.spec.model_copy(update={"role": AssignmentRole.OWNER})
                changes = {"spec": spec, "status": "Active", "state": "Running"}
                self.assignments[assignment.name] = assignment.model_copy(update=changes)
        moved.observed = {
            **{key: value for key, value in moved.observed.items() if not key.startswith("migrat")},
            "node": target,
            "migrations": moved.spec.migrations,
        }

    def shift(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def on(self, service: str = "web") -> dict[str, str]:
        """Compute to node, in index order."""
        found = [each for each in self.computes.values() if each.spec.service == service]
        return {each.name: each.observed["node"] for each in sorted(found, key=lambda each: each.spec.index)}

    def racks(self, service: str = "web") -> Counter[str]:
        return Counter(place.rpartition("-")[0] for place in self.on(service).values())

    def spread(self, service: str = "web") -> Spread:
        policy = next(each.spec.schedule_policy for each in self.computes.values() if each.spec.service == service)
        return Spread(policy, Topology(self.nodes))

    def broken(self) -> int:
        """Hard rules that are broken while everything that moves counts on both of its nodes."""
        total = 0
        for service in {each.spec.service for each in self.computes.values()}:
            places = [*self.on(service).values()]
            members = set(self.on(service))
            for name, (_, target) in self.moving().items():
                if name in members:
                    others = [place for other, place in self.on(service).items() if other != name]
                    total += self.spread(service).violations([*others, target])
            total += self.spread(service).violations(places)
        return total

    def overcommitted(self) -> list[str]:
        work = self.work()
        return [
            name
            for name, (total, taken) in work.usage.items()
            if any(getattr(taken, field) > getattr(total, field) for field in Capacity.model_fields)
        ]
