"""Actions: the verbs that are not a PUT, each a small change of what is asked (F3, D3, K3).

They only write desired state; controllers and agents do the work, so the answers are 202 (200
where nothing had to change). Cordon is ``schedulable: false`` and moves nothing; drain is cordon
and everything leaves; uncordon takes both back. A drain that is cancelled opens the node again only
if it was the drain that closed it. What moves many at once is in ``moves``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from controller.errors import Conflict, InvalidInput, Problem
from controller.model import document, registry
from controller.model.compute import Compute, Power
from controller.model.names import Name
from controller.model.node import CordonedBy, Node
from controller.model.registry import AnyResource, Key
from controller.root.api import access, request_body
from controller.root.api import query as q
from controller.root.api.operation import Call
from controller.root.api.render import json_response, one
from controller.root.writes import plan, plan_execution
from controller.root.writes.plan import Action
from controller.store import resources, revisions
from controller.store.database import Transaction


class Body(BaseModel):
    """Base of the bodies of actions: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Empty(Body):
    """Nothing: the action has no arguments."""


class Migrate(Body):
    """Where a Compute is to move."""

    node: Name | None = Field(None, description="Node to move to; none: the scheduler chooses.")


class Scale(Body):
    """How many Computes a service is to have."""

    replicas: int = Field(ge=1, le=100_000, description="Computes of the service.")


class Rollback(Body):
    """Which revision a service goes back to."""

    revision: int | None = Field(
        None, ge=1, le=(1 << 31) - 1, description="Number of a revision that is kept; none: the one before."
    )


async def cordon(call: Call) -> Response:
    """Nothing new comes to the node."""
    return await change_spec(
        call, Empty, lambda tx, node, asked: {"schedulable": False, "cordoned_by": CordonedBy.OPERATOR}
    )


async def uncordon(call: Call) -> Response:
    """The node takes part again; a drain is called off."""
    opened = {"schedulable": True, "drain": False, "cordoned_by": None}
    return await change_spec(call, Empty, lambda tx, node, asked: opened)


async def cancel_drain(call: Call) -> Response:
    """The drain ends; the node is as it was before."""
    return await change_spec(call, Empty, lambda tx, node, asked: cancelled(node))


def drained(node: Node) -> Mapping[str, Any]:
    """What a drain changes: who cordoned the node before remains noted."""
    if not node.spec.schedulable:
        return {"drain": True}
    return {"schedulable": False, "drain": True, "cordoned_by": CordonedBy.DRAIN}


def cancelled(node: Node) -> Mapping[str, Any]:
    """What the end of a drain changes: only a cordon of the drain's own goes with it."""
    if node.spec.drain and node.spec.cordoned_by is CordonedBy.DRAIN:
        return {"schedulable": True, "drain": False, "cordoned_by": None}
    return {"drain": False}


async def start(call: Call) -> Response:
    """The Compute is to run."""
    return await change_spec(call, Empty, lambda tx, compute, asked: {"power": Power.RUNNING})


async def stop(call: Call) -> Response:
    """The Compute is to be shut down (ACPI first, then power)."""
    return await change_spec(call, Empty, lambda tx, compute, asked: {"power": Power.STOPPED})


async def reboot(call: Call) -> Response:
    """The Compute is to start anew; each request counts once."""

    def change(tx: Transaction, compute: AnyResource, asked: Any) -> Mapping[str, Any]:
        if compute.spec.power is not Power.RUNNING:
            raise Conflict(f"{compute.name} is stopped: start it")
        return {"reboots": compute.spec.reboots + 1}

    return await change_spec(call, Empty, change)


async def migrate(call: Call) -> Response:
    """The Compute is to move to another node, without stopping."""

    def change(tx: Transaction, compute: AnyResource, asked: Migrate) -> Mapping[str, Any]:
        if asked.node is not None:
            _check_target(tx, compute, asked.node)
        return {"migrations": compute.spec.migrations + 1, "migrate_to": asked.node, "rebalance": None}

    return await change_spec(call, Migrate, change)


async def scale(call: Call) -> Response:
    """Another number of replicas; fewer take the tail away (K3)."""
    return await change_spec(call, Scale, lambda tx, service, asked: {"replicas": asked.replicas})


async def rollback(call: Call) -> Response:
    """An old revision's spec under a new number; the number of replicas stays (D3)."""

    def change(tx: Transaction, service: AnyResource, asked: Rollback) -> Mapping[str, Any]:
        older = [number for number in revisions.list(tx, service.uid) if number < service.revision]
        if asked.revision is None and not older:
            raise Conflict(f"{service.name} has no older revision that is kept")
        old = revisions.get(tx, service.uid, asked.revision or older[-1])
        spec = document.parse({**document.render(service, server_set=False), "spec": old}).spec
        return {name: getattr(spec, name) for name in type(spec).model_fields if name != "replicas"}

    return await change_spec(call, Rollback, change)


async def list_revisions(call: Call) -> Response:
    """The revisions that can be gone back to, oldest first."""
    key = key_of_call(call)
    access.check_read(call.token, call.kind, key.project)

    def work(tx: Transaction) -> dict[str, Any]:
        service = resources.get(tx, key)
        kept = [
            {"revision": number, "current": number == service.revision, "spec": revisions.get(tx, service.uid, number)}
            for number in revisions.list(tx, service.uid)
        ]
        return {"items": kept, "resource_version": service.resource_version}

    return json_response(await call.services.db.aread(work))


Change = Callable[[Transaction, Any, Any], Mapping[str, Any]]


async def change_spec(call: Call, model: type[Body], change: Change) -> Response:
    """Change some fields of the named resource's spec, by the same rules as a PUT."""
    asked = parse(model, await request_body.read_object(call.request, call.services.settings.body_limit, optional=True))
    key = key_of_call(call)
    access.check_write(call.token, call.kind, key.project)

    def work(tx: Transaction) -> plan_execution.Result:
        current = resources.get(tx, key)
        if current.is_deleting:
            raise Conflict(f"{key} is being deleted")
        spec = current.spec.model_copy(update=dict(change(tx, current, asked)))
        steps = plan.plan_writes(tx, [current.model_copy(update={"spec": spec})]).steps
        plan.refuse(steps, several=False)
        if steps[0].action is not Action.UNCHANGED:
            call.audit(tx, key=key)
        return plan_execution.carry_out(tx, steps)[0]

    result = await call.services.db.awrite(work)
    return one(result.resource, 200 if result.action is Action.UNCHANGED else 202)


def parse(model: type[Body], raw: Mapping[str, Any]) -> Any:
    """The body as its model has it; raises InvalidInput."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(document.problems(error)) from None


def _check_target(tx: Transaction, compute: AnyResource, node_name: str) -> None:
    assert isinstance(compute, Compute)
    node = resources.find(tx, registry.get("Node").key(compute.spec.cluster, node_name))
    if node is None:
        raise InvalidInput([Problem("node", f"cluster {compute.spec.cluster} has no node {node_name}")])
    if compute.observed.get("node") == node_name:
        raise Conflict(f"{compute.name} is on {node_name} already")


def key_of_call(call: Call) -> Key:
    """What the call names."""
    project = (call.query.name(q.PROJECT) or "default") if call.kind.per_project else "default"
    return call.kind.key(*call.names(), project=project)
