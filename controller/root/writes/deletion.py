"""Deleting: what goes at once, what a controller takes down, and what stands in the way.

- A RegionService becomes Deleting; its controller takes its Computes down and drops the row.
- A Compute deleted by name lowers ``spec.replicas`` of its service; the last one takes the
  service along (K3).
- Everything else goes at once, unless something names it or lies in it (409 with the users).
  Children go before parents, so that a whole site's documents can be deleted in one transaction.
- A Loadbalancer, like all that the server makes, cannot be deleted (K4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from controller.errors import Conflict
from controller.model import registry
from controller.model.assignment import ASSIGNMENT
from controller.model.compute import Compute
from controller.model.envelope import State
from controller.model.event import EVENT
from controller.model.fields import Change
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.root.writes import status_after_write
from controller.root.writes.diff import FieldChange
from controller.root.writes.immutability_rules import Refusal, conflict, invalid
from controller.root.writes.plan import Action, Plan, Step
from controller.root.writes.plan_execution import Result
from controller.store import changes, references, resources
from controller.store.database import Transaction

_MAX_USERS = 20


def plan_deletes(tx: Transaction, keys: Sequence[Key], *, force: bool = False, check_users: bool = True) -> Plan:
    """The steps, children before parents; what is not there is ``unchanged``.

    ``check_users`` False leaves the users of each to ``carry_out``, which sees them cheaper.
    """
    keys = list(dict.fromkeys(keys))
    stored = resources.get_many(tx, keys)
    services = _services_of(tx, stored.values())
    steps: list[Step] = []
    for key in _children_first(keys):
        current = stored.get(key)
        if current is None:
            steps.append(Step(key, Action.UNCHANGED))
        elif isinstance(current, Compute):
            steps.extend(_compute(current, services))
        else:
            refused = list(_refusals(tx, current, force=force))
            if check_users and current.kind != "RegionService":
                refused.extend(_used(tx, key, ignoring=keys))
            steps.append(Step(key, Action.DELETE, current, refusals=tuple(refused)))
    return Plan(changes.head(tx), tuple(_with_services(steps, services)))


def carry_out(tx: Transaction, steps: Sequence[Step]) -> list[Result]:
    """Delete; raises Conflict naming the users of what is still in use once the batch is gone."""
    results: list[Result] = []
    kept = [step.after for step in steps if step.after is not None]
    written = {key_of(resource): resource for resource in resources.update(tx, kept)}
    gone = [step.key for step in steps if step.action is Action.DELETE and step.after is None]
    resources.delete(tx, [*gone, *_events_of(tx, gone)])
    _refuse_used(tx, gone)
    for step in steps:
        resource = written.get(step.key) or step.current
        if resource is not None:
            results.append(Result(step.key, step.action, resource))
    return results


def _refuse_used(tx: Transaction, gone: Sequence[Key]) -> None:
    """Raise Conflict for the first that something left behind still names."""
    doubtful = references.used(tx, gone) | {key for key in gone if key.kind == "Project"}
    for key in sorted(doubtful, key=str):
        users, count = references.users(tx, key, _MAX_USERS)
        if count:
            raise Conflict(f"{key} is in use", users=users, user_count=count)


def _refusals(tx: Transaction, current: AnyResource, *, force: bool) -> Iterator[Refusal]:
    key = key_of(current)
    if not registry.get(current.kind).user_made:
        yield invalid("kind", f"a {current.kind} is made by the server and cannot be deleted directly")
    if current.kind == "Node":
        yield from _node(tx, current, force=force)
    if force and current.kind != "Node":
        yield invalid("query.force", f"goes with nodes only, not with {key}")


def _node(tx: Transaction, node: AnyResource, *, force: bool) -> Iterator[Refusal]:
    if force:
        if node.state == State.UP:
            yield conflict("state", f"node {node.name} is Up: drain it; force is for nodes that are lost for good")
        return
    placed = resources.list_all(tx, ASSIGNMENT, parents=node.parent_names, fields={"spec.node": node.name})
    if placed:
        users = [f"{one.spec.resource_kind} {one.spec.resource}" for one in placed]
        yield conflict("", f"node {node.name} still runs what was placed on it: drain it first", users)


def _used(tx: Transaction, key: Key, ignoring: Sequence[Key]) -> Iterator[Refusal]:
    ignored = [*(ignoring if len(ignoring) > 1 else ()), *_events_of(tx, [key])]
    users, count = references.users(tx, key, _MAX_USERS, ignoring=ignored)
    if count:
        yield conflict("", f"{key} is in use", users, count)


def _events_of(tx: Transaction, keys: Iterable[Key]) -> list[Key]:
    """The events of projects: they go with their project and are no reason to keep it."""
    projects = [key.names[-1] for key in keys if key.kind == "Project"]
    return [key_of(event) for name in projects for event in resources.list_all(tx, EVENT, project=name)]


def _compute(compute: Compute, services: dict[Key, _Shrinking]) -> Iterator[Step]:
    key = key_of(compute)
    if compute.is_deleting:
        yield Step(key, Action.UNCHANGED, compute)
        return
    if (service := services.get(_service_key(compute))) is not None:
        service.going += 1
    yield Step(key, Action.DELETE, compute, status_after_write.deleting(compute, "deleted by name"))


class _Shrinking:
    """A service and how many of its Computes go by name."""

    def __init__(self, service: RegionService) -> None:
        self.service = service
        self.going = 0

    def step(self) -> Step:
        """Fewer replicas, or, with the last one, no service (K3)."""
        key, service = key_of(self.service), self.service
        left = service.spec.replicas - self.going
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
    """The steps, with those of services completed: each service is written once."""
    asked = {step.key for step in steps}
    for step in steps:
        if step.key.kind != "RegionService" or step.current is None:
            yield step
        elif step.current.is_deleting:
            yield Step(step.key, Action.UNCHANGED, step.current)
        else:
            yield Step(
                step.key, Action.DELETE, step.current, status_after_write.deleting(step.current), refusals=step.refusals
            )
    for key, shrinking in services.items():
        if key not in asked and shrinking.going:
            yield shrinking.step()


def _service_key(compute: Compute) -> Key:
    return registry.get("RegionService").key(*compute.parent_names, compute.spec.service, project=compute.project)


def _children_first(keys: Sequence[Key]) -> list[Key]:
    order = {kind.name: number for number, kind in enumerate(registry.kinds())}
    return sorted(keys, key=lambda key: -order[key.kind])
