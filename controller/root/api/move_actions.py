"""Actions that move many Computes: drains of nodes or of a rack, and the rebalance of a service.

Only the cluster knows what would move where: a dry run asks it, and so does a rebalance, which then writes one
requested migration into each Compute, in one transaction. A drain itself only writes the desired state of the nodes,
and works while the cluster is away.

Design: F3, J4, M3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.responses import Response

from controller.errors import Conflict, InvalidInput, NotFound, Problem
from controller.model import compute as computes
from controller.model.cluster import CLUSTER, Cluster
from controller.model.compute import COMPUTE
from controller.model.node import NODE, Node
from controller.model.physical_resource import PHYSICAL_RESOURCE
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.root.api import access, actions, plan_preview, request_body, write_transaction
from controller.root.api import query as q
from controller.root.api.answers import BatchResult, Move, MovePlan
from controller.root.api.bodies import Empty, ManyNodes, RebalanceRequest
from controller.root.api.operation import Call
from controller.root.api.render import answer
from controller.root.api.write_transaction import Planned
from controller.root.writes import plan
from controller.root.writes.plan import Plan
from controller.store import resources
from controller.store.database import Transaction


async def drain_node(call: Call) -> Response:
    """Cordon the node, and let everything on it move away."""
    if not call.query.boolean(q.DRY_RUN):
        return await actions.change_spec(call, NODE, Empty, lambda tx, node, asked: actions.drained(node))
    planned = await actions.planned_change(call, NODE, Empty, lambda tx, node, asked: actions.drained(node))
    await call.services.db.aread(partial(_check, planned=planned, several=False))
    cluster, node = call.key().names
    return answer(await _move_plan(call, cluster, {"drain": {"nodes": [node]}}))


async def drain_nodes(call: Call) -> Response:
    """Drain several nodes in one transaction: their moves are planned together."""
    planned = await _planned_nodes(call, actions.drained)
    if not call.query.boolean(q.DRY_RUN):
        return await _write_nodes(call, planned)
    plan_of_nodes = await call.services.db.aread(partial(_check, planned=planned, several=True))
    names = [step.key.names[-1] for step in plan_of_nodes.steps]
    return answer(await _move_plan(call, call.key().names[0], {"drain": {"nodes": names}}))


async def cancel_drains(call: Call) -> Response:
    """Cancel the drains of several nodes; each is as it was before."""
    planned = await _planned_nodes(call, actions.cancelled)
    if call.query.boolean(q.DRY_RUN):
        return answer(await plan_preview.preview(call, planned))
    return await _write_nodes(call, planned)


async def rebalance(call: Call) -> Response:
    """Ask the cluster for the moves, and request them of the Computes; each is checked again when its turn comes."""
    asked = await request_body.read_model(call.request, call.services.settings.body_limit, RebalanceRequest)
    key = REGION_SERVICE.narrow(call.key())
    access.check_write(call.token, call.kind, key.project)
    service = await call.services.db.aread(partial(_service_to_move, key=key))
    question = {"service": key.path, "max_moves": asked.max_moves}
    found = await _move_plan(call, service.facts.cluster, {"rebalance": question})
    if not found.moves:
        return answer(found)

    def planned(tx: Transaction) -> Plan:
        _service_to_move(tx, key)
        return plan.plan_writes(tx, _with_migrations(tx, found.moves, asked.at_once))

    if call.query.boolean(q.DRY_RUN):
        await call.services.db.aread(partial(_check, planned=planned, several=True))
        return answer(found)
    await write_transaction.execute(call, planned, several=True, audited=key)
    return answer(found, 202)


async def _move_plan(call: Call, cluster: str, question: Mapping[str, Any]) -> MovePlan:
    return MovePlan.model_validate(await call.services.cluster_calls().plan_moves(cluster, question))


async def _planned_nodes(call: Call, change: Callable[[Node], Mapping[str, Any]]) -> Planned:
    """Read the body, check the rights, and return what plans the change of each node that is meant."""
    asked = await request_body.read_model(call.request, call.services.settings.body_limit, ManyNodes)
    access.check_write(call.token, NODE, "")
    key = CLUSTER.narrow(call.key())

    def planned(tx: Transaction) -> Plan:
        wanted: list[AnyResource] = []
        for node in _nodes(tx, key, asked):
            if node.is_deleting:
                raise Conflict(f"{key_of(node)} is being deleted")
            wanted.append(node.model_copy(update={"spec": node.spec.model_copy(update=dict(change(node)))}))
        return plan.plan_writes(tx, wanted)

    return planned


async def _write_nodes(call: Call, planned: Planned) -> Response:
    written = await write_transaction.execute(call, planned, several=True)
    return answer(BatchResult.of(written.version, written.results), 200 if written.is_unchanged else 202)


def _check(tx: Transaction, planned: Planned, several: bool) -> Plan:
    """Return the plan; raises what a real write would be refused with, since a MovePlan cannot say it."""
    found = planned(tx)
    plan.refuse(found.steps, several=several)
    return found


def _nodes(tx: Transaction, key: Key[Cluster], asked: ManyNodes) -> list[Node]:
    """Return the nodes that are meant, ordered by name; raises NotFound for the cluster, InvalidInput."""
    cluster = resources.get(tx, key)
    if not asked.nodes and asked.rack is None:
        raise InvalidInput([Problem("nodes", "name at least one node, or a rack")])
    found = resources.list_all(tx, NODE, parents=key.names)
    known = {node.name: node for node in found}
    problems = [
        Problem(f"nodes[{index}]", f"cluster {cluster.name} has no node {name}")
        for index, name in enumerate(asked.nodes)
        if name not in known
    ]
    names = set(asked.nodes)
    if asked.rack is not None:
        in_rack = _in_rack(tx, cluster, found, asked.rack)
        if not in_rack:
            problems.append(Problem("rack", f"no node of cluster {cluster.name} is in rack {asked.rack}"))
        names |= in_rack
    if problems:
        raise InvalidInput(problems)
    return [known[name] for name in sorted(names)]


def _in_rack(tx: Transaction, cluster: Cluster, nodes: Sequence[Node], rack: str) -> set[str]:
    """Return the nodes in a rack by the inventory; where it does not know the machine, by the zones of the node."""
    parents, fields = (cluster.spec.datacenter,), {"spec.rack": rack}
    rows = resources.list_all(tx, PHYSICAL_RESOURCE, parents=parents, fields=fields)
    machines = {row.name for row in rows}
    return {
        node.name for node in nodes if node.spec.physical_resource in machines or node.facts.zones.get("rack") == rack
    }


def _service_to_move(tx: Transaction, key: Key[RegionService]) -> RegionService:
    """Return the service, if its Computes can be moved now; raises NotFound, Conflict."""
    service = resources.get(tx, key)
    if service.is_deleting:
        raise Conflict(f"{key} is being deleted")
    if not service.facts.cluster:
        raise Conflict(f"{key} has no cluster yet: none of its Computes is placed")
    fields = {"spec.service": service.name}
    rows = resources.list_all(tx, COMPUTE, parents=(service.region,), project=service.project, fields=fields)
    waiting = [row.name for row in rows if row.spec.migrations > row.facts.migrations and not row.is_deleting]
    if waiting:
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        raise Conflict(f"moves that were requested are not completed yet: of {', '.join(waiting[:3])}{more}")
    return service


def _with_migrations(tx: Transaction, moves: Sequence[Move], at_once: int) -> list[AnyResource]:
    """Return the Computes with one more requested migration each, in the order of the moves."""
    wanted: list[AnyResource] = []
    for order, move in enumerate(moves):
        project, *names = move.resource.split("/")
        row = resources.find(tx, COMPUTE.key(*names, project=project))
        if row is None:
            raise NotFound(f"Compute {move.resource} does not exist any more: ask again")
        requested = {
            "migrations": row.next_migration,
            "migrate_to": move.to,
            "rebalance": computes.Rebalance(order=order, at_once=at_once),
        }
        wanted.append(row.model_copy(update={"spec": row.spec.model_copy(update=requested)}))
    return wanted
