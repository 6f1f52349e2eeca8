"""What one pass of the cluster controller knows and decides, before anything is written.

A ``Plan`` holds the resources that a pass looks at, read in one transaction, and gathers the
changes to them: the rules in ``computes``, ``migration`` and ``loadbalancers`` only edit a plan,
so that they need no database to be tested. ``world`` reads plans and writes them, in one and the
same transaction: a plan is never kept for later.

Not safe for several threads at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from controller.model import registry
from controller.model.assignment import Assignment, AssignmentRole, AssignmentSpec
from controller.model.compute import Compute
from controller.model.event import EventLevel
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Capacity, Node, NumaCell, Share
from controller.model.registry import AnyResource, Key
from controller.schedule import CellFacts, NodeFacts, Snapshot

Workload = Compute | Loadbalancer


@dataclass(frozen=True)
class Happening:
    """An event to be recorded."""

    key: Key
    reason: str
    message: str
    level: EventLevel = EventLevel.NORMAL


@dataclass
class Plan:
    """One pass. ``workloads`` by key; ``assignments`` by name, all those of the workloads."""

    cluster: str
    now: datetime
    workloads: dict[Key, Workload] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    usage: Mapping[str, tuple[Capacity, Capacity]] = field(default_factory=dict)
    """Node to (total, taken)."""
    cell_usage: Mapping[str, Mapping[int, tuple[Capacity, Capacity]]] = field(default_factory=dict)
    """The same of each NUMA cell, for nodes that have several."""
    owned_cpus: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Node to hardware thread to the uid that it is given to."""
    shares: Mapping[tuple[str, str], Share] = field(default_factory=dict)
    """(node, uid) to what it takes there; only ``share`` reads it."""
    standing: Iterable[tuple[str, str]] = ()
    """(service, node) of everything that counts for the rules of the services to be placed."""

    inserted: dict[str, Assignment] = field(default_factory=dict)
    edited: dict[Key, AnyResource] = field(default_factory=dict)
    dropped: dict[Key, AnyResource] = field(default_factory=dict)
    given_back: list[tuple[str, str]] = field(default_factory=list)
    """(node, uid) whose capacity is free again; comes before ``taken``."""
    taken: list[tuple[str, str, Share]] = field(default_factory=list)
    disowned: list[str] = field(default_factory=list)
    """Uids of resources whose owner gave up the permission to run; comes before ``owned``."""
    owned: list[tuple[str, str]] = field(default_factory=list)
    """(uid of the resource, name of the assignment) that gets the permission to run."""
    events: list[Happening] = field(default_factory=list)
    turn_over: bool = False
    """A Compute has had its turn in a rebalance: the next one's may have come."""
    _of: dict[str, dict[str, Assignment]] = field(default_factory=lambda: defaultdict(dict), init=False)

    def __post_init__(self) -> None:
        for assignment in self.assignments.values():
            self._of[assignment.spec.resource_uid][assignment.name] = assignment

    @cached_property
    def snapshot(self) -> Snapshot:
        """The nodes as placement sees them; kept true by this plan's own placements."""
        return self.build_snapshot()

    def build_snapshot(self) -> Snapshot:
        """A snapshot of ``nodes``, ``usage`` and ``standing`` as they are now."""
        return Snapshot((self._facts(node) for node in self.nodes.values()), self.standing)

    def of(self, workload: Workload) -> list[Assignment]:
        """The assignments of a resource, oldest first."""
        mine = self._of.get(workload.uid)
        return sorted(mine.values(), key=lambda each: each.spec.attempt) if mine else []

    def members(self, compute: Compute) -> list[Compute]:
        """The Computes of its service that are to stay, in the form that this pass has given them."""
        return [each for each in self._rows_of(compute) if not each.is_deleting]

    def _rows_of(self, compute: Compute) -> list[Compute]:
        """Of its service, those that this pass knows of."""
        same = (compute.project, compute.region, compute.spec.service)
        found = [each for each in self.workloads.values() if isinstance(each, Compute)]
        return [each for each in found if (each.project, each.region, each.spec.service) == same]

    def edit(
        self,
        resource: AnyResource,
        *,
        spec: Mapping[str, Any] | None = None,
        observed: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Change fields of a resource; in ``observed`` None takes a key away. The same again is no change."""
        if spec and any(getattr(resource.spec, name) != value for name, value in spec.items()):
            fields["spec"] = resource.spec.model_copy(update=dict(spec))
        if observed is not None:
            merged = {**resource.observed, **observed}
            fields["observed"] = {name: value for name, value in merged.items() if value is not None}
        changes = {name: value for name, value in fields.items() if getattr(resource, name) != value}
        for name, value in changes.items():
            setattr(resource, name, value)
        key = registry.key_of(resource)
        if changes and not (isinstance(resource, Assignment) and resource.name in self.inserted):
            self.edited[key] = resource

    def assign(self, workload: Workload, node: str, role: AssignmentRole, share: Share, attempt: int) -> Assignment:
        """Take capacity on the node and make an assignment there."""
        made = Assignment(
            name=f"{workload.uid}-{attempt}",
            cluster=self.cluster,
            project=workload.project,
            status="Creating:Scheduled",
            spec=AssignmentSpec(
                resource_kind=workload.kind,
                resource=registry.key_of(workload).path,
                resource_uid=workload.uid,
                node=node,
                role=role,
                cells=tuple(share.cells),
                cpus=share.cpus,
                attempt=attempt,
                revision=workload.revision,
                desired=workload.spec.model_dump(mode="json"),
            ),
        )
        self.taken.append((node, claim_of(made), share))
        self.assignments[made.name] = self.inserted[made.name] = self._of[workload.uid][made.name] = made
        if role is AssignmentRole.OWNER:
            self.owned.append((owner_of(made), made.name))
        return made

    def give_role(self, assignment: Assignment, role: AssignmentRole, **spec: Any) -> None:
        """Change what a node may do; the permission to run is moved in the database as well."""
        if assignment.spec.role is role:
            return
        if assignment.spec.role is AssignmentRole.OWNER:
            self.disowned.append(owner_of(assignment))
        if role is AssignmentRole.OWNER:
            self.owned.append((owner_of(assignment), assignment.name))
            spec = {"migrate_ready": False, **spec}  # what it was asked as a target
        self.edit(assignment, spec={"role": role, **spec})

    def release(self, assignment: Assignment) -> None:
        """End an assignment: nothing of the resource is left on its node."""
        if assignment.spec.role is AssignmentRole.OWNER:
            self.disowned.append(owner_of(assignment))
        self.given_back.append((assignment.spec.node, claim_of(assignment)))
        key = registry.key_of(assignment)
        del self.assignments[assignment.name], self._of[assignment.spec.resource_uid][assignment.name]
        self.edited.pop(key, None)
        self.dropped[key] = assignment

    def drop(self, workload: Workload) -> None:
        """The resource is gone for good."""
        key = registry.key_of(workload)
        self.workloads.pop(key, None)
        self.edited.pop(key, None)
        self.dropped[key] = workload

    def tell(self, resource: AnyResource, reason: str, message: str, level: EventLevel = EventLevel.NORMAL) -> None:
        """Record an event."""
        self.events.append(Happening(registry.key_of(resource), reason, message, level))

    def warn(self, resource: AnyResource, reason: str, message: str) -> None:
        """Record an event that somebody should look at."""
        self.tell(resource, reason, message, EventLevel.WARNING)

    def share(self, assignment: Assignment) -> Share:
        """What is taken for an assignment on its node."""
        return self.shares.get((assignment.spec.node, claim_of(assignment)), Share())

    def node_state(self, name: str) -> str:
        """Up, Down or Unknown; Unknown for a node that there is not."""
        node = self.nodes.get(name)
        return node.state if node is not None else "Unknown"

    def _facts(self, node: Node) -> NodeFacts:
        total, taken = self.usage.get(node.name, (Capacity(), Capacity()))
        return NodeFacts(
            name=node.name,
            total=total,
            taken=taken,
            state=node.state if node.name in self.usage else "Unknown",  # it has not said what it has
            schedulable=node.spec.schedulable and not node.is_deleting,
            draining=node.spec.drain,
            labels=node.labels,
            zones=node.observed.get("zones", {}),
            providers=frozenset(node.spec.providers or node.observed.get("providers", ())),
            cells=self._cells(node),
        )

    def _cells(self, node: Node) -> tuple[CellFacts, ...]:
        """The NUMA cells that the node's agent has told of, and what is taken of them."""
        told = [NumaCell.model_validate(cell) for cell in node.observed.get("numa", ())]
        owned = self.owned_cpus.get(node.name, {})
        used = self.cell_usage.get(node.name, {}) if len(told) > 1 else {}
        cells = []
        for cell in told:
            total, taken = used.get(cell.cell, (cell.capacity, Capacity()))
            free = tuple(cpu for cpu in cell.pinned_cpus if cpu not in owned)
            cells.append(CellFacts(cell.cell, total, taken, free, cell.pinned_cpus))
        return tuple(cells)


def claim_of(assignment: Assignment) -> str:
    """Under which id the assignment's capacity is taken on its node."""
    return assignment.spec.resource_uid


def owner_of(assignment: Assignment) -> str:
    """What may have one owner only: a Compute as a whole, a Loadbalancer on each node."""
    if assignment.spec.resource_kind == "Loadbalancer":
        return f"{assignment.spec.resource_uid}/{assignment.spec.node}"
    return assignment.spec.resource_uid


def is_gone(assignment: Assignment) -> bool:
    """The node was told to remove what it has, and says that nothing is left."""
    return (
        assignment.spec.role is AssignmentRole.LEAVING
        and assignment.state == "Absent"
        and assignment.observed.get("role") == AssignmentRole.LEAVING
    )
