"""What one pass of the cluster controller has read and decides, before anything is written.

A ``UnitOfWork`` holds the resources that a pass works on, read in one transaction, and collects the
changes to them. The rules in ``computes``, ``migration`` and ``loadbalancers`` only edit a unit of
work, so that their tests need no database. ``storage`` loads and stores it in one transaction; it
is never kept for later.

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
from controller.model.node import Capacity, Node, NodeHold, Share
from controller.model.registry import AnyResource, Key
from controller.schedule import CellFacts, NodeFacts, Snapshot

Workload = Compute | Loadbalancer


@dataclass(frozen=True)
class PendingEvent:
    """An event that ``store`` records."""

    key: Key
    reason: str
    message: str
    level: EventLevel = EventLevel.NORMAL


@dataclass
class UnitOfWork:
    """One pass: ``workloads`` by key, and all their ``assignments`` by name."""

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
    counted: Iterable[tuple[str, str]] = ()
    """(service, node) of every Compute that counts for the rules of the services to be placed."""

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
    events: list[PendingEvent] = field(default_factory=list)
    turn_taken: bool = False
    """A Compute has taken its turn in a rebalance: the turn of the next one may have come."""
    _of: dict[str, dict[str, Assignment]] = field(default_factory=lambda: defaultdict(dict), init=False)

    def __post_init__(self) -> None:
        for assignment in self.assignments.values():
            self._of[assignment.spec.resource_uid][assignment.name] = assignment

    @cached_property
    def snapshot(self) -> Snapshot:
        """Return the nodes as placement sees them, with the placements of this pass."""
        return self.build_snapshot()

    def build_snapshot(self) -> Snapshot:
        """Return a new snapshot of ``nodes``, ``usage`` and ``counted``."""
        return Snapshot((self._facts(node) for node in self.nodes.values()), self.counted)

    def of(self, workload: Workload) -> list[Assignment]:
        """Return the assignments of a resource, oldest first."""
        mine = self._of.get(workload.uid)
        return sorted(mine.values(), key=lambda each: each.spec.attempt) if mine else []

    def members(self, compute: Compute) -> list[Compute]:
        """Return the Computes of its service that are not being deleted, with the edits of this pass."""
        return [each for each in self._rows_of(compute) if not each.is_deleting]

    def _rows_of(self, compute: Compute) -> list[Compute]:
        """Return those of its service that this pass has read."""
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
        """Change fields of a resource; None in ``observed`` removes a key. Equal values are no change."""
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
        """Change what a node may do with the resource; ``store`` moves the permission to run with it."""
        if assignment.spec.role is role:
            return
        if assignment.spec.role is AssignmentRole.OWNER:
            self.disowned.append(owner_of(assignment))
        if role is AssignmentRole.OWNER:
            self.owned.append((owner_of(assignment), assignment.name))
            spec = {"migrate_ready": False, **spec}  # it was set for the role as a target
        self.edit(assignment, spec={"role": role, **spec})

    def release(self, assignment: Assignment) -> None:
        """Delete an assignment: nothing of the resource is left on its node."""
        if assignment.spec.role is AssignmentRole.OWNER:
            self.disowned.append(owner_of(assignment))
        self.given_back.append((assignment.spec.node, claim_of(assignment)))
        key = registry.key_of(assignment)
        del self.assignments[assignment.name], self._of[assignment.spec.resource_uid][assignment.name]
        self.edited.pop(key, None)
        self.dropped[key] = assignment

    def drop(self, workload: Workload) -> None:
        """Delete the resource."""
        key = registry.key_of(workload)
        self.workloads.pop(key, None)
        self.edited.pop(key, None)
        self.dropped[key] = workload

    def record_event(
        self, resource: AnyResource, reason: str, message: str, level: EventLevel = EventLevel.NORMAL
    ) -> None:
        """Record an event."""
        self.events.append(PendingEvent(registry.key_of(resource), reason, message, level))

    def record_warning(self, resource: AnyResource, reason: str, message: str) -> None:
        """Record an event that needs attention."""
        self.record_event(resource, reason, message, EventLevel.WARNING)

    def share(self, assignment: Assignment) -> Share:
        """Return what is taken for an assignment on its node."""
        return self.shares.get((assignment.spec.node, claim_of(assignment)), Share())

    def node_state(self, name: str) -> str:
        """Return Up, Down or Unknown; Unknown for a node that does not exist."""
        node = self.nodes.get(name)
        return node.state if node is not None else "Unknown"

    def _facts(self, node: Node) -> NodeFacts:
        total, taken = self.usage.get(node.name, (Capacity(), Capacity()))
        return NodeFacts(
            name=node.name,
            total=total,
            taken=taken,
            state=node.state if node.name in self.usage else "Unknown",  # its agent has not reported its capacity
            schedulable=self._is_schedulable(node),
            draining=node.spec.drain,
            labels=node.labels,
            zones=node.facts.zones,
            providers=frozenset(node.spec.providers or node.facts.providers),
            cells=self._cells(node),
        )

    def _is_schedulable(self, node: Node) -> bool:
        # A node that is held alone is shown as Unknown a moment later.
        is_held = node.facts.hold is NodeHold.ALONE
        return node.spec.schedulable and not node.is_deleting and not is_held and not self._has_unreadable_cells(node)

    @staticmethod
    def _has_unreadable_cells(node: Node) -> bool:
        """Return whether the agent reported cells that this version cannot read: what is placed would overfill them."""
        return bool(node.observed.get("numa")) and not node.facts.numa

    def _cells(self, node: Node) -> tuple[CellFacts, ...]:
        """Return the NUMA cells that the node's agent reported, and what is taken of them."""
        reported = node.facts.numa
        owned = self.owned_cpus.get(node.name, {})
        used = self.cell_usage.get(node.name, {}) if len(reported) > 1 else {}
        cells = []
        for cell in reported:
            total, taken = used.get(cell.cell, (cell.capacity, Capacity()))
            free = tuple(cpu for cpu in cell.pinned_cpus if cpu not in owned)
            cells.append(CellFacts(cell.cell, total, taken, free, cell.pinned_cpus))
        return tuple(cells)


def claim_of(assignment: Assignment) -> str:
    """Return the id under which the assignment's capacity is taken on its node."""
    return assignment.spec.resource_uid


def owner_of(assignment: Assignment) -> str:
    """Return the name of what may have one owner only: a Compute as a whole, a Loadbalancer on each node."""
    if registry.get(assignment.spec.resource_kind).replication.placed_on_many:
        return f"{assignment.spec.resource_uid}/{assignment.spec.node}"
    return assignment.spec.resource_uid


def is_removed(assignment: Assignment) -> bool:
    """Return whether the node was to remove the resource and has reported that nothing is left."""
    return (
        assignment.spec.role is AssignmentRole.LEAVING
        and assignment.state == "Absent"
        and assignment.facts.role == AssignmentRole.LEAVING
    )
