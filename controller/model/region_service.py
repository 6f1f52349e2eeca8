"""RegionService: replicated Computes and their Loadbalancer in one region.

Users get virtual resources only through a RegionService. The root controller chooses one cluster for the whole
service, allocates addresses and writes one Compute per replica. The Computes are named ``<service>-<index>``.

Design: J7, J9, K1-K5
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import model_validator

from controller.model.compute import Disk, OnNodeDown, OnNodeUp
from controller.model.envelope import Observed, Part, Resource, Spec, read_observed
from controller.model.fields import Change, field
from controller.model.kind_rules import DeletionRules, Replication
from controller.model.loadbalancer import LoadbalancerTemplate
from controller.model.moments import Moment
from controller.model.names import Name
from controller.model.registry import Column, Kind, register
from controller.model.schedule_policy import SchedulePolicy
from controller.model.secret_fields import SecretText
from controller.model.security_group import MAX_GROUPS

MAX_REPLICAS = 100_000
"""Computes of one service."""


class AssignPolicy(StrEnum):
    """The network of each interface: the same for all, or round robin."""

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
    """The template of all Computes of the service."""

    flavor: Name = field("Flavor.", example="small", reference="ResourceFlavor", change=Change.RESTART)
    image: Name = field("Image of the service's region.", example="guest", reference="Image", change=Change.RECREATE)
    schedule_policy: SchedulePolicy = field(
        "Where the Computes may run; it must have a rule for the power axis.",
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
    user_data: SecretText = field(
        "User data for the ConfigDrive. Tokens that may not write the resource read it as `(secret)`.",
        secret=True,
        lines=True,
        example="#cloud-config\n",
        default="",
        max_length=65536,
        change=Change.RECREATE,
    )
    shutdown_timeout: int = field(
        "Time for an ACPI shutdown before the power is cut.", example=60, default=60, unit="s", ge=0, le=86400
    )
    on_node_down: OnNodeDown = field("Action when a node is lost.", example="None", default=OnNodeDown.NONE)
    on_node_up: OnNodeUp = field("Action when a lost node is back.", example="Restart", default=OnNodeUp.RESTART)

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
    """A service: the number and the template of its Computes, and its Loadbalancer."""

    replicas: int = field(
        "Computes of the service. To have none, delete the service.", example=3, ge=1, le=MAX_REPLICAS
    )
    compute: ComputeTemplate = field(
        "Template of the Computes.",
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
    security_groups: tuple[Name, ...] = field(
        "SecurityGroups whose rules open the Computes to others; without any, only the Computes of the service reach "
        "each other. A change takes effect on running Computes.",
        example=["web"],
        default=(),
        max_length=MAX_GROUPS,
        reference="SecurityGroup",
        unordered=True,
    )
    global_service: Name | None = field(
        "GlobalService that the service is a member of; none: no GSLB.",
        example="web",
        default=None,
        reference="GlobalService",
    )
    expire_date: Moment | None = field(
        "End of the reservation; none: never.", example="2030-01-01T00:00:00Z", default=None
    )

    @model_validator(mode="after")
    def _groups_differ(self) -> RegionServiceSpec:
        if len(set(self.security_groups)) != len(self.security_groups):
            raise ValueError("security_groups: names must differ")
        return self

    @model_validator(mode="before")
    @classmethod
    def _replicas_may_stand_in_the_policy(cls, data: Any) -> Any:
        """Accept Replicas in SchedulePolicy too, where the design has it."""
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


class RegionServiceObserved(Observed):
    """The notes of the root controller on a service."""

    cluster: str = ""
    """Cluster of the service; empty: not chosen yet."""
    replicas: int = 0
    """Number of its Computes."""
    ready: int = 0
    """Number of its Computes that are Active."""
    made: int = 0
    """Number of Computes that were created for it, deleted ones included."""
    vip: str = ""
    """Address of its Loadbalancer."""
    broken_rules: tuple[str, ...] = ()
    """Hard rules that its Computes break where they are, as of when it was last Active."""
    not_applied: str = ""
    """Why its cluster has not applied what was asked for last; empty: it has, or has not tried yet."""


class RegionService(Resource[RegionServiceSpec]):
    """A service of one region, with Computes and at most one Loadbalancer."""

    parents = ("region",)
    kind: Literal["RegionService"] = "RegionService"
    region: Name = field("Region of the service; cannot change.", example="kanto", reference="Region")
    spec: RegionServiceSpec = field(
        "Desired state.",
        example={
            "replicas": 3,
            "compute": {
                "flavor": "small",
                "image": "guest",
                "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
            },
        },
    )

    @property
    def facts(self) -> RegionServiceObserved:
        """Return its observed facts."""
        return read_observed(self, RegionServiceObserved)


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
        replication=Replication(cluster_field="observed.cluster"),
        deletion=DeletionRules(by_controller=True),
        service_of_name=str,
        created_with={"status": "Initializing", "status_reason": ""},
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
