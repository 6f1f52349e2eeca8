"""Predicts what a failure does to nodes, Computes, Loadbalancers and services. Pure.

``Failure`` names what fails: devices of one datacenter's inventory, and nodes. ``failure_domains`` finds what goes
down with them, with the same code that computes the power and network domains.

A replica is left if its node stays up; it counts as running if it also was last observed running. A rule is reported
as broken if the remaining replicas cannot survive the next failure of the rule's kind, or if the lost Computes could
not be created again under the rule.

A Loadbalancer is down if none of its instances is left on a node that is up: then nothing answers at its VIP, and the
running Computes of the service cannot be reached there. Lost instances are not created again automatically.

Design: J1
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.model.cluster import Cluster
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Node
from controller.model.physical_resource import PhysicalResource
from controller.model.schedule_policy import AXES, RuleMode, ScheduleRule
from controller.root.inventory import failure_domains
from controller.root.inventory.failure_domains import Cause

VIEWS = ("datacenter", "power", "network", "rack")
"""The axes in which redundancy is reported. Design: J11"""

Place = tuple[str, str]
"""Cluster and node."""
Owner = tuple[str, str, str]
"""Project, region and name of a service."""


@dataclass(frozen=True)
class Failure:
    """The devices and nodes that fail first."""

    devices: frozenset[str] = frozenset()
    nodes: frozenset[Place] = frozenset()


@dataclass(frozen=True)
class Site:
    """A datacenter and the nodes of its clusters, as the root knows them."""

    inventory: Mapping[str, PhysicalResource]
    clusters: Mapping[str, Cluster]
    nodes: Sequence[Node]

    def zones(self) -> dict[Place, dict[str, str]]:
        """Return the domain of each node per axis, and its labels."""
        return {
            (node.cluster, node.name): {
                **{label: value for label, value in node.labels.items() if label not in AXES},
                **failure_domains.zones(node, self.clusters[node.cluster], self.inventory),
            }
            for node in self.nodes
        }


@dataclass(frozen=True)
class RuleAfter:
    """One rule of a service after the failure; ``reason`` is empty if the rule is met."""

    rule: ScheduleRule
    reason: str


@dataclass(frozen=True)
class ServiceAfter:
    """A service that loses Computes, or instances of its Loadbalancer."""

    owner: Owner
    replicas: int
    lost: int
    left: int
    running: int
    rebuild: bool
    """Whether lost Computes are created again on other nodes (on_node_down)."""
    rules: tuple[RuleAfter, ...]
    views: Mapping[str, tuple[int, int]]
    """Number of domains that the service uses, before and after, by axis."""
    is_cut_off: bool = False
    """Its Loadbalancer is down."""

    @property
    def is_down(self) -> bool:
        """Return whether no Compute of the service runs."""
        return self.running == 0

    @property
    def broken(self) -> list[RuleAfter]:
        """Return the rules that are no longer met."""
        return [rule for rule in self.rules if rule.reason]


@dataclass(frozen=True)
class LoadbalancerAfter:
    """A Loadbalancer that loses instances."""

    loadbalancer: Loadbalancer
    lost: tuple[str, ...]
    """Nodes of the lost instances."""
    left: int
    running: int
    """Instances left on nodes that are up; 0 if none was ready before."""

    @property
    def is_down(self) -> bool:
        """Return whether no instance answers."""
        return self.running == 0

    @property
    def effect(self) -> str:
        """Return a sentence on what this means for the service."""
        at = f" at {self.loadbalancer.spec.vip}" if self.loadbalancer.spec.vip else ""
        if self.is_down:
            return f"nothing answers{at or ' for it'} any more"
        return f"{self.running} of {self.loadbalancer.spec.template.replicas} instances answer{at}"


@dataclass(frozen=True)
class Impact:
    """Everything that goes down, the worst services and Loadbalancers first."""

    devices: Mapping[str, Cause]
    nodes: Mapping[Place, Cause]
    computes: tuple[Compute, ...]
    services: tuple[ServiceAfter, ...]
    loadbalancers: tuple[LoadbalancerAfter, ...] = ()


@dataclass
class _Members:
    """The Computes of one service."""

    lost: list[Compute] = field(default_factory=list)
    left: list[Compute] = field(default_factory=list)
    unplaced: list[Compute] = field(default_factory=list)

    def sample(self) -> Compute:
        """Return any one of the Computes."""
        return (self.lost or self.left or self.unplaced)[0]


def of(failure: Failure, site: Site, computes: Iterable[Compute], loadbalancers: Iterable[Loadbalancer] = ()) -> Impact:
    """Return the impact of the failure on the given Computes and Loadbalancers of the site's clusters."""
    devices = failure_domains.find_down(site.inventory, failure.devices)
    nodes: dict[Place, Cause] = {}
    for node in site.nodes:
        place = node.cluster, node.name
        why = Cause.ITSELF if place in failure.nodes else failure_domains.cause(node, site.inventory, devices)
        if why is not None:
            nodes[place] = why
    members: dict[Owner, _Members] = defaultdict(_Members)
    for compute in computes:
        if not compute.is_deleting:
            _sort_in(members[compute.project, compute.region, compute.spec.service], compute, nodes)
    zones = site.zones()
    up = {(node.cluster, node.name) for node in site.nodes if node.state == "Up"}
    balanced = {_owner(each.loadbalancer): each for each in _balancers(loadbalancers, up, nodes) if each.lost}
    hit = {owner: found for owner, found in members.items() if found.lost or owner in balanced}
    cut_off = {owner for owner, each in balanced.items() if each.is_down}
    after = [_after(owner, found, zones, up, nodes, is_cut_off=owner in cut_off) for owner, found in hit.items()]
    after.sort(key=lambda each: (not each.is_down, not each.is_cut_off, not each.broken, each.left, each.owner))
    lost = sorted((compute for found in hit.values() for compute in found.lost), key=_by_name)
    worst = sorted(balanced.items(), key=lambda pair: (not pair[1].is_down, pair[0]))
    return Impact(devices, nodes, tuple(lost), tuple(after), tuple(each for _, each in worst))


def _balancers(
    loadbalancers: Iterable[Loadbalancer], up: set[Place], down: Mapping[Place, Cause]
) -> Iterator[LoadbalancerAfter]:
    for each in loadbalancers:
        if each.is_deleting:
            continue
        places = [(each.spec.cluster, name) for name in each.facts.nodes]
        left = [place for place in places if place not in down]
        running = sum(place in up for place in left) if each.facts.ready else 0
        yield LoadbalancerAfter(each, tuple(place[1] for place in places if place in down), len(left), running)


def _sort_in(found: _Members, compute: Compute, down: Mapping[Place, Cause]) -> None:
    place = _place(compute)
    if not place[1]:
        found.unplaced.append(compute)
    elif place in down:
        found.lost.append(compute)
    else:
        found.left.append(compute)


def _after(
    owner: Owner,
    found: _Members,
    zones: Mapping[Place, Mapping[str, str]],
    up: set[Place],
    down: Mapping[Place, Cause],
    *,
    is_cut_off: bool,
) -> ServiceAfter:
    sample = found.sample()
    cluster = sample.spec.cluster
    here = [zones[place] for place in up if place[0] == cluster]
    stay = [zones[place] for place in up if place[0] == cluster and place not in down]
    replicas = len(found.lost) + len(found.left) + len(found.unplaced)

    def used(computes: Sequence[Compute], axis: str) -> Counter[str]:
        places = (zones.get(_place(compute), {}) for compute in computes)
        return Counter(value for each in places if (value := each.get(axis)))

    def broken(rule: ScheduleRule) -> str:
        before = used([*found.lost, *found.left], rule.axis)
        domains_before = {each[rule.axis] for each in here if each.get(rule.axis)}
        domains_after = {each[rule.axis] for each in stay if each.get(rule.axis)}
        if not found.lost:
            return ""
        if not found.left:
            return "none is left"
        if rule.mode is RuleMode.AFFINITY:
            is_lost = rule.value in domains_before - domains_after
            return f"{rule.axis} {rule.value} is down" if rule.hard and is_lost else ""
        after = used(found.left, rule.axis)
        if len(after) == 1 < len(before):
            return f"{_left(len(found.left))} in {rule.axis} {next(iter(after))}"
        if rule.hard and len(domains_after) < replicas <= len(domains_before):
            return f"{replicas} replicas need as many of {rule.axis}, {len(domains_after)} stay up"
        return ""

    return ServiceAfter(
        owner=owner,
        replicas=replicas,
        lost=len(found.lost),
        left=len(found.left),
        running=sum(compute.state == "Running" for compute in found.left),
        rebuild=sample.spec.on_node_down == "Rebuild",
        rules=tuple(RuleAfter(rule, broken(rule)) for rule in sample.spec.schedule_policy.all_rules()),
        views={axis: (len(used([*found.lost, *found.left], axis)), len(used(found.left, axis))) for axis in VIEWS},
        is_cut_off=is_cut_off,
    )


def _left(count: int) -> str:
    return "the only one left is" if count == 1 else f"all {count} left are"


def _place(compute: Compute) -> Place:
    return compute.spec.cluster, compute.facts.node


def _owner(loadbalancer: Loadbalancer) -> Owner:
    return loadbalancer.project, loadbalancer.region, loadbalancer.spec.service


def _by_name(compute: Compute) -> tuple[str, str, str, int]:
    return compute.project, compute.region, compute.spec.service, compute.spec.index
