"""GET .../impact: what would go down with a device, rack, floor, datacenter or node (J1).

Reads the root's own database: nothing is asked of a cluster, so it answers while one is away, from
what was last seen. A token for some projects is told of their Computes and services only; the
inventory and the nodes are shared by all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from starlette.responses import Response

from controller.model import registry
from controller.model.cluster import CLUSTER
from controller.model.compute import COMPUTE, Compute
from controller.model.datacenter import RACK, Rack
from controller.model.loadbalancer import LOADBALANCER, Loadbalancer
from controller.model.node import NODE, Node
from controller.model.physical_resource import PHYSICAL_RESOURCE, PhysicalResource
from controller.model.registry import AnyResource, Kind
from controller.root.api import access
from controller.root.api.operation import Access, Call, Operation
from controller.root.api.query import Parameter
from controller.root.api.render import json_response
from controller.root.inventory import impact
from controller.root.inventory.impact import Failure, Impact, LoadbalancerAfter, ServiceAfter, Site
from controller.store import changes, resources
from controller.store.database import Transaction

LIMIT = Parameter(
    "limit",
    "Entries of each list at most; `counts` are of all.",
    {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1000},
    example=100,
)
KINDS = ("Datacenter", "Floor", "Rack", "PhysicalResource", "Node")
"""Kinds whose failure can be asked about."""
_DEFAULT_LIMIT = 1000


def operations(kind: Kind) -> Iterator[Operation]:
    """The operation of the kinds that can fail."""
    if kind.name not in KINDS:
        return
    yield Operation(
        f"Get{kind.name}Impact",
        "GET",
        f"{kind.item_path}/impact",
        "Tell what would go down with it",
        get,
        Access.READ,
        {200: "Impact"},
        (401, 403, 404, 422),
        (LIMIT,),
        kind=kind,
        tag=kind.name,
        description="Devices that lose power or network with it, nodes, Computes, Loadbalancers, and what is left of "
        "services. Only Computes, Loadbalancers and services of the token's projects are told.",
    )


async def get(call: Call) -> Response:
    """The impact of the named thing."""
    key = call.kind.key(*call.names())
    access.check_read(call.token, call.kind)
    limit = call.query.integer(LIMIT) or _DEFAULT_LIMIT

    def work(tx: Transaction) -> tuple[AnyResource, int, Impact]:
        thing = resources.get(tx, key)
        site = _site(tx, thing)
        computes = cast(list[Compute], _seen(tx, call, site, COMPUTE.name))
        loadbalancers = cast(list[Loadbalancer], _seen(tx, call, site, LOADBALANCER.name))
        found = impact.of(_failure(tx, thing, site), site, computes, loadbalancers)
        return thing, changes.head(tx), found

    thing, version, found = await call.services.db.aread(work)
    return json_response(_render(thing, version, found, limit))


def _site(tx: Transaction, thing: AnyResource) -> Site:
    """The datacenter that the thing is in."""
    datacenter = thing.name if thing.kind == "Datacenter" else getattr(thing, "datacenter", "")
    if isinstance(thing, Node):
        datacenter = resources.get(tx, CLUSTER.key(thing.cluster)).spec.datacenter
    clusters = resources.list_all(tx, CLUSTER, fields={"spec.datacenter": datacenter})
    devices = resources.list_all(tx, PHYSICAL_RESOURCE, parents=(datacenter,))
    nodes = [node for each in clusters for node in resources.list_all(tx, NODE, parents=(each.name,))]
    return Site({each.name: each for each in devices}, {each.name: each for each in clusters}, nodes)


def _failure(tx: Transaction, thing: AnyResource, site: Site) -> Failure:
    """What fails by itself when the thing does: all that stands in it."""
    match thing:
        case Node():
            machine = thing.spec.physical_resource or ""
            known = frozenset({machine} if machine in site.inventory else ())
            return Failure(known, frozenset({(thing.cluster, thing.name)}))
        case PhysicalResource():
            return Failure(frozenset({thing.name}))
        case Rack():
            racks = {thing.name}
            floor = ""
        case _ if thing.kind == "Floor":
            found = resources.list_all(tx, RACK, parents=thing.parent_names, fields={"spec.floor": thing.name})
            racks = {each.name for each in found}
            floor = thing.name
        case _:
            return Failure(frozenset(site.inventory), frozenset((node.cluster, node.name) for node in site.nodes))
    within = (
        each for each in site.inventory.values() if each.spec.rack in racks or (floor and each.spec.floor == floor)
    )
    return Failure(frozenset(each.name for each in within))


def _seen(tx: Transaction, call: Call, site: Site, kind: str) -> list[AnyResource]:
    """What of the kind is in the site's clusters, of the token's projects."""
    projects: Sequence[str | None] = sorted(call.token.spec.projects) or [None]
    return [
        each
        for cluster in site.clusters
        for project in projects
        for each in resources.list_all(tx, kind, project=project, fields={"spec.cluster": cluster})
    ]


def _render(thing: AnyResource, version: int, found: Impact, limit: int) -> dict[str, Any]:
    key = registry.key_of(thing)
    down = sum(service.is_down for service in found.services)
    below = sum(bool(service.broken) for service in found.services)
    per_node: dict[tuple[str, str], int] = {}
    for compute in found.computes:
        place = compute.spec.cluster, str(compute.observed["node"])
        per_node[place] = per_node.get(place, 0) + 1
    return {
        "kind": key.kind,
        "key": key.path,
        "role": str(getattr(thing.spec, "role", "")),
        "as_of": version,
        "counts": {
            "devices": len(found.devices),
            "nodes": len(found.nodes),
            "computes": len(found.computes),
            "loadbalancers": len(found.loadbalancers),
            "loadbalancers_down": sum(each.is_down for each in found.loadbalancers),
            "services": len(found.services),
            "services_below_rules": below,
            "services_down": down,
        },
        "devices": [{"name": name, "cause": cause.value} for name, cause in sorted(found.devices.items())][:limit],
        "nodes": [
            {"cluster": cluster, "name": name, "cause": cause.value, "computes": per_node.get((cluster, name), 0)}
            for (cluster, name), cause in sorted(found.nodes.items())
        ][:limit],
        "computes": [
            {
                "project": compute.project,
                "region": compute.region,
                "name": compute.name,
                "service": compute.spec.service,
                "cluster": compute.spec.cluster,
                "node": compute.observed["node"],
            }
            for compute in found.computes[:limit]
        ],
        "loadbalancers": [_render_loadbalancer(each) for each in found.loadbalancers[:limit]],
        "services": [_render_service(service) for service in found.services[:limit]],
    }


def _render_loadbalancer(after: LoadbalancerAfter) -> dict[str, Any]:
    loadbalancer = after.loadbalancer
    return {
        "project": loadbalancer.project,
        "region": loadbalancer.region,
        "name": loadbalancer.name,
        "service": loadbalancer.spec.service,
        "cluster": loadbalancer.spec.cluster,
        "vip": str(loadbalancer.spec.vip) if loadbalancer.spec.vip else None,
        "replicas": loadbalancer.spec.template.replicas,
        "lost": list(after.lost),
        "left": after.left,
        "running": after.running,
        "down": after.is_down,
        "effect": after.effect,
    }


def _render_service(service: ServiceAfter) -> dict[str, Any]:
    project, region, name = service.owner
    return {
        "project": project,
        "region": region,
        "name": name,
        "replicas": service.replicas,
        "lost": service.lost,
        "left": service.left,
        "running": service.running,
        "down": service.is_down,
        "cut_off": service.is_cut_off,
        "on_node_down": "Rebuild" if service.rebuild else "None",
        "rules": [
            {
                "axis": after.rule.axis,
                "mode": after.rule.mode.value,
                "hard": after.rule.hard,
                "value": after.rule.value,
                "met": not after.reason,
                "reason": after.reason,
            }
            for after in service.rules
        ],
        "domains": {axis: {"before": before, "after": after} for axis, (before, after) in service.views.items()},
    }
