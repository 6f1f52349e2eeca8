"""Loadbalancer: at most one per RegionService, created and deleted only with it.

Design: D2, K4
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Observed, Part, Resource, Spec, read_observed
from controller.model.fields import Change, field
from controller.model.kind_rules import Replication
from controller.model.names import Address, Name
from controller.model.registry import Column, Kind, register


class Protocol(StrEnum):
    """Transport of a listener."""

    TCP = "TCP"
    UDP = "UDP"


class HealthMonitorType(StrEnum):
    """How the health of members is checked."""

    TCP = "TCP"
    HTTP = "HTTP"


class HealthMonitor(Part):
    """How members of a listener are checked."""

    type: HealthMonitorType = field("Kind of check.", example="TCP", default=HealthMonitorType.TCP)
    port: int = field("Port that is checked.", example=80, ge=1, le=65535)
    path: str = field("Path, for HTTP.", example="/healthz", default="/", max_length=1024)
    interval: int = field("Time between checks.", example=5, default=5, unit="s", ge=1, le=3600)
    timeout: int = field("Timeout of a check.", example=2, default=2, unit="s", ge=1, le=3600)
    retries: int = field("Number of failed checks before a member is removed.", example=3, default=3, ge=1, le=100)


class StaticMember(Part):
    """A member that is not a Compute of the service."""

    address: Address = field("Address of the member.", example="172.16.10.200")
    port: int = field("Port of the member.", example=8080, ge=1, le=65535)


class Listener(Part):
    """A port of the VIP."""

    protocol: Protocol = field("Transport.", example="TCP", default=Protocol.TCP)
    port: int = field("Port of the VIP.", example=443, ge=1, le=65535)
    static_members: tuple[StaticMember, ...] = field(
        "Members in addition to the service's Computes.", unordered=True, example=[], default=(), max_length=256
    )
    health_monitor: HealthMonitor | None = field(
        "How members are checked.", example={"type": "TCP", "port": 443}, default=None
    )


class MemberHaMode(StrEnum):
    """How the members share the load."""

    ACTIVE_ACTIVE = "ActiveActive"


class LoadbalancerTemplate(Part):
    """The Loadbalancer in the spec of a RegionService."""

    provider: Name = field("Provider of kind Loadbalancer.", example="memory-lb", reference="Provider")
    network: Name = field("Network that the VIP comes from.", example="service", change=Change.REFUSED)
    replicas: int = field("Instances of the Loadbalancer.", example=2, default=1, ge=1, le=64)
    listeners: tuple[Listener, ...] = field(
        "Ports of the VIP.", unordered=True, example=[{"port": 443}], default=(), max_length=256
    )
    member_ha_mode: MemberHaMode = field(
        "How the members share the load.", example="ActiveActive", default=MemberHaMode.ACTIVE_ACTIVE
    )


class LoadbalancerSpec(Spec):
    """The template with the cluster and the VIP."""

    service: Name = field("RegionService that owns it.", example="web", change=Change.REFUSED)
    cluster: Name = field("Cluster that runs it.", example="tokyo1", change=Change.REFUSED)
    vip: Address | None = field("Address that clients use.", example="172.16.10.100", default=None)
    template: LoadbalancerTemplate = field(
        "The template of the service.", example={"provider": "memory-lb", "network": "service"}
    )


class LoadbalancerObserved(Observed):
    """The notes of the cluster controller on a Loadbalancer."""

    nodes: tuple[str, ...] = ()
    """Nodes that have an instance."""
    ready: int = 0
    """Instances that run the current revision."""
    attempt: int = 0
    """Number of the last assignment."""
    assignments: tuple[str, ...] = ()
    """Names of its assignments."""


class Loadbalancer(Resource[LoadbalancerSpec]):
    """The Loadbalancer of a service; it has the service's name."""

    parents = ("region",)
    kind: Literal["Loadbalancer"] = "Loadbalancer"
    region: Name = field("Region of the service.", example="kanto")
    spec: LoadbalancerSpec = field("The resolved description.", example={"service": "web", "cluster": "tokyo1"})

    @property
    def facts(self) -> LoadbalancerObserved:
        """Return its observed facts."""
        return read_observed(self, LoadbalancerObserved)


LOADBALANCER = register(
    Kind(
        Loadbalancer,
        segment="loadbalancers",
        parent="Region",
        per_project=True,
        user_made=False,
        columns=(
            Column("SERVICE", "spec.service"),
            Column("VIP", "spec.vip"),
            Column("STATUS", "status"),
            Column("REASON", "status_reason", wide=True),
        ),
        design_methods={"Get": "GetResource", "List": "ListResource"},
        aliases=("lb",),
        replication=Replication(
            sent_with="RegionService",
            cluster_field="spec.cluster",
            placed=True,
            placed_on_many=True,
            reported=True,
        ),
        service_field="spec.service",
        service_of_name=str,
        example={
            "kind": "Loadbalancer",
            "name": "web",
            "region": "kanto",
            "spec": {
                "service": "web",
                "cluster": "tokyo1",
                "template": {"provider": "memory-lb", "network": "service", "listeners": [{"port": 80}]},
            },
        },
    )
)
