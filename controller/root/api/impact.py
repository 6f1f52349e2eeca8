"""GET .../impact: what would go down with a device, rack, floor, datacenter or node.

Reads the root's own database and asks no cluster, so it answers while a cluster cannot be reached, from what was last
seen. A token for some projects gets only their Computes, Loadbalancers and services; all tokens see the inventory and
the nodes.

Design: J1.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from controller.model.cluster import CLUSTER
from controller.model.compute import COMPUTE
from controller.model.datacenter import RACK, Datacenter, Floor, Rack
from controller.model.loadbalancer import LOADBALANCER
from controller.model.node import NODE, Node
from controller.model.physical_resource import PHYSICAL_RESOURCE, PhysicalResource
from controller.model.registry import AnyResource, Kind, T
from controller.root.api import access, answers
from controller.root.api.operation import Call
from controller.root.api.query import Parameter
from controller.root.api.render import answer
from controller.root.inventory import impact
from controller.root.inventory.impact import Failure, Impact, Site
from controller.store import changes, resources
from controller.store.database import Transaction

LIMIT = Parameter(
    "limit",
    "Entries of each list at most; `counts` are of all.",
    {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1000},
    example=100,
)
_DEFAULT_LIMIT = 1000


async def get(call: Call) -> Response:
    """Answer with the impact of the failure of the named resource."""
    key = call.key()
    access.check_read(call.token, call.kind)
    limit = call.query.integer(LIMIT) or _DEFAULT_LIMIT

    def work(tx: Transaction) -> tuple[AnyResource, int, Impact]:
        failing = resources.get(tx, key)
        site = _site(tx, failing)
        failure = _failure(tx, failing, site)
        found = impact.of(failure, site, _seen(tx, call, site, COMPUTE), _seen(tx, call, site, LOADBALANCER))
        return failing, changes.head(tx), found

    failing, version, found = await call.services.db.aread(work)
    return answer(answers.Impact.of(failing, version, found, limit))


def _site(tx: Transaction, failing: AnyResource) -> Site:
    """Return the datacenter that the resource is in."""
    datacenter = failing.name if isinstance(failing, Datacenter) else getattr(failing, "datacenter", "")
    if isinstance(failing, Node):
        datacenter = resources.get(tx, CLUSTER.key(failing.cluster)).spec.datacenter
    clusters = resources.list_all(tx, CLUSTER, fields={"spec.datacenter": datacenter})
    devices = resources.list_all(tx, PHYSICAL_RESOURCE, parents=(datacenter,))
    nodes = [node for each in clusters for node in resources.list_all(tx, NODE, parents=(each.name,))]
    return Site({each.name: each for each in devices}, {each.name: each for each in clusters}, nodes)


def _failure(tx: Transaction, failing: AnyResource, site: Site) -> Failure:
    """Return what fails by itself when the resource fails: everything that is in it."""
    match failing:
        case Node():
            machine = failing.spec.physical_resource or ""
            known = frozenset({machine} if machine in site.inventory else ())
            return Failure(known, frozenset({(failing.cluster, failing.name)}))
        case PhysicalResource():
            return Failure(frozenset({failing.name}))
        case Rack():
            racks = {failing.name}
            floor = ""
        case Floor():
            found = resources.list_all(tx, RACK, parents=failing.parent_names, fields={"spec.floor": failing.name})
            racks = {each.name for each in found}
            floor = failing.name
        case _:
            return Failure(frozenset(site.inventory), frozenset((node.cluster, node.name) for node in site.nodes))
    within = (
        each for each in site.inventory.values() if each.spec.rack in racks or (floor and each.spec.floor == floor)
    )
    return Failure(frozenset(each.name for each in within))


def _seen(tx: Transaction, call: Call, site: Site, kind: Kind[T]) -> list[T]:
    """Return the resources of the kind in the site's clusters, of the token's projects."""
    projects: Sequence[str | None] = sorted(call.token.spec.projects) or [None]
    return [
        each
        for cluster in site.clusters
        for project in projects
        for each in resources.list_all(tx, kind, project=project, fields={"spec.cluster": cluster})
    ]
