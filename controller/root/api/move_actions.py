"""Actions that move many Computes: drains of nodes or of a rack, and the rebalance of a service (F3, J4, M3).

What would move where only the cluster can tell: a dry run asks it, and so does a rebalance, whose
moves become wishes of the Computes in one transaction. A drain itself only writes what is asked of the
nodes, and works while the cluster is away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from pydantic import Field
from starlette.responses import Response

from controller.errors import Conflict, InvalidInput, NotFound, Problem
from controller.model import compute as computes
from controller.model.cluster import CLUSTER, Cluster
from controller.model.compute import COMPUTE
from controller.model.names import Name
from controller.model.node import NODE, Node
from controller.model.physical_resource import PHYSICAL_RESOURCE
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.root.api import access, actions, request_body
from controller.root.api import query as q
from controller.root.api.actions import Body, Empty, key_of_call
from controller.root.api.operation import Call
from controller.root.api.render import json_response
from controller.root.writes import plan, plan_execution
from controller.root.writes.plan import Action
from controller.store import changes, resources
from controller.store.database import Transaction

_MOST = 10_000


class ManyNodes(Body):
    """Which nodes of the cluster: by name, or all that stand in a rack, or both."""

    nodes: list[Name] = Field(default_factory=list, max_length=_MOST, description="Names of nodes.")
    rack: Name | None = Field(None, description="Rack of which all nodes are meant.")


class Rebalance(Body):
    """How much may be moved."""

    max_moves: int | None = Field(None, ge=1, le=100_000, description="Moves at most; none: as many as it takes.")
    at_once: int = Field(1, ge=1, le=1000, description="Computes that may move at the same time.")


async def drain_node(call: Call) -> Response:
    """Cordon, and everything on the node is to leave."""
    if not call.query.boolean(q.DRY_RUN):
        return await actions.change_spec(call, Empty, lambda tx, node, asked: actions.drained(node))
    await _asked(call, Empty, optional=True)
    key = key_of_call(call)
    access.check_write(call.token, call.kind, key.project)
    await call.services.db.aread(partial(resources.get, key=key))
    return await _foreseen(call, key.names[0], {"drain": {"nodes": [key.names[1]]}})


async def drain_nodes(call: Call) -> Response:
    """The same of several nodes, in one transaction: their moves are planned together."""
    asked = cast(ManyNodes, await _asked(call, ManyNodes))
    if not call.query.boolean(q.DRY_RUN):
        return await _change_nodes(call, asked, actions.drained)
    access.check_write(call.token, NODE, "")
    key = key_of_call(call)
    nodes = await call.services.db.aread(partial(_nodes, key=CLUSTER.narrow(key), asked=asked))
    return await _foreseen(call, key.names[0], {"drain": {"nodes": [node.name for node in nodes]}})


async def cancel_drains(call: Call) -> Response:
    """The drains of several nodes end; each is as it was before."""
    return await _change_nodes(call, cast(ManyNodes, await _asked(call, ManyNodes)), actions.cancelled)


async def rebalance(call: Call) -> Response:
    """Ask the cluster for the moves, and wish for them: each is looked at again when its turn comes."""
    asked = cast(Rebalance, await _asked(call, Rebalance, optional=True))
    key = key_of_call(call)
    access.check_write(call.token, call.kind, key.project)
    service = await call.services.db.aread(partial(_service_to_move, key=REGION_SERVICE.narrow(key)))
    question = {"service": key.path, "max_moves": asked.max_moves}
    cluster = str(service.observed["cluster"])
    found = await call.services.cluster_calls().plan_moves(cluster, {"rebalance": question})
    if call.query.boolean(q.DRY_RUN) or not found["moves"]:
        return json_response(found)

    def work(tx: Transaction) -> None:
        _service_to_move(tx, REGION_SERVICE.narrow(key))
        wanted = _wished(tx, found["moves"], asked.at_once)
        steps = plan.plan_writes(tx, wanted).steps
        plan.refuse(steps, several=True)
        call.audit(tx, key=key)
        plan_execution.carry_out(tx, steps)

    await call.services.db.awrite(work)
    return json_response(found, 202)


async def _asked(call: Call, model: type[Body], *, optional: bool = False) -> Body:
    raw = await request_body.read_object(call.request, call.services.settings.body_limit, optional=optional)
    return cast(Body, actions.parse(model, raw))


async def _foreseen(call: Call, cluster: str, question: Mapping[str, Any]) -> Response:
    return json_response(await call.services.cluster_calls().plan_moves(cluster, question))


async def _change_nodes(call: Call, asked: ManyNodes, change: Callable[[Node], Mapping[str, Any]]) -> Response:
    access.check_write(call.token, NODE, "")
    key = key_of_call(call)

    def work(tx: Transaction) -> tuple[int, list[plan_execution.Result]]:
        wanted: list[AnyResource] = []
        for node in _nodes(tx, CLUSTER.narrow(key), asked):
            if node.is_deleting:
                raise Conflict(f"{key_of(node)} is being deleted")
            wanted.append(node.model_copy(update={"spec": node.spec.model_copy(update=dict(change(node)))}))
        steps = plan.plan_writes(tx, wanted).steps
        plan.refuse(steps, several=True)
        for step in steps:
            if step.action is not Action.UNCHANGED:
                call.audit(tx, key=step.key)
        done = plan_execution.carry_out(tx, steps)
        return changes.head(tx), done

    version, results = await call.services.db.awrite(work)
    idle = all(result.action is Action.UNCHANGED for result in results)
    answer = {"resource_version": version, "results": [result.render() for result in results]}
    return json_response(answer, 200 if idle else 202)


def _nodes(tx: Transaction, key: Key[Cluster], asked: ManyNodes) -> list[Node]:
    """The nodes that are meant, by name; raises NotFound (no such cluster), InvalidInput."""
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
        standing = _in_rack(tx, cluster, found, asked.rack)
        if not standing:
            problems.append(Problem("rack", f"no node of cluster {cluster.name} stands in rack {asked.rack}"))
        names |= standing
    if problems:
        raise InvalidInput(problems)
    return [known[name] for name in sorted(names)]


def _in_rack(tx: Transaction, cluster: Cluster, nodes: Sequence[Node], rack: str) -> set[str]:
    """By the inventory; where it does not know the machine, by what the cluster was told."""
    parents, fields = (cluster.spec.datacenter,), {"spec.rack": rack}
    rows = resources.list_all(tx, PHYSICAL_RESOURCE, parents=parents, fields=fields)
    there = {row.name for row in rows}
    return {
        node.name
        for node in nodes
        if node.spec.physical_resource in there or node.observed.get("zones", {}).get("rack") == rack
    }


def _service_to_move(tx: Transaction, key: Key[RegionService]) -> RegionService:
    """The service, if moves can be asked of it now; raises NotFound, Conflict."""
    service = resources.get(tx, key)
    if service.is_deleting:
        raise Conflict(f"{key} is being deleted")
    if not service.observed.get("cluster"):
        raise Conflict(f"{key} has no cluster yet: nothing of it stands anywhere")
    fields = {"spec.service": service.name}
    rows = resources.list_all(tx, COMPUTE, parents=(service.region,), project=service.project, fields=fields)
    waiting = [
        row.name for row in rows if row.spec.migrations > int(row.observed.get("migrations", 0)) and not row.is_deleting
    ]
    if waiting:
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        raise Conflict(f"moves that were asked for are still to come: of {', '.join(waiting[:3])}{more}")
    return service


def _wished(tx: Transaction, moves: Sequence[Mapping[str, Any]], at_once: int) -> list[AnyResource]:
    """The Computes with one more migration each, in the order of the moves."""
    wanted: list[AnyResource] = []
    for order, move in enumerate(moves):
        project, *names = str(move["resource"]).split("/")
        row = resources.find(tx, COMPUTE.key(*names, project=project))
        if row is None:
            raise NotFound(f"Compute {move['resource']} is gone: ask again")
        wish = {
            "migrations": row.spec.migrations + 1,
            "migrate_to": move["to"],
            "rebalance": computes.Rebalance(order=order, at_once=at_once),
        }
        wanted.append(row.model_copy(update={"spec": row.spec.model_copy(update=wish)}))
    return wanted
