"""Reads the desired state of owners from the root's database, for one cluster.

One transaction reads everything in bulk: a resync of thousands of nodes is a few statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.model.access import JOIN_TOKEN, JoinTokenObserved
from controller.model.cluster import CLUSTER
from controller.model.node import NODE, Node
from controller.model.physical_resource import PHYSICAL_RESOURCE, PhysicalResource
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import AnyResource, Key, key_of, parse_key
from controller.model.security_group import SecurityGroup
from controller.root.inventory import failure_domains
from controller.root.reconcile import desired_state, security_groups, service_state
from controller.root.reconcile.desired_state import Owner
from controller.store import resources
from controller.store.database import Transaction


def names(tx: Transaction, cluster: str) -> list[str]:
    """Return the names of all owners whose desired state the cluster is to have."""
    services = resources.list_all(tx, REGION_SERVICE, fields={"observed.cluster": cluster})
    found: list[AnyResource] = [*services]
    found += resources.list_all(tx, NODE, parents=(cluster,))
    found += resources.list_all(tx, JOIN_TOKEN, parents=(cluster,))
    return [desired_state.owner_name(key) for key in (*map(key_of, found), *security_groups.named(services))]


def joined(tx: Transaction, cluster: str) -> set[str]:
    """Return the nodes of the cluster whose agents have registered; a report never takes that back."""
    return {node.name for node in resources.list_all(tx, NODE, parents=(cluster,)) if node.facts.has_joined}


def owners(tx: Transaction, cluster: str, owner_names: Iterable[str]) -> list[Owner]:
    """Return the desired state of each owner; an owner without a row, or of another cluster, counts as deleted."""
    wanted = {name: parse_key(name) for name in owner_names}
    rows = resources.get_many(tx, list(wanted.values()))
    found: list[Owner] = []
    nodes: list[Node] = []
    for name, key in wanted.items():
        row = rows.get(key)
        if row is None:
            found.append(desired_state.deleted_owner(name))
        elif isinstance(row, Node):
            nodes.append(row)
        elif isinstance(row, RegionService):
            found.append(_service(tx, cluster, key))
        elif isinstance(row, SecurityGroup):
            found.append(security_groups.owner(tx, cluster, row))
        else:
            found.append(desired_state.plain_owner(row, {"digest": JoinTokenObserved.read(row.observed).digest}))
    return found + _nodes(tx, cluster, nodes)


def states(tx: Transaction, owner_names: Iterable[str]) -> Iterator[service_state.ServiceState]:
    """Return the services of those owners that still exist."""
    for name in owner_names:
        state = service_state.load(tx, REGION_SERVICE.narrow(parse_key(name)))
        if state is not None:
            yield state


def _service(tx: Transaction, cluster: str, key: Key) -> Owner:
    state = service_state.load(tx, REGION_SERVICE.narrow(key))
    if state is None or state.cluster != cluster:
        return desired_state.deleted_owner(desired_state.owner_name(key))
    return desired_state.service_owner(state.service, state.computes, state.loadbalancer)


def _nodes(tx: Transaction, cluster: str, nodes: list[Node]) -> list[Owner]:
    if not nodes:
        return []
    home = resources.get(tx, CLUSTER.key(cluster))
    inventory = _inventory(tx, home.spec.datacenter, {node.spec.physical_resource or "" for node in nodes})
    return [desired_state.node_owner(node, failure_domains.zones(node, home, inventory)) for node in nodes]


def _inventory(tx: Transaction, datacenter: str, wanted: set[str]) -> dict[str, PhysicalResource]:
    """Return the named physical resources, all that powers them, and the routers that they are wired to."""
    known: dict[str, PhysicalResource] = {}
    asked: set[str] = {""}
    while wanted - asked:
        asked |= wanted
        keys = [PHYSICAL_RESOURCE.key(datacenter, name) for name in sorted(wanted - {""})]
        found = resources.get_many(tx, keys).values()
        known.update({row.name: row for row in found})
        wanted = {link.source for row in found for link in row.spec.power_links}
        wanted |= {link.peer for row in found for link in row.spec.network_links if row.spec.role == "Server"}
        wanted -= asked
    return known
