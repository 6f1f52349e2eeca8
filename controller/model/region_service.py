"""RegionService (design J7, K1-K5): replicated Computes, and their Loadbalancer, of one region.

The only way to virtual resources. The root controller chooses one cluster for the whole service
(J9), gives addresses out and writes one Compute per replica; Computes are ``<service>-<index>``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import model_validator

from controller.model.compute import Disk, OnNodeDown, OnNodeUp
from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.loadbalancer import LoadbalancerTemplate
from controller.model.names import Name
from controller.model.registry import Column, Kind, register
from controller.model.schedule_policy import SchedulePolicy


class AssignPolicy(StrEnum):
    """Which network an interface gets: all on one, or round robin."""

    AFFINITY = "Affinity"
    ANTI_AFFINITY = "AntiAffinity"


class NetworkPolicy(Part):
    """Interfaces of each Compute."""

    interfaces: int = field("Interfaces of each Compute.", example=1, default=1, ge=0, le=8, change=Change.REFUSED)
    assign_policy: AssignPolicy = field(
        "Affinity: all interfaces on one network; AntiAffinity: round robin over them. Existing Computes keep theirs.",
        example="Affinity",
        default=AssignPolicy.AFFINITY,
    )
    static_networks: tuple[Name, ...] = field(
        "Networks that may be used, in order; empty: every network of the cluster, by name. "
        "Existing Computes keep theirs.",
        example=["service"],
        default=(),
    )


class ComputeTemplate(Part):
    """What every Compute of the service is like."""

    flavor: Name = field("Flavor.", example="small", reference="ResourceFlavor", change=Change.RESTART)
    image: Name = field("Image of the service's region.", example="guest", reference="Image", change=Change.RECREATE)
    schedule_policy: SchedulePolicy = field(
        "Where Computes may run; the power axis must be chosen (J3).",
        example={"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
    )
    network_policy: NetworkPolicy = field("Interfaces.", example={"interfaces": 1}, default=NetworkPolicy())
    disks: tuple[Disk, ...] = field(
        "Extra disks of each Compute.",
        example=[{"name": "data", "size_gib": 10}],
        default=(),
        max_length=16,
        change=Change.RESTART,
    )
    ssh_keys: tuple[str, ...] = field(
        "SSH public keys.",
        unordered=True,
        example=["ssh-ed25519 AAAA ops"],
        default=(),
        max_length=256,
        change=Change.RECREATE,
    )
    user_data: str = field(
        "User data for the ConfigDrive.",
        example="#cloud-config\n",
        default="",
        max_length=65536,
        change=Change.RECREATE,
    )
    shutdown_timeout: int = field(
        "How long an ACPI shutdown may take before power is cut.", example=60, default=60, unit="s", ge=0, le=86400
    )
    on_node_down: OnNodeDown = field("What to do when a node is lost.", example="None", default=OnNodeDown.NONE)
    on_node_up: OnNodeUp = field("What to do when a node is back.", example="Restart", default=OnNodeUp.RESTART)

    @model_validator(mode="after")
    def _power_is_chosen(self) -> ComputeTemplate:
        chosen = self.schedule_policy.modes_of("power")
        if len(chosen) > 1:
            raise ValueError("schedule_policy spreads over power domains and gathers in one: choose one of the two")
        if not chosen:
            raise ValueError(
                "schedule_policy.rules must choose the power axis: add "
                '{"axis": "power", "mode": "AntiAffinity"} to spread over power domains, or '
                '{"axis": "power", "mode": "Affinity"} to gather in one (redundancy is then by GSLB)'
            )
        return self

    @model_validator(mode="after")
    def _disk_names_differ(self) -> ComputeTemplate:
        names = [disk.name for disk in self.disks]
        if len(set(names)) != len(names):
            raise ValueError("disks: names must differ")
        return self


class RegionServiceSpec(Spec):
    """A service: how many Computes of which make, and their Loadbalancer."""

    replicas: int = field("Computes of the service. To have none, delete the service.", example=3, ge=1, le=100_000)
    compute: ComputeTemplate = field(
        "What every Compute is like.",
        example={
            "flavor": "small",
            "image": "guest",
            "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
        },
    )
    loadbalancer: LoadbalancerTemplate | None = field(
        "Loadbalancer with a VIP; none: no VIP.",
        example={"provider": "memory-lb", "network": "service", "listeners": [{"port": 80}]},
        default=None,
    )
    global_service: Name | None = field(
        "GlobalService that it is a member of; none where GSLB is not used.",
        example="web",
        default=None,
        reference="GlobalService",
    )
    expire_date: datetime | None = field(
        "When the reservation ends; none: never.", example="2030-01-01T00:00:00Z", default=None
    )

    @model_validator(mode="before")
    @classmethod
    def _replicas_may_stand_in_the_policy(cls, data: Any) -> Any:
        """The design keeps Replicas in SchedulePolicy (J8): take it from there when given there."""
        if not isinstance(data, dict) or not isinstance(data.get("compute"), dict):
            return data
        policy = data["compute"].get("schedule_policy")
        if not isinstance(policy, dict):
            return data
        for spelling in ("Replicas", "replicas"):
            if spelling in policy:
                rest = {key: value for key, value in policy.items() if key != spelling}
                compute = {**data["compute"], "schedule_policy": rest}
                if data.get("replicas", policy[spelling]) != policy[spelling]:
                    raise ValueError("replicas and schedule_policy.Replicas differ")
                return {**data, "replicas": policy[spelling], "compute": compute}
        return data


class RegionService(Resource[RegionServiceSpec]):
    """A service of one region; made of Computes and at most one Loadbalancer."""

    parents = ("region",)
    kind: Literal["RegionService"] = "RegionService"
    region: Name = field("Region of the service, set once.", example="kanto", reference="Region")
    spec: RegionServiceSpec = field(
        "What was asked.",
        example={
            "replicas": 3,
            "compute": {
                "flavor": "small",
                "image": "guest",
                "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
            },
        },
    )


REGION_SERVICE = register(
    Kind(
        RegionService,
        segment="services",
        parent="Region",
        per_project=True,
        has_revisions=True,
        columns=(
            Column("REPLICAS", "spec.replicas"),
            Column("READY", "observed.ready"),
            Column("CLUSTER", "observed.cluster"),
            Column("STATUS", "status"),
            Column("REVISION", "revision"),
            Column("REASON", "status_reason", wide=True),
        ),
        design_methods={
            "Put": "CreateResource UpdateResource",
            "Get": "GetResource",
            "List": "ListResource",
            "Delete": "DeleteResource",
        },
        aliases=("service", "svc"),
        example={
            "kind": "RegionService",
            "name": "web",
            "region": "kanto",
            "spec": {
                "replicas": 3,
                "compute": {
                    "flavor": "small",
                    "image": "guest",
                    "schedule_policy": {
                        "rules": [
                            {"axis": "power", "mode": "AntiAffinity"},
                            {"axis": "rack", "mode": "AntiAffinity"},
                        ]
                    },
                },
            },
        },
    )
)
