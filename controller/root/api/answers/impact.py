"""The answer of the impact of a failure."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from controller.model import registry
from controller.model.registry import AnyResource
from controller.root.api.answers.base import Answer, Count
from controller.root.inventory import impact
from controller.root.inventory.failure_domains import Cause


class ImpactCounts(Answer):
    """How many go down, or lose something, in all."""

    devices: Count
    nodes: Count
    computes: Count
    loadbalancers: Count
    loadbalancers_down: Count
    services: Count
    services_below_rules: Count
    services_down: Count


class FailedDevice(Answer):
    """A physical resource that goes down."""

    name: str
    cause: Cause


class FailedNode(Answer):
    """A node that goes down, and how many Computes are on it."""

    cluster: str
    name: str
    cause: Cause
    computes: Count


class LostCompute(Answer):
    """A Compute that goes down."""

    project: str
    region: str
    name: str
    service: str
    cluster: str
    node: str


class LoadbalancerAfter(Answer):
    """A Loadbalancer that loses instances."""

    project: str
    region: str
    name: str
    service: str
    cluster: str
    vip: str | None
    replicas: Count = Field(description="Instances that were asked for.")
    lost: list[str] = Field(description="Nodes of the instances that are lost.")
    left: Count
    running: Count = Field(description="Of those left, on nodes that are up.")
    down: bool = Field(description="None of it answers any more.")
    effect: str = Field(description="What that means for the service, in words.")

    @classmethod
    def of(cls, after: impact.LoadbalancerAfter) -> LoadbalancerAfter:
        """Return the answer for one Loadbalancer."""
        loadbalancer = after.loadbalancer
        return cls(
            project=loadbalancer.project,
            region=loadbalancer.region,
            name=loadbalancer.name,
            service=loadbalancer.spec.service,
            cluster=loadbalancer.spec.cluster,
            vip=str(loadbalancer.spec.vip) if loadbalancer.spec.vip else None,
            replicas=loadbalancer.spec.template.replicas,
            lost=list(after.lost),
            left=after.left,
            running=after.running,
            down=after.is_down,
            effect=after.effect,
        )


class RuleAfter(Answer):
    """One schedule rule of a service after the failure."""

    axis: str
    mode: str
    hard: bool
    value: str | None
    met: bool
    reason: str = Field(description="Why it is no longer met.")

    @classmethod
    def of(cls, after: impact.RuleAfter) -> RuleAfter:
        """Return the answer for one rule."""
        rule = after.rule
        return cls(
            axis=rule.axis,
            mode=rule.mode.value,
            hard=rule.hard,
            value=rule.value,
            met=not after.reason,
            reason=after.reason,
        )


class BeforeAndAfter(Answer):
    """A number before the failure and after it."""

    before: Count
    after: Count


class ServiceAfter(Answer):
    """A service that loses Computes, or instances of its Loadbalancer."""

    project: str
    region: str
    name: str
    replicas: Count
    lost: Count
    left: Count
    running: Count = Field(description="Of those left, as last seen.")
    down: bool = Field(description="Nothing of it runs any more.")
    cut_off: bool = Field(description="Its Loadbalancer is down: it is not reached at its VIP.")
    on_node_down: str
    rules: list[RuleAfter]
    domains: dict[str, BeforeAndAfter] = Field(description="Axis to the number of its domains that the service is in.")

    @classmethod
    def of(cls, after: impact.ServiceAfter) -> ServiceAfter:
        """Return the answer for one service."""
        project, region, name = after.owner
        return cls(
            project=project,
            region=region,
            name=name,
            replicas=after.replicas,
            lost=after.lost,
            left=after.left,
            running=after.running,
            down=after.is_down,
            cut_off=after.is_cut_off,
            on_node_down="Rebuild" if after.rebuild else "None",
            rules=[RuleAfter.of(rule) for rule in after.rules],
            domains={axis: BeforeAndAfter(before=old, after=new) for axis, (old, new) in after.views.items()},
        )


class Impact(Answer):
    """What would go down with one resource, as of a version."""

    kind: str
    key: str
    role: str = Field(description="Of a physical resource.")
    as_of: Count
    counts: ImpactCounts
    devices: list[FailedDevice] = Field(description="Physical resources that are down then.")
    nodes: list[FailedNode]
    computes: list[LostCompute]
    loadbalancers: list[LoadbalancerAfter] = Field(description="Loadbalancers that lose instances, worst first.")
    services: list[ServiceAfter] = Field(
        description="Services that lose Computes or instances of their Loadbalancer, worst first."
    )

    @classmethod
    def of(cls, failing: AnyResource, version: int, found: impact.Impact, limit: int) -> Impact:
        """Return the answer, each list with at most ``limit`` entries; the counts are of all."""
        key = registry.key_of(failing)
        per_node = Counter((each.spec.cluster, each.facts.node) for each in found.computes)
        devices = [FailedDevice(name=name, cause=cause) for name, cause in sorted(found.devices.items())[:limit]]
        nodes = [
            FailedNode(cluster=cluster, name=name, cause=cause, computes=per_node[cluster, name])
            for (cluster, name), cause in sorted(found.nodes.items())[:limit]
        ]
        computes = [
            LostCompute(
                project=each.project,
                region=each.region,
                name=each.name,
                service=each.spec.service,
                cluster=each.spec.cluster,
                node=each.facts.node,
            )
            for each in found.computes[:limit]
        ]
        return cls(
            kind=key.kind,
            key=key.path,
            role=str(getattr(failing.spec, "role", "")),
            as_of=version,
            counts=_counts(found),
            devices=devices,
            nodes=nodes,
            computes=computes,
            loadbalancers=[LoadbalancerAfter.of(each) for each in found.loadbalancers[:limit]],
            services=[ServiceAfter.of(each) for each in found.services[:limit]],
        )


def _counts(found: impact.Impact) -> ImpactCounts:
    return ImpactCounts(
        devices=len(found.devices),
        nodes=len(found.nodes),
        computes=len(found.computes),
        loadbalancers=len(found.loadbalancers),
        loadbalancers_down=sum(each.is_down for each in found.loadbalancers),
        services=len(found.services),
        services_below_rules=sum(bool(each.broken) for each in found.services),
        services_down=sum(each.is_down for each in found.services),
    )
