"""Cluster and its zones (design G4, G5): a cell with its own API, controller and scheduler."""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class ClusterSpec(Spec):
    """Where the cluster is and how the root chooses it."""

    region: Name = field("Region of the cluster.", example="kanto", reference="Region", change=Change.REFUSED)
    datacenter: Name = field(
        "Datacenter that its nodes stand in.", example="tokyo", reference="Datacenter", change=Change.REFUSED
    )
    weight: int = field(
        "Clusters of a region are tried from the highest weight down; equal ones by free capacity (J9).",
        example=100,
        default=100,
        ge=0,
        le=1_000_000,
    )
    endpoint: str = field(
        "Where the cluster API answers gRPC: ``host:port`` or ``unix:/path``.",
        example="tokyo1.example.com:7443",
        default="",
        max_length=256,
    )
    description: str = field("What the cluster is for.", example="First cell", default="", max_length=1024)


class Cluster(Resource[ClusterSpec]):
    """A cell of nodes: it keeps running when the root, or any other cluster, is gone."""

    kind: Literal["Cluster"] = "Cluster"
    spec: ClusterSpec = field("What was asked.", example={"region": "kanto", "datacenter": "tokyo"})


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
        ),
        example={
            "kind": "Cluster",
            "name": "tokyo1",
            "spec": {"region": "kanto", "datacenter": "tokyo", "weight": 100, "endpoint": "127.0.0.1:7443"},
        },
    )
)


class NetworkAvailabilityZoneSpec(Spec):
    """Free facts of a zone."""

    description: str = field("Routers that the zone hangs on.", example="Core 1", default="", max_length=1024)


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
        example={"kind": "NetworkAvailabilityZone", "name": "network-1", "cluster": "tokyo1", "spec": {}},
    )
)


class NodeAvailabilityZoneSpec(Spec):
    """Free facts of a zone."""

    description: str = field("Racks and power of the zone.", example="Row 1", default="", max_length=1024)


class NodeAvailabilityZone(Resource[NodeAvailabilityZoneSpec]):
    """A division of a cluster per node management layer, with rack and power in view."""

    parents = ("cluster",)
    kind: Literal["NodeAvailabilityZone"] = "NodeAvailabilityZone"
    cluster: Name = field("Cluster of the zone.", example="tokyo1", reference="Cluster")
    spec: NodeAvailabilityZoneSpec = field("What was asked.", example={}, default_factory=NodeAvailabilityZoneSpec)


NODE_AVAILABILITY_ZONE = register(
    Kind(
        NodeAvailabilityZone,
        segment="node-availability-zones",
        parent="Cluster",
        columns=(Column("DESCRIPTION", "spec.description"),),
        aliases=("naz",),
        example={"kind": "NodeAvailabilityZone", "name": "row-1", "cluster": "tokyo1", "spec": {}},
    )
)
