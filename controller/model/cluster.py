"""Cluster and its zones: a cell with its own API, controller and scheduler.

Design: G4, G5
"""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Observed, Resource, Spec, read_observed
from controller.model.fields import Change, field
from controller.model.kind_rules import TopologyLine
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class ClusterSpec(Spec):
    """Location of the cluster, and how the root chooses it."""

    region: Name = field("Region of the cluster.", example="kanto", reference="Region", change=Change.REFUSED)
    datacenter: Name = field("Datacenter of its nodes.", example="tokyo", reference="Datacenter", change=Change.REFUSED)
    weight: int = field(
        "Clusters of a region are tried in order of weight, highest first; equal weights by free capacity.",
        example=100,
        default=100,
        ge=0,
        le=1_000_000,
    )
    endpoint: str = field(
        "gRPC address of the cluster API: ``host:port`` or ``unix:/path``.",
        example="tokyo1.example.com:7443",
        default="",
        max_length=256,
    )
    description: str = field("Purpose of the cluster.", lines=True, example="First cell", default="", max_length=1024)


class ClusterAmounts(Observed):
    """A sum over nodes."""

    vcpus: float = 0
    memory_mib: int = 0
    disk_gib: int = 0


class ClusterObserved(Observed):
    """Last reported capacity of the cluster, over the nodes that accept new resources."""

    nodes: int = 0
    free: ClusterAmounts = ClusterAmounts()
    total: ClusterAmounts = ClusterAmounts()


class Cluster(Resource[ClusterSpec]):
    """A cell of nodes. It keeps running while the root or another cluster is unreachable."""

    kind: Literal["Cluster"] = "Cluster"
    spec: ClusterSpec = field("Desired state.", example={"region": "kanto", "datacenter": "tokyo"})

    @property
    def facts(self) -> ClusterObserved:
        """Return its observed facts."""
        return read_observed(self, ClusterObserved)


CLUSTER = register(
    Kind(
        Cluster,
        segment="clusters",
        columns=(
            Column("REGION", "spec.region"),
            Column("DATACENTER", "spec.datacenter"),
            Column("WEIGHT", "spec.weight"),
            Column("STATE", "state"),
            Column("NODES", "observed.nodes"),
            Column("REASON", "state_reason", wide=True),
        ),
        topology=TopologyLine(
            position=70, spec=("region", "datacenter", "weight", "description"), observed=("nodes", "free", "total")
        ),
        example={
            "kind": "Cluster",
            "name": "tokyo1",
            "spec": {"region": "kanto", "datacenter": "tokyo", "weight": 100, "endpoint": "127.0.0.1:7443"},
        },
    )
)


class NetworkAvailabilityZoneSpec(Spec):
    """Description of a zone."""

    description: str = field("Routers of the zone.", lines=True, example="Core 1", default="", max_length=1024)


class NetworkAvailabilityZone(Resource[NetworkAvailabilityZoneSpec]):
    """A division of a cluster by L3 unit: core and aggregation routers."""

    parents = ("cluster",)
    kind: Literal["NetworkAvailabilityZone"] = "NetworkAvailabilityZone"
    cluster: Name = field("Cluster of the zone.", example="tokyo1", reference="Cluster")
    spec: NetworkAvailabilityZoneSpec = field(
        "What was asked.", example={}, default_factory=NetworkAvailabilityZoneSpec
    )


NETWORK_AVAILABILITY_ZONE = register(
    Kind(
        NetworkAvailabilityZone,
        segment="network-availability-zones",
        parent="Cluster",
        columns=(Column("DESCRIPTION", "spec.description"),),
        aliases=("nwaz",),
        topology=TopologyLine(position=80),
        example={"kind": "NetworkAvailabilityZone", "name": "network-1", "cluster": "tokyo1", "spec": {}},
    )
)


class NodeAvailabilityZoneSpec(Spec):
    """Description of a zone."""

    description: str = field("Racks and power of the zone.", lines=True, example="Row 1", default="", max_length=1024)


class NodeAvailabilityZone(Resource[NodeAvailabilityZoneSpec]):
    """A division of a cluster by the layer of node management: racks and power."""

    parents = ("cluster",)
    kind: Literal["NodeAvailabilityZone"] = "NodeAvailabilityZone"
    cluster: Name = field("Cluster of the zone.", example="tokyo1", reference="Cluster")
    spec: NodeAvailabilityZoneSpec = field("Desired state.", example={}, default_factory=NodeAvailabilityZoneSpec)


NODE_AVAILABILITY_ZONE = register(
    Kind(
        NodeAvailabilityZone,
        segment="node-availability-zones",
        parent="Cluster",
        columns=(Column("DESCRIPTION", "spec.description"),),
        aliases=("naz",),
        topology=TopologyLine(position=90),
        example={"kind": "NodeAvailabilityZone", "name": "row-1", "cluster": "tokyo1", "spec": {}},
    )
)
