"""Keeps who may open connections to the machines of each node, for the assignment index.

A node gets what concerns the services that have a machine on it, arriving ones included: the addresses of all placed
Computes of the service, the SecurityGroups that the service names, and the addresses of the sources of their rules.
Members of a service are known here, for a service is in one cluster. Groups come from the root with the services that
name them and the addresses of sources, which may be in other clusters.

Each service has a version that grows with its members and its groups; a node gets it again when a version of its
services has grown. A service of very many Computes makes large messages for very many nodes: so the message of a
service is made once per version, and ``later`` is for the caller to call at intervals.

Not thread-safe.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from controller.model.assignment import Assignment
from controller.model.compute import COMPUTE
from controller.model.registry import key_of
from controller.model.security_group import SECURITY_GROUP, SecurityGroup
from controller.store.changes import Change, Verb
from controller.wire.agent_pb2 import AddressSet, NetworkAccess, SecurityGroupRules, ServiceAccess

_Place = tuple[str, str]
"""The node and the name of an assignment."""
_Known = frozenset[tuple[str, int]]
"""Services with their versions."""


class AccessIndex:
    """The access of all nodes of a cluster."""

    def __init__(self, groups: Iterable[SecurityGroup] = ()) -> None:
        self._members: dict[str, dict[_Place, tuple[int, ...]]] = defaultdict(dict)
        self._service_at: dict[_Place, str] = {}
        self._services_on: dict[str, Counter[str]] = defaultdict(Counter)
        self._groups: dict[str, SecurityGroup] = {}
        self._groups_of: dict[str, set[str]] = defaultdict(set)
        self._versions: Counter[str] = Counter()
        self._sent: dict[str, _Known] = {}
        self._made: dict[str, tuple[int, ServiceAccess]] = {}
        self._touched: set[str] = set()
        for group in groups:
            self._put_group(group)

    def take(self, change: Change) -> None:
        """Follow a change of a SecurityGroup; others are ignored."""
        if (group := change.of(SECURITY_GROUP)) is not None:
            self._drop_group(key_of(group).path)
            if change.verb != Verb.DELETED:
                self._put_group(group)

    def put(self, assignment: Assignment) -> None:
        """Follow a new or changed assignment; only those of Computes count."""
        if assignment.spec.resource_kind != COMPUTE.name:
            return
        place = (assignment.spec.node, assignment.name)
        service = f"{assignment.spec.resource.rpartition('/')[0]}/{assignment.spec.desired.get('service', '')}"
        numbers = tuple(_numbers(assignment))
        if self._members[service].get(place) == numbers:
            return
        self.drop(*place)
        self._members[service][place] = numbers
        self._service_at[place] = service
        self._services_on[place[0]][service] += 1
        self._touch(service)

    def drop(self, node: str, name: str) -> None:
        """Forget an assignment; one that is not known is ignored."""
        service = self._service_at.pop((node, name), None)
        if service is None:
            return
        del self._members[service][node, name]
        if not self._members[service]:
            del self._members[service]
            self._made.pop(service, None)
        self._services_on[node] -= Counter([service])
        self._touch(service)

    @property
    def touched(self) -> bool:
        """Return whether ``later`` may return any node."""
        return bool(self._touched)

    def differs(self, node: str) -> bool:
        """Return whether the node's access has changed since it was last taken with ``of``."""
        return self._sent.get(node) != self._known(node)

    def later(self) -> set[str]:
        """Return the nodes of all services that changed since the last call, as far as ``differs``."""
        touched, self._touched = self._touched, set()
        return {node for node, counts in self._services_on.items() if counts.keys() & touched and self.differs(node)}

    def of(self, node: str) -> NetworkAccess:
        """Return the node's access, which it is to be sent."""
        self._sent[node] = self._known(node)
        services = sorted(self._services_on.get(node, ()))
        named = {group for service in services for group in self._groups_of.get(service, ())}
        groups = sorted((self._groups[path] for path in named), key=lambda group: group.resource_version)
        sources: dict[str, tuple[int, ...]] = {}
        for group in groups:  # the same source of several groups: as the group says that the root sent last
            known = group.facts.sources
            wanted = {rule.source(group.project) for rule in group.spec.ingress} - {""}
            sources |= {source: known.get(source, ()) for source in wanted}
        return NetworkAccess(
            services=[self._service(service) for service in services],
            groups=[
                SecurityGroupRules(
                    group=key_of(group).path,
                    spec=json.dumps(group.spec.model_dump(mode="json", exclude_none=True), sort_keys=True).encode(),
                )
                for group in sorted(groups, key=lambda group: key_of(group).path)
            ],
            sources=[AddressSet(source=name, addresses=sorted(sources[name])) for name in sorted(sources)],
        )

    def _known(self, node: str) -> _Known:
        return frozenset((service, self._versions[service]) for service in self._services_on.get(node, ()))

    def _touch(self, service: str) -> None:
        self._versions[service] += 1
        self._touched.add(service)

    def _service(self, service: str) -> ServiceAccess:
        """Return the message of a service; a machine that moves has two assignments with the same addresses."""
        version = self._versions[service]
        made = self._made.get(service)
        if made is None or made[0] != version:
            members = {number for numbers in self._members.get(service, {}).values() for number in numbers}
            groups = sorted(self._groups_of.get(service, ()))
            made = version, ServiceAccess(service=service, members=sorted(members), groups=groups)
            self._made[service] = made
        return made[1]

    def _put_group(self, group: SecurityGroup) -> None:
        path = key_of(group).path
        self._groups[path] = group
        for service in group.facts.services:
            self._groups_of[service].add(path)
            self._touch(service)

    def _drop_group(self, path: str) -> None:
        before = self._groups.pop(path, None)
        for service in before.facts.services if before is not None else ():
            self._groups_of[service].discard(path)
            self._touch(service)


def _numbers(assignment: Assignment) -> Iterator[int]:
    for interface in assignment.spec.desired.get("interfaces", ()):
        yield int(IPv4Address(interface["address"]))
