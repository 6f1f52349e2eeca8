"""Loads units of work from the cluster's database and stores them in the same transaction.

Workloads come with all their assignments: a workload's ``observed.assignments`` names them, and
only this module writes that list, so that a pass over a thousand Computes is a handful of
statements. Nodes and capacity are read on first use.

The permission to run is a claim in the database (scope ``owner``): whatever a controller decides,
two Owners of one Compute cannot be stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from controller.cluster.unit_of_work.node_cache import NodeCache
from controller.cluster.unit_of_work.service_computes import read_computes, read_counted
from controller.cluster.unit_of_work.unit_of_work import UnitOfWork, Workload, claim_of
from controller.model import registry
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import Compute
from controller.model.node import NODE, Node, Share
from controller.model.registry import AnyResource, Key
from controller.schedule import Snapshot
from controller.store import bulk_write, capacity, claims, events, resources
from controller.store.capacity import Taking
from controller.store.claims import Claim
from controller.store.database import Transaction

OWNER = "owner"
_FEW = 16
"""Up to so many nodes are read one by one."""


def load(tx: Transaction, cluster: str, keys: Iterable[Key], nodes: NodeCache | None = None) -> UnitOfWork:
    """Load the workloads of those keys that exist; ``nodes`` are kept from pass to pass."""
    found = {key: each for key, each in resources.get_many(tx, keys).items() if isinstance(each, Workload)}
    return _StoredUnitOfWork(tx, cluster, found, nodes or NodeCache())


def load_of_node(tx: Transaction, cluster: str, node: str) -> UnitOfWork:
    """Load everything that has an assignment on the node."""
    return load_of_nodes(tx, cluster, [node])


def load_of_nodes(tx: Transaction, cluster: str, names: Iterable[str], nodes: NodeCache | None = None) -> UnitOfWork:
    """Load everything that has an assignment on one of the nodes, with the nodes themselves."""
    wanted = set(names)
    here: list[Assignment] = []
    if len(wanted) > _FEW:
        here = resources.list_all(tx, ASSIGNMENT, parents=(cluster,))
    else:
        for name in sorted(wanted):
            here += resources.list_all(tx, ASSIGNMENT, parents=(cluster,), fields={"spec.node": name})
    found = [each for each in here if each.spec.node in wanted]
    work = load(tx, cluster, {workload_key(assignment) for assignment in found}, nodes)
    missing = (NODE.key(cluster, name) for name in wanted - set(work.nodes))
    work.nodes.update(_by_name(resources.get_many(tx, missing).values()))
    return work


def names_on(tx: Transaction, nodes: Collection[str]) -> set[str]:
    """Return the names (``Compute default/kanto/web-0``) of what has an assignment on one of the nodes."""
    fields = ("spec.node", "spec.resource_kind", "spec.resource")
    rows = resources.texts(tx, ASSIGNMENT.name, fields, given="spec.node")
    return {f"{kind} {path}" for node, kind, path in rows if node in nodes}


def workload_key(assignment: Assignment) -> Key:
    """Return the key of the resource that is assigned."""
    project, *names = assignment.spec.resource.split("/")
    return Key(assignment.spec.resource_kind, project, tuple(names))


def store(tx: Transaction, work: UnitOfWork) -> range:
    """Write everything that the pass decided; return the versions of what was inserted and changed, events too.

    Raises NoRoom or Conflict when the database disagrees.
    """
    _note_assignments(work)
    capacity.give_back(tx, work.given_back)
    capacity.take(tx, [Taking(*each) for each in work.taken])
    claims.free_values(tx, [(OWNER, uid) for uid in work.disowned])
    resources.delete(tx, work.dropped)
    claims.take(tx, [Claim(OWNER, uid, name) for uid, name in work.owned])
    occurrences = [
        events.Occurrence(each.key.kind, each.key.path, each.reason, each.message, each.level) for each in work.events
    ]
    new, repeated = events.prepare(tx, occurrences)
    # Last: every later statement of the transaction would wait for it.
    return bulk_write.write(tx, [*work.inserted.values(), *new], [*work.edited.values(), *repeated])


class _StoredUnitOfWork(UnitOfWork):
    """A unit of work that reads what placement needs only when something is to be placed.

    Capacity that this pass gives back is free for the next pass only.
    """

    def __init__(self, tx: Transaction, cluster: str, found: Mapping[Key, Workload], nodes: NodeCache) -> None:
        names = [name for each in found.values() for name in each.facts.assignments]
        assignments = list(resources.get_many(tx, (ASSIGNMENT.key(cluster, name) for name in names)).values())
        super().__init__(
            cluster=cluster,
            now=tx.now,
            workloads=dict(found),
            assignments={each.name: each for each in assignments},
        )
        self._tx = tx
        self._all_nodes = nodes
        self._services: dict[str, list[Compute]] = {}
        concerned = {each.spec.node for each in assignments}
        concerned |= {each.spec.migrate_to for each in assignments if each.spec.migrate_to}
        self.nodes = _by_name(resources.get_many(tx, (NODE.key(cluster, name) for name in concerned)).values())

    @cached_property
    def snapshot(self) -> Snapshot:
        self.nodes = {**self._all_nodes.read(self._tx, self.cluster), **self.nodes}
        self.usage = capacity.usage(self._tx)
        self.cell_usage = capacity.cell_usage(self._tx)
        self.owned_cpus = capacity.owned_cpus(self._tx)
        self.counted = read_counted(self._tx, _services(self.workloads.values()))
        return self.build_snapshot()

    def _rows_of(self, compute: Compute) -> list[Compute]:
        service = compute.service_path
        if service not in self._services:
            self._services[service] = read_computes(self._tx, [service])
        found = []
        for row in self._services[service]:
            key = registry.key_of(row)
            if key not in self.dropped:
                known = self.workloads.get(key)
                found.append(known if isinstance(known, Compute) else row)
        return found

    def share(self, assignment: Assignment) -> Share:
        pair = assignment.spec.node, claim_of(assignment)
        return capacity.takings(self._tx, pairs=[pair]).get(pair, Share())


def snapshot(
    tx: Transaction, cluster: str, computes: Iterable[Compute], counted: Iterable[tuple[str, str]] | None = None
) -> Snapshot:
    """Return the cluster as placement of these Computes sees it now.

    ``counted``: what ``read_counted`` would return, where the caller has it already.
    """
    work = UnitOfWork(
        cluster=cluster,
        now=tx.now,
        nodes=_by_name(resources.list_all(tx, NODE, parents=(cluster,))),
        usage=capacity.usage(tx),
        cell_usage=capacity.cell_usage(tx),
        owned_cpus=capacity.owned_cpus(tx),
        counted=read_counted(tx, _services(computes)) if counted is None else counted,
    )
    return work.build_snapshot()


def _by_name(nodes: Iterable[Node]) -> dict[str, Node]:
    return {each.name: each for each in nodes}


def _services(workloads: Iterable[AnyResource]) -> set[str]:
    return {each.service_path for each in workloads if isinstance(each, Compute)}


def _note_assignments(work: UnitOfWork) -> None:
    """Update each workload's list of assignments; give new assignments their identity."""
    for made in work.inserted.values():
        made.uid = made.name  # never used twice, as the resource's uid and the attempt never are
    touched = {each.spec.resource_uid for each in work.inserted.values()}
    touched |= {each.spec.resource_uid for each in work.dropped.values() if isinstance(each, Assignment)}
    for workload in work.workloads.values():
        if workload.uid in touched:
            work.edit(workload, observed={"assignments": [each.name for each in work.of(workload)] or None})
