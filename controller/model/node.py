"""Node: a hypervisor of a cluster. Each node is one physical resource.

Operators write ``spec.schedulable`` (cordon); the controllers write ``state`` (Up, Down, Unknown), which was last
observed of its agent.

Design: D4, G6
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_
from enum import StrEnum
from typing import Literal

from controller.model.envelope import Observed, Part, Resource, Spec, read_observed
from controller.model.fields import field
from controller.model.kind_rules import AccessRules, DeletionRules, Replication, TopologyLine
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class Capacity(Part):
    """The capacity of a node, or the part of it that is taken. The agent reads it from the host."""

    vcpus: float = field(
        "Hardware threads whose time is shared, to the hundredth.", example=16, default=0, ge=0, multiple_of=0.01
    )
    pinned_cpus: int = field("Hardware threads given one by one.", example=0, default=0, ge=0)
    memory_mib: int = field("Memory, without huge pages.", example=65536, default=0, unit="MiB", ge=0)
    hugepages_mib: int = field("Memory in huge pages.", example=0, default=0, unit="MiB", ge=0)
    disk_gib: int = field("Disk for images and root disks.", example=900, default=0, unit="GiB", ge=0)
    disk_iops: int = field("Reads and writes of the disks.", example=20000, default=0, unit="1/s", ge=0)
    disk_mibps: int = field("Throughput of the disks.", example=1000, default=0, unit="MiB/s", ge=0)
    network_mbps: int = field("Throughput of the network, each way.", example=10000, default=0, unit="Mbit/s", ge=0)


class NumaCell(Part):
    """One NUMA node of the host."""

    cell: int = field("Number of the cell.", example=0, ge=0)
    cpus: tuple[int, ...] = field("Hardware threads whose time is shared.", example=[0, 1, 2, 3], default=())
    pinned_cpus: tuple[int, ...] = field("Hardware threads given one by one.", example=[], default=())
    memory_mib: int = field("Memory, without huge pages.", example=32768, default=0, unit="MiB", ge=0)
    hugepages_mib: int = field("Memory in huge pages.", example=0, default=0, unit="MiB", ge=0)

    @property
    def capacity(self) -> Capacity:
        """Return the part of the node's capacity that is in this cell."""
        return Capacity(
            vcpus=len(self.cpus),
            pinned_cpus=len(self.pinned_cpus),
            memory_mib=self.memory_mib,
            hugepages_mib=self.hugepages_mib,
        )


@dataclass(frozen=True)
class Share:
    """The share of a node that one resource takes."""

    size: Capacity = field_(default_factory=Capacity)
    """Share of the whole node."""
    cells: Mapping[int, Capacity] = field_(default_factory=dict)
    """Share of each NUMA cell that the resource is bound to; empty if the node has only one cell."""
    cpus: tuple[int, ...] = ()
    """Hardware threads that are exclusive to it."""


class CordonedBy(StrEnum):
    """Who cordoned a node. Only the one that cordoned it uncordons it automatically."""

    OPERATOR = "Operator"
    DRAIN = "Drain"


class NodeSpec(Spec):
    """The settings of a node by operators."""

    physical_resource: Name | None = field(
        "Physical resource of the node, in the cluster's datacenter; it determines the rack and the failure domains.",
        example="floor-1-1-1-rack-1-1-server1",
        default=None,
        reference="PhysicalResource",
    )
    region_availability_zone: Name | None = field(
        "Availability zone of the region.", example="kanto-a", default=None, reference="RegionAvailabilityZone"
    )
    network_availability_zone: Name | None = field(
        "Network zone of the cluster.", example="network-1", default=None, reference="NetworkAvailabilityZone"
    )
    node_availability_zone: Name | None = field(
        "Node zone of the cluster.", example="row-1", default=None, reference="NodeAvailabilityZone"
    )
    power_domain: str | None = field(
        "Power domain; none: computed from the power links.", example="A+B", default=None, max_length=256
    )
    network_domain: str | None = field(
        "Network domain; none: computed from the network links.",
        example="leaf01+leaf02",
        default=None,
        max_length=256,
    )
    providers: tuple[Name, ...] = field(
        "Providers that the node offers.", unordered=True, example=["libvirt"], default=(), reference="Provider"
    )
    schedulable: bool = field("False: cordoned; no new resources are placed on the node.", example=True, default=True)
    drain: bool = field("True: all resources are to be moved away (set by DrainNode).", example=False, default=False)
    cordoned_by: CordonedBy | None = field(
        "Who cordoned the node (set by CordonNode and DrainNode). A cancelled drain uncordons what it cordoned itself.",
        example=None,
        default=None,
    )
    enable_auto_cordon: bool = field(
        "True: the node is cordoned automatically if it is unhealthy.", example=False, default=False
    )
    auto_cordon_interval: int = field(
        "Time that the node is unhealthy before the cordon.", example=300, default=300, unit="s", ge=1, le=86400
    )
    enable_auto_drain: bool = field(
        "True: the node is drained automatically after an automatic cordon.", example=False, default=False
    )
    auto_drain_interval: int = field(
        "Time between the cordon and the drain.", example=600, default=600, unit="s", ge=1, le=86400
    )
    enable_alert: bool = field("True: alerts are sent for the node.", example=True, default=True)


class DrainBlocker(Observed):
    """A resource that a drain cannot move."""

    resource: str
    reason: str = ""
    counts: Mapping[str, int] = {}
    """Reason to how many nodes it holds for."""


class DrainProgress(Observed):
    """The progress of the drain of a node."""

    remaining: int = 0
    """Number of resources that are still on the node."""
    moving: Mapping[str, str] = {}
    """Target node by resource; empty for one that only ends."""
    planned: Mapping[str, str] = {}
    """Target node by resource, as of now, for moves that have not begun."""
    blocked_by: tuple[DrainBlocker, ...] = ()


class NodeHold(StrEnum):
    """What the cluster waits for, since its database was restored, before it changes anything."""

    NONE = ""
    UNREPORTED = "Unreported"
    """The node has not reported what is on it."""
    REPORTED = "Reported"
    """The node has reported; others have not."""
    ALONE = "Alone"
    """Only this node is held: its agent alone says that it knows assignments that the database does not know."""


class QuarantinedDisks(Observed):
    """The disks of a machine that its node keeps aside instead of deleting them."""

    key: str
    """Names them on their node."""
    uid: str = ""
    name: str = ""
    """Name of the machine; empty if it is not known."""
    at: str = ""
    """When they were put there, ISO 8601."""
    size_bytes: int = 0


class NodeObserved(Observed):
    """The reports of the node's agent, the failure domains from the root, and the results of the cluster controller."""

    capacity: Capacity | None = None
    numa: tuple[NumaCell, ...] = ()
    providers: tuple[str, ...] = ()
    endpoint: str = ""
    """gRPC address of the node's agent."""
    migration_address: str = ""
    """Address where its hypervisor receives migrations."""
    version: str = ""
    """Version of its agent."""
    zones: Mapping[str, str] = {}
    """Failure domain of the node by axis, from the root's inventory."""
    taken: Capacity | None = None
    """The taken part of the capacity."""
    computes: int | None = None
    """Number of Computes on it."""
    drain: DrainProgress | None = None
    """Progress of the drain; None: no drain."""
    quarantine: tuple[QuarantinedDisks, ...] = ()
    """Disks that are kept aside on the node, oldest first; not all of very many."""
    quarantine_bytes: int = 0
    """What all disks that are kept aside take of the node's disk."""
    registered: bool = False
    """Whether its agent had registered, as the root remembers it: the cluster's database may be older."""
    hold: NodeHold = NodeHold.NONE
    """Whether the node gets no assignments yet, because the cluster's database was restored."""
    epoch: str = ""
    """Epoch of the cluster's database in which the node reported what is on it."""
    skipped: str = ""
    """Epoch in which an operator ended the hold without the node's report. Until the node has taken its assignments of
    that epoch, what it knows otherwise holds nothing."""

    @property
    def has_joined(self) -> bool:
        """Return whether an agent has ever registered for the node; one that was only planned has nothing on it."""
        return self.registered or self.capacity is not None


class Node(Resource[NodeSpec]):
    """A hypervisor."""

    parents = ("cluster",)
    kind: Literal["Node"] = "Node"
    cluster: Name = field("Cluster of the node.", example="tokyo1", reference="Cluster")
    spec: NodeSpec = field("Desired state.", example={}, default_factory=NodeSpec)

    @property
    def facts(self) -> NodeObserved:
        """Return its observed facts."""
        return read_observed(self, NodeObserved)


NODE = register(
    Kind(
        Node,
        segment="nodes",
        parent="Cluster",
        columns=(
            Column("RACK", "observed.zones.rack"),
            Column("POWER", "observed.zones.power", wide=True),
            Column("NETWORK", "observed.zones.network", wide=True),
            Column("STATE", "state"),
            Column("SCHEDULABLE", "spec.schedulable"),
            Column("VCPUS", "observed.capacity.vcpus"),
            Column("MEMORY_MIB", "observed.capacity.memory_mib"),
            Column("COMPUTES", "observed.computes"),
            Column("REASON", "state_reason", wide=True),
        ),
        design_methods={"Get": "GetNode", "List": "ListNode", "Delete": "DeleteNode"},
        replication=Replication(
            sent_with="Node",
            cluster_field="cluster",
            reported=True,
            status_from_cluster=True,
            restored_when_desired=True,
            first_state="Unknown",
            first_state_reason="no heartbeat yet",
        ),
        access=AccessRules(names_resources=("drain", "quarantine")),
        deletion=DeletionRules(takes_force=True),
        has_impact=True,
        topology=TopologyLine(
            position=110,
            spec=(
                "physical_resource",
                "region_availability_zone",
                "network_availability_zone",
                "node_availability_zone",
                "providers",
                "schedulable",
                "drain",
            ),
            observed=("zones", "capacity", "taken", "computes"),
            with_physical_resource=True,
        ),
        created_with={"state": "Unknown", "state_reason": "no agent has reported yet"},
        example={
            "kind": "Node",
            "name": "floor-1-1-1-rack-1-1-server1",
            "cluster": "tokyo1",
            "spec": {"physical_resource": "floor-1-1-1-rack-1-1-server1", "providers": ["libvirt"]},
        },
    )
)
