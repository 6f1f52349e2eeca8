"""The SecurityGroups that a cluster has to know, with the addresses of their sources, and when these change.

A cluster gets a group while a service of that cluster names it, with those services and with the addresses of each
source of its rules, in whatever cluster they are. An address is in a source from its allocation until it is freed.

``GroupWatch`` turns changes into the projects of which some source may have changed; ``concerned`` names the groups.
What it overlooks after a lost connection, the links' resync finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from controller.model import registry
from controller.model.compute import COMPUTE
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import Key, key_of
from controller.model.security_group import SECURITY_GROUP, IngressRule, SecurityGroup
from controller.root.reconcile import desired_state
from controller.root.reconcile.desired_state import Owner
from controller.store import addresses, resources
from controller.store.changes import Change, Verb
from controller.store.database import Transaction


def named(services: Iterable[RegionService]) -> list[Key[SecurityGroup]]:
    """Return the groups that any of the services names."""
    keys = (SECURITY_GROUP.key(name, project=one.project) for one in services for name in one.spec.security_groups)
    return list(dict.fromkeys(keys))


def owner(tx: Transaction, cluster: str, group: SecurityGroup) -> Owner:
    """Return the desired state of a group for a cluster; deleted where no service of the cluster names it."""
    here = [
        key_of(service).path
        for service in resources.list_referring(tx, REGION_SERVICE, [key_of(group)])
        if service.facts.cluster == cluster
    ]
    if not here:
        return desired_state.deleted_owner(desired_state.owner_name(key_of(group)))
    rules = {rule.source(group.project): rule for rule in group.spec.ingress}
    sources = {name: sorted(_addresses(tx, group.project, rule)) for name, rule in sorted(rules.items()) if name}
    return desired_state.plain_owner(group, {"services": here, "sources": sources})


def _addresses(tx: Transaction, project: str, rule: IngressRule) -> Iterator[int]:
    if rule.project is not None:
        yield from (value for _, value in addresses.of_project(tx, rule.project))
    elif rule.group is not None:
        key = SECURITY_GROUP.key(rule.group, project=project)
        services = {key_of(one).path for one in resources.list_referring(tx, REGION_SERVICE, [key])}
        if services:
            yield from (value for path, value in addresses.of_project(tx, project) if _service(path) in services)


def _service(path: str) -> str:
    """Return the key path of the service of a Compute, from that of the Compute."""
    region, _, name = path.rpartition("/")
    assert COMPUTE.service_of_name is not None
    return f"{region}/{COMPUTE.service_of_name(name)}"


def concerned(tx: Transaction, projects: frozenset[str]) -> list[str]:
    """Return the names of the owners whose sources may lie in one of the projects."""
    return [
        desired_state.owner_name(key_of(group))
        for group in resources.list_all(tx, SECURITY_GROUP)
        if group.project in projects or any(rule.project in projects for rule in group.spec.ingress)
    ]


class GroupWatch:
    """Finds the projects of which some source may have changed, from the changes in their order."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, frozenset[str]]] = {}

    def take(self, news: Sequence[Change]) -> frozenset[str]:
        """Return the projects with new or deleted Computes, changed groups, or services that changed their groups."""
        return frozenset(change.path.partition("/")[0] for change in news if self._matters(change))

    def _matters(self, change: Change) -> bool:
        if registry.get(change.kind).replication.sent_where_named:
            return True
        if change.kind == COMPUTE.name:
            return change.verb != Verb.UPDATED
        service = change.of(REGION_SERVICE)
        if service is None:
            return False
        now = (service.facts.cluster, frozenset(service.spec.security_groups))
        before = self._seen.get(change.path)
        if change.verb == Verb.DELETED:
            self._seen.pop(change.path, None)
        else:
            self._seen[change.path] = now
        return change.verb != Verb.UPDATED or now != before
