"""ServiceProcess: a running process of the control plane, as it last reported itself.

Design: A9, F4, H2
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import field
from controller.model.kind_rules import Replication
from controller.model.moments import Moment
from controller.model.names import Name, QualifiedName
from controller.model.registry import Column, Kind, register


class ProcessKind(StrEnum):
    """Kinds of processes."""

    RESOURCE_API = "resource-api"
    RESOURCE_CONTROLLER = "resource-controller"
    CLUSTER_API = "cluster-api"
    CLUSTER_CONTROLLER = "cluster-controller"
    CLUSTER_AGENT = "cluster-agent"


class ProcessRole(StrEnum):
    """The role of a controller: the master works, slaves stand by. APIs and agents have none."""

    MASTER = "Master"
    SLAVE = "Slave"
    NONE = "None"


class ServiceProcessSpec(Spec):
    """The report of a process on itself."""

    process_kind: ProcessKind = field("Kind of the process.", example="resource-controller")
    cluster: Name | None = field("Cluster that it works for; none: the root.", example="tokyo1", default=None)
    endpoint: str = field("gRPC address of its Status service.", example="127.0.0.1:7441", default="")
    role: ProcessRole = field("Master or slave.", example="Master", default=ProcessRole.NONE)
    term: int = field("Term of its mastership.", example=3, default=0, ge=0)
    version: str = field("Version of the program.", example="0.1.0", default="")
    heartbeat: Moment | None = field("Time of the last heartbeat.", example="2026-01-01T00:00:00Z", default=None)


class ServiceProcess(Resource[ServiceProcessSpec]):
    """A process of the control plane (read-only)."""

    kind: Literal["ServiceProcess"] = "ServiceProcess"
    name: QualifiedName = field(
        "Name of the process; for a process of a cluster, the cluster's name precedes it.", example="tokyo1.node1"
    )
    spec: ServiceProcessSpec = field("The last report of the process.", example={"process_kind": "resource-api"})


SERVICE_PROCESS = register(
    Kind(
        ServiceProcess,
        segment="service-processes",
        user_made=False,
        plural="ServiceProcesses",
        columns=(
            Column("KIND", "spec.process_kind"),
            Column("CLUSTER", "spec.cluster"),
            Column("ROLE", "spec.role"),
            Column("TERM", "spec.term"),
            Column("STATE", "state"),
            Column("ENDPOINT", "spec.endpoint", wide=True),
            Column("HEARTBEAT", "spec.heartbeat"),
        ),
        aliases=("process", "processes"),
        replication=Replication(reported=True, mirrored=True, unique_in_cluster=True),
        example={
            "kind": "ServiceProcess",
            "name": "resource-controller-1",
            "spec": {"process_kind": "resource-controller", "endpoint": "127.0.0.1:7441"},
        },
    )
)
