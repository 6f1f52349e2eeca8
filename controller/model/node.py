"""Node (design D4, G6): a hypervisor of a cluster, one-to-one with a physical resource.

Two words, two writers: ``spec.schedulable`` is what operators ask (cordon); ``state`` (Up, Down,
Unknown) is what was last seen of its agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_
from enum import StrEnum
from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class Capacity(Part):
    """What a node has, or what is taken of it. Read from the host by the agent."""

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
        """What of the node's capacity is in this cell."""
        return Capacity(
            vcpus=len(self.cpus),
            pinned_cpus=len(self.pinned_cpus),
            memory_mib=self.memory_mib,
            hugepages_mib=self.hugepages_mib,
        )


@dataclass(frozen=True)
class Share:
    """What one resource takes of one node."""

    size: Capacity = field_(default_factory=Capacity)
    """Of the node as a whole."""
    cells: Mapping[int, Capacity] = field_(default_factory=dict)
    """The part of it that is in each NUMA cell it is kept to; empty where the node has one cell only."""
    cpus: tuple[int, ...] = ()
    """Hardware threads that are its own."""


class CordonedBy(StrEnum):
    """Who had a node take nothing new: only what set it takes it back by itself."""

    OPERATOR = "Operator"
    DRAIN = "Drain"


class NodeSpec(Spec):
    """What operators say of a node."""

    physical_resource: Name | None = field(
        "Physical resource that it is, in the cluster's datacenter; rack and failure domains come from it.",
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
        "Power domain, when it is not to be computed from the power links.", example="A+B", default=None, max_length=256
    )
    network_domain: str | None = field(
        "Network domain, when it is not to be computed from the network links.",
        example="leaf01+leaf02",
        default=None,
        max_length=256,
    )
    providers: tuple[Name, ...] = field(
        "Providers that the node offers.", unordered=True, example=["libvirt"], default=(), reference="Provider"
    )
    schedulable: bool = field("False: cordoned, nothing new comes here.", example=True, default=True)
    drain: bool = field("True: everything is to leave (set by DrainNode).", example=False, default=False)
    cordoned_by: CordonedBy | None = field(
        "What cordoned it (set by CordonNode and DrainNode): a drain that is called off opens only what it closed.",
        example=None,
        default=None,
    )
    enable_auto_cordon: bool = field("Cordon by itself when unhealthy.", example=False, default=False)
    auto_cordon_interval: int = field(
        "How long unhealthy before the cordon.", example=300, default=300, unit="s", ge=1, le=86400
    )
    enable_auto_drain: bool = field("Drain by itself after an automatic cordon.", example=False, default=False)
    auto_drain_interval: int = field(
        "How long after the cordon before the drain.", example=600, default=600, unit="s", ge=1, le=86400
    )
    enable_alert: bool = field("Fire alerts for the node.", example=True, default=True)


class Node(Resource[NodeSpec]):
    """A hypervisor."""

    parents = ("cluster",)
    kind: Literal["Node"] = "Node"
    cluster: Name = field("Cluster of the node.", example="tokyo1", reference="Cluster")
    spec: NodeSpec = field("What was asked.", example={}, default_factory=NodeSpec)


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
            Column("MEMORY", "observed.capacity.memory_mib"),
            Column("COMPUTES", "observed.computes"),
            Column("REASON", "state_reason", wide=True),
        ),
        design_methods={"Get": "GetNode", "List": "ListNode", "Delete": "DeleteNode"},
        example={
            "kind": "Node",
            "name": "floor-1-1-1-rack-1-1-server1",
            "cluster": "tokyo1",
            "spec": {"physical_resource": "floor-1-1-1-rack-1-1-server1", "providers": ["libvirt"]},
        },
    )
)
