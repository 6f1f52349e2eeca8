"""Plans, read from the cluster's database and written back in the same transaction.

A plan's workloads come with all their assignments: a workload's ``observed.assignments`` names
them, and only this module writes that list, so that a pass over a thousand Computes is a handful
of statements. Nodes and capacity are read when first asked for.

The permission to run is a claim in the database (scope ``owner``): whatever a controller decides,
two Owners of one Compute cannot be stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import cast

from controller.cluster.unit_of_work.node_cache import NodeCache
from controller.cluster.unit_of_work.unit_of_work import Plan, Workload, claim_of
from controller.model import registry
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import COMPUTE, Compute
from controller.model.node import NODE, Node, Share
from controller.model.registry import AnyResource, Key
from controller.schedule import Snapshot
from controller.store import bulk_write, capacity, claims, events, resources
from controller.store.capacity import Taking
from controller.store.claims import Claim
from controller.store.database import Transaction

OWNER = "owner"
_FEW = 16
"""Up to so many nodes are asked for one by one."""


def load(tx: Transaction, cluster: str, keys: Iterable[Key], nodes: NodeCache | None = None) -> Plan:
    """The plan of the workloads of those keys that exist; ``nodes`` are kept from pass to pass."""
    found = cast(dict[Key, Workload], resources.get_many(tx, keys))
    return _StoredPlan(tx, cluster, found, nodes or NodeCache())


def load_of_node(tx: Transaction, cluster: str, node: str) -> Plan:
    """The plan of everything that has an assignment on the node."""
    return load_of_nodes(tx, cluster, [node])


def load_of_nodes(tx: Transaction, cluster: str, names: Iterable[str], nodes: NodeCache | None = None) -> Plan:
    """The plan of everything that has an assignment on one of the nodes, with the nodes themselves."""
    wanted = set(names)
    here: list[AnyResource] = []
    if len(wanted) > _FEW:
        here = resources.list_all(tx, ASSIGNMENT, parents=(cluster,))
    else:
        for name in sorted(wanted):
            here += resources.list_all(tx, ASSIGNMENT, parents=(cluster,), fields={"spec.node": name})
    found = [each for each in cast(list[Assignment], here) if each.spec.node in wanted]
    plan = load(tx, cluster, {workload_key(assignment) for assignment in found}, nodes)
    missing = (NODE.key(cluster, name) for name in wanted - set(plan.nodes))
    plan.nodes.update(_by_name(resources.get_many(tx, missing).values()))
    return plan


def names_on(tx: Transaction, nodes: Collection[str]) -> set[str]:
    """Names (``Compute default/kanto/web-0``) of what has an assignment on one of the nodes."""
    fields = ("spec.node", "spec.resource_kind", "spec.resource")
    rows = resources.texts(tx, ASSIGNMENT.name, fields, given="spec.node")
    return {f"{kind} {path}" for node, kind, path in rows if node in nodes}


def workload_key(assignment: Assignment) -> Key:
    """Key of the resource that is assigned."""
    project, *names = assignment.spec.resource.split("/")
    return Key(assignment.spec.resource_kind, project, tuple(names))


def store(tx: Transaction, plan: Plan) -> range:
    """Write everything that the plan decided; returns the versions of what was inserted and changed, events too.

    Raises NoRoom or Conflict when the database disagrees.
    """
    _note_assignments(plan)
    capacity.give_back(tx, plan.given_back)
    capacity.take(tx, [Taking(*each) for each in plan.taken])
    claims.free_values(tx, [(OWNER, uid) for uid in plan.disowned])
    resources.delete(tx, plan.dropped)
    claims.take(tx, [Claim(OWNER, uid, name) for uid, name in plan.owned])
    happened = [
        events.Occurrence(each.key.kind, each.key.path, each.reason, each.message, each.level) for each in plan.events
    ]
    told, again = events.told(tx, happened)
    # Last, since everything else waits for it to be stored.
    return bulk_write.write(tx, [*plan.inserted.values(), *told], [*plan.edited.values(), *again])


class _StoredPlan(Plan):
    """A plan that reads what placement needs only when something is to be placed.

    Capacity that this very plan gives back is free for the next pass only.
    """

    def __init__(self, tx: Transaction, cluster: str, found: Mapping[Key, Workload], nodes: NodeCache) -> None:
        names = [name for each in found.values() for name in each.observed.get("assignments", ())]
        assignments = cast(
            list[Assignment], list(resources.get_many(tx, (ASSIGNMENT.key(cluster, name) for name in names)).values())
        )
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
        self.standing = _standing(self._tx, self.workloads.values())
        return self.build_snapshot()

    def _rows_of(self, compute: Compute) -> list[Compute]:
        service = compute.service_path
        if service not in self._services:
            self._services[service] = cast(
                list[Compute],
                resources.list_all(
                    self._tx,
                    COMPUTE,
                    parents=(compute.region,),
                    project=compute.project,
                    fields={"spec.service": compute.spec.service},
                ),
            )
        rows = [each for each in self._services[service] if registry.key_of(each) not in self.dropped]
        return [cast(Compute, self.workloads.get(registry.key_of(each), each)) for each in rows]

    def share(self, assignment: Assignment) -> Share:
        pair = assignment.spec.node, claim_of(assignment)
        return capacity.takings(self._tx, pairs=[pair]).get(pair, Share())


def snapshot(
    tx: Transaction, cluster: str, computes: Iterable[Compute], standing: Iterable[tuple[str, str]] | None = None
) -> Snapshot:
    """The cluster as placement of these Computes sees it now; ``standing``: what the caller has read already."""
    plan = Plan(
        cluster=cluster,
        now=tx.now,
        nodes=_by_name(resources.list_all(tx, NODE, parents=(cluster,))),
        usage=capacity.usage(tx),
        cell_usage=capacity.cell_usage(tx),
        owned_cpus=capacity.owned_cpus(tx),
        standing=_standing(tx, computes) if standing is None else standing,
    )
    return plan.build_snapshot()


def _by_name(nodes: Iterable[AnyResource]) -> dict[str, Node]:
    return {each.name: cast(Node, each) for each in nodes}


def _note_assignments(plan: Plan) -> None:
    """Keep each workload's list of assignments true; give new assignments their identity."""
    for made in plan.inserted.values():
        made.uid = made.name  # never used twice, as the resource's uid and the attempt never are
    touched = {each.spec.resource_uid for each in plan.inserted.values()}
    touched |= {each.spec.resource_uid for each in plan.dropped.values() if isinstance(each, Assignment)}
    for workload in plan.workloads.values():
        if workload.uid in touched:
            plan.edit(workload, observed={"assignments": [each.name for each in plan.of(workload)] or None})


def _standing(tx: Transaction, workloads: Iterable[AnyResource]) -> list[tuple[str, str]]:
    """(service, node) of every Compute of the workloads' services that has a node and is to stay.

    One that is moving stands on both of its nodes: it may end on either.
    """
    services = {each.service_path for each in workloads if isinstance(each, Compute)}
    if not services:
        return []
    standing = []
    fields = ("project", "region", "spec.service", "observed.node", "observed.migrating_to", "status")
    for project, region, name, *places, status in resources.texts(tx, COMPUTE.name, fields, given="observed.node"):
        service = f"{project}/{region}/{name}"
        if service in services and not str(status).startswith("Deleting"):
            standing += [(service, node) for node in places if node]
    return standing
