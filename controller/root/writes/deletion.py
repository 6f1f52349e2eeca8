"""Plan and execute deletes: what is deleted at once, what a controller deletes, and what is refused.

- A RegionService becomes Deleting; its controller deletes its Computes and then the row.
- A Compute that is deleted by name lowers ``spec.replicas`` of its service; with the last one the service is deleted.
- Everything else is deleted at once, unless another resource names it or is in it (409 with the users). Children are
  deleted before parents, so that a whole site's documents can be deleted in one transaction.
- The last valid token with role admin for all projects cannot be deleted (``last_admin``).
- Racks that are paired with each other do not keep each other in use: the one that stays loses its pair.
- A Loadbalancer, like everything that the server creates, cannot be deleted by a user.

Design: K3, K4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from controller.errors import Conflict
from controller.model import registry
from controller.model.assignment import ASSIGNMENT
from controller.model.compute import Compute
from controller.model.datacenter import Rack
from controller.model.envelope import State
from controller.model.fields import Change
from controller.model.node import Node
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.root.writes import last_admin, rack_pairs, status_after_write
from controller.root.writes.diff import FieldChange
from controller.root.writes.immutability_rules import Refusal, conflict, invalid
from controller.root.writes.plan import Action, Plan, Step
from controller.root.writes.plan_execution import Result
from controller.store import changes, references, resources
from controller.store.database import Transaction

_MAX_USERS = 20


def plan_deletes(tx: Transaction, keys: Sequence[Key], *, force: bool = False, check_users: bool = True) -> Plan:
    """Return the steps, children before parents; what does not exist is ``unchanged``.

    With ``check_users`` False the users are left to ``execute``, which finds them at less cost.
    """
    keys = list(dict.fromkeys(keys))
    stored = resources.get_many(tx, keys)
    services = _services_of(tx, stored.values())
    needed = last_admin.refusals(tx, stored.values())
    unpaired = [_unpaired(before, after) for before, after in rack_pairs.unpaired(tx, stored.values())]
    # What a controller deletes is still there when the others are deleted, and keeps what it uses.
    ignored = [*(key for key in keys if not _stays(key)), *(step.key for step in unpaired)]
    steps: list[Step] = []
    for key in _children_first(keys):
        current = stored.get(key)
        if current is None:
            steps.append(Step(key, Action.UNCHANGED))
        elif isinstance(current, Compute):
            steps.extend(_compute(current, services))
        else:
            refused = [*_refusals(tx, current, force=force), *([needed[key]] if key in needed else [])]
            if check_users and not registry.get(current.kind).deletion.by_controller:
                refused.extend(_used(tx, key, ignoring=ignored))
            steps.append(Step(key, Action.DELETE, current, refusals=tuple(refused)))
    return Plan(changes.head(tx), (*_with_services(steps, services), *unpaired))


def _stays(key: Key) -> bool:
    """Return whether the row stays after the write, until a controller deletes it."""
    rules = registry.get(key.kind).deletion
    return rules.by_controller or rules.by_name


def execute(tx: Transaction, steps: Sequence[Step]) -> list[Result]:
    """Delete; raises Conflict with the users of what resources outside the batch still use."""
    results: list[Result] = []
    kept = [step.after for step in steps if step.after is not None]
    written = {key_of(resource): resource for resource in resources.update(tx, kept)}
    deleted = [step.key for step in steps if step.action is Action.DELETE and step.after is None]
    resources.delete(tx, [*deleted, *_events_of(tx, deleted)])
    _refuse_used(tx, deleted)
    for step in steps:
        resource = written.get(step.key) or step.current
        if resource is not None:
            results.append(Result(step.key, step.action, resource))
    return results


def _refuse_used(tx: Transaction, deleted: Sequence[Key]) -> None:
    """Raise Conflict for the first deleted resource that a remaining one names."""
    suspects = references.used(tx, deleted) | {key for key in deleted if registry.get(key.kind).contains_by_project}
    for key in sorted(suspects, key=str):
        users, count = references.users(tx, key, _MAX_USERS)
        if count:
            raise Conflict(f"{key} is in use", users=users, user_count=count)


def _refusals(tx: Transaction, current: AnyResource, *, force: bool) -> Iterator[Refusal]:
    key = key_of(current)
    if not registry.get(current.kind).user_made:
        yield invalid("kind", f"a {current.kind} is made by the server and cannot be deleted directly")
    if isinstance(current, Node):
        yield from _node(tx, current, force=force)
    if force and not registry.get(current.kind).deletion.takes_force:
        yield invalid("query.force", f"is for nodes only, not for {key}")


def _unpaired(before: Rack, after: Rack) -> Step:
    lost = (FieldChange("spec.pair", before.spec.pair, None, Change.LIVE),)
    return Step(key_of(before), Action.UPDATE, before, status_after_write.updated(before, after, lost), lost)


def _node(tx: Transaction, node: Node, *, force: bool) -> Iterator[Refusal]:
    if force:
        if node.state == State.UP:
            yield conflict("state", f"node {node.name} is Up: drain it; force is for nodes that are lost for good")
        return
    placed = resources.list_all(tx, ASSIGNMENT, parents=node.parent_names, fields={"spec.node": node.name})
    if placed:
        users = [f"{one.spec.resource_kind} {one.spec.resource}" for one in placed]
        yield conflict("", f"node {node.name} still runs what was placed on it: drain it first", users)


def _used(tx: Transaction, key: Key, ignoring: Sequence[Key]) -> Iterator[Refusal]:
    ignored = [*ignoring, *_events_of(tx, [key])]
    users, count = references.users(tx, key, _MAX_USERS, ignoring=ignored)
    if count:
        yield conflict("", f"{key} is in use", users, count)


def _events_of(tx: Transaction, keys: Iterable[Key]) -> list[Key]:
    """Return the keys of what is deleted with its project and does not keep the project in use, for example events."""
    projects = [key.names[-1] for key in keys if registry.get(key.kind).contains_by_project]
    kinds = [kind for kind in registry.kinds() if kind.deletion.with_project]
    return [key_of(row) for name in projects for kind in kinds for row in resources.list_all(tx, kind, project=name)]


def _compute(compute: Compute, services: dict[Key, _Shrinking]) -> Iterator[Step]:
    key = key_of(compute)
    if compute.is_deleting:
        yield Step(key, Action.UNCHANGED, compute)
        return
    if (service := services.get(_service_key(compute))) is not None:
        service.deleted += 1
    yield Step(key, Action.DELETE, compute, status_after_write.deleting(compute, "deleted by name"))


class _Shrinking:
    """A service and how many of its Computes are deleted by name."""

    def __init__(self, service: RegionService) -> None:
        self.service = service
        self.deleted = 0

    def step(self) -> Step:
        """Return the step of the service: fewer replicas, or its deletion with the last one."""
        key, service = key_of(self.service), self.service
        left = service.spec.replicas - self.deleted
        if left <= 0:
            return Step(
                key,
                Action.DELETE,
                service,
                status_after_write.deleting(service, "its last Compute was deleted by name"),
            )
        fewer = FieldChange("spec.replicas", service.spec.replicas, left, Change.LIVE)
        wanted = service.model_copy(update={"spec": service.spec.model_copy(update={"replicas": left})})
        return Step(key, Action.UPDATE, service, status_after_write.updated(service, wanted, (fewer,)), (fewer,))


def _services_of(tx: Transaction, found: Iterable[AnyResource]) -> dict[Key, _Shrinking]:
    keys = {_service_key(one) for one in found if isinstance(one, Compute)}
    services = resources.get_many(tx, keys).items()
    return {
        key: _Shrinking(service)
        for key, service in services
        if isinstance(service, RegionService) and not service.is_deleting
    }


def _with_services(steps: Sequence[Step], services: dict[Key, _Shrinking]) -> Iterator[Step]:
    """Yield the steps, completed with those of services: each service is written once."""
    asked = {step.key for step in steps}
    for step in steps:
        if not registry.get(step.key.kind).deletion.by_controller or step.current is None:
            yield step
        elif step.current.is_deleting:
            yield Step(step.key, Action.UNCHANGED, step.current)
        else:
            yield Step(
                step.key, Action.DELETE, step.current, status_after_write.deleting(step.current), refusals=step.refusals
            )
    for key, shrinking in services.items():
        if key not in asked and shrinking.deleted:
            yield shrinking.step()


def _service_key(compute: Compute) -> Key:
    return REGION_SERVICE.key(*compute.parent_names, compute.spec.service, project=compute.project)


def _children_first(keys: Sequence[Key]) -> list[Key]:
    order = {kind.name: number for number, kind in enumerate(registry.kinds())}
    return sorted(keys, key=lambda key: -order[key.kind])
