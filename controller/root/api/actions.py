"""Actions on one resource: the verbs that are not a PUT, each a small change of its spec.

They only write desired state, by the same rules as a PUT (``write_transaction``); controllers and agents do the work.
So the answer is 202, or 200 where nothing had to change. Cordon sets ``schedulable: false`` and moves nothing; drain
cordons and moves everything to other nodes; uncordon ends both. A cancelled drain makes the node schedulable again
only if the drain cordoned it. Actions that move many Computes are in ``move_actions``.

A dry run answers with the plan of the same change. What the action itself refuses is an error of the dry run too.

Design: D3, F3, K3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.responses import Response

from controller.errors import Conflict, InvalidInput, Problem
from controller.model import document
from controller.model.compute import COMPUTE, Compute, Power
from controller.model.node import NODE, CordonedBy, Node
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import Kind, T
from controller.model.secret_fields import redacted_document
from controller.root.api import access, plan_preview, request_body, write_transaction
from controller.root.api import query as q
from controller.root.api.answers import Revision, RevisionList
from controller.root.api.bodies import Body, Empty, Migrate, Rollback, Scale
from controller.root.api.operation import Call
from controller.root.api.render import answer, one
from controller.root.writes import plan
from controller.root.writes.plan import Plan
from controller.store import resources, revisions
from controller.store.database import Transaction

B = TypeVar("B", bound=Body)
Fields = Mapping[str, Any]
"""Fields of a spec with their new values."""


async def cordon(call: Call) -> Response:
    """Let the scheduler place nothing new on the node."""
    cordoned = {"schedulable": False, "cordoned_by": CordonedBy.OPERATOR}
    return await change_spec(call, NODE, Empty, lambda tx, node, asked: cordoned)


async def uncordon(call: Call) -> Response:
    """Let the scheduler place resources on the node again, and cancel a drain."""
    opened = {"schedulable": True, "drain": False, "cordoned_by": None}
    return await change_spec(call, NODE, Empty, lambda tx, node, asked: opened)


async def cancel_drain(call: Call) -> Response:
    """Cancel the drain; the node is as it was before it."""
    return await change_spec(call, NODE, Empty, lambda tx, node, asked: cancelled(node))


def drained(node: Node) -> Fields:
    """Return what a drain changes; who cordoned the node before remains recorded."""
    if not node.spec.schedulable:
        return {"drain": True}
    return {"schedulable": False, "drain": True, "cordoned_by": CordonedBy.DRAIN}


def cancelled(node: Node) -> Fields:
    """Return what the end of a drain changes; it undoes only a cordon that the drain made."""
    if node.spec.drain and node.spec.cordoned_by is CordonedBy.DRAIN:
        return {"schedulable": True, "drain": False, "cordoned_by": None}
    return {"drain": False}


async def start(call: Call) -> Response:
    """Let the Compute run."""
    return await change_spec(call, COMPUTE, Empty, lambda tx, compute, asked: {"power": Power.RUNNING})


async def stop(call: Call) -> Response:
    """Shut the Compute down (ACPI first, then power)."""
    return await change_spec(call, COMPUTE, Empty, lambda tx, compute, asked: {"power": Power.STOPPED})


async def reboot(call: Call) -> Response:
    """Restart the Compute; each request counts once."""

    def change(tx: Transaction, compute: Compute, asked: Empty) -> Fields:
        if compute.spec.power is not Power.RUNNING:
            raise Conflict(f"{compute.name} is stopped: start it")
        return {"reboots": compute.next_reboot}

    return await change_spec(call, COMPUTE, Empty, change)


async def migrate(call: Call) -> Response:
    """Move the Compute to another node, without stopping it."""

    def change(tx: Transaction, compute: Compute, asked: Migrate) -> Fields:
        if asked.node is not None:
            _check_target(tx, compute, asked.node)
        return {"migrations": compute.next_migration, "migrate_to": asked.node, "rebalance": None}

    return await change_spec(call, COMPUTE, Migrate, change)


async def scale(call: Call) -> Response:
    """Set the number of replicas; a smaller one deletes the Computes with the highest indexes."""
    return await change_spec(call, REGION_SERVICE, Scale, lambda tx, service, asked: {"replicas": asked.replicas})


async def rollback(call: Call) -> Response:
    """Write the spec of an old revision as a new revision; the number of replicas stays."""

    def change(tx: Transaction, service: RegionService, asked: Rollback) -> Fields:
        older = [number for number in revisions.list(tx, service.uid) if number < service.revision]
        if asked.revision is None and not older:
            raise Conflict(f"{service.name} has no older revision that is kept")
        old = revisions.get(tx, service.uid, asked.revision or older[-1])
        spec = document.parse({**document.render(service, server_set=False), "spec": old}, stored=True).spec
        return {name: getattr(spec, name) for name in type(spec).model_fields if name != "replicas"}

    return await change_spec(call, REGION_SERVICE, Rollback, change)


async def list_revisions(call: Call) -> Response:
    """Answer with the revisions that a rollback can name, oldest first."""
    key = call.key()
    access.check_read(call.token, call.kind, key.project)

    def work(tx: Transaction) -> RevisionList:
        service = resources.get(tx, key)
        specs = {number: revisions.get(tx, service.uid, number) for number in revisions.list(tx, service.uid)}
        if not access.sees_secrets(call.token, call.kind):
            specs = {number: redacted_document(type(service.spec), spec) for number, spec in specs.items()}
        kept = [
            Revision(revision=number, current=number == service.revision, spec=spec) for number, spec in specs.items()
        ]
        return RevisionList(items=kept, resource_version=service.resource_version)

    return answer(await call.services.db.aread(work))


async def change_spec(
    call: Call, kind: Kind[T], model: type[B], change: Callable[[Transaction, T, B], Fields]
) -> Response:
    """Change some fields of the named resource's spec, by the same rules as a PUT, or answer with the plan of it."""
    planned = await planned_change(call, kind, model, change)
    if call.query.boolean(q.DRY_RUN):
        return answer(await plan_preview.preview(call, planned))
    written = await write_transaction.execute(call, planned, several=False)
    return one(written.results[0].resource, 200 if written.is_unchanged else 202)


async def planned_change(
    call: Call, kind: Kind[T], model: type[B], change: Callable[[Transaction, T, B], Fields]
) -> Callable[[Transaction], Plan]:
    """Read the body, check the rights, and return what plans the change of the named resource's spec."""
    asked = await request_body.read_model(call.request, call.services.settings.body_limit, model)
    key = kind.narrow(call.key())
    access.check_write(call.token, kind, key.project)

    def planned(tx: Transaction) -> Plan:
        current = resources.get(tx, key)
        if current.is_deleting:
            raise Conflict(f"{key} is being deleted")
        spec = current.spec.model_copy(update=dict(change(tx, current, asked)))
        return plan.plan_writes(tx, [current.model_copy(update={"spec": spec})])

    return planned


def _check_target(tx: Transaction, compute: Compute, node_name: str) -> None:
    if resources.find(tx, NODE.key(compute.spec.cluster, node_name)) is None:
        raise InvalidInput([Problem("node", f"cluster {compute.spec.cluster} has no node {node_name}")])
    if compute.facts.node == node_name:
        raise Conflict(f"{compute.name} is on {node_name} already")
