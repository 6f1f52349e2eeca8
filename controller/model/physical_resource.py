"""PhysicalModel and PhysicalResource (design G3, J1, M1): the static inventory and its links.

A physical resource has no state: it is a thing at a place, with links of power and network. What
runs on it is a Node's business. Failure domains are computed from the links (decisions: a server
fed by PDUs A and B is in the power domain ``A+B``, which fails only when both do).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import field
from controller.model.names import Address, Mac, Name
from controller.model.registry import Column, Kind, register


class Role(StrEnum):
    """What a physical resource is, in the order of the network from the internet to the server."""

    GATEWAY_ROUTER = "GatewayRouter"
    FLOOR_SPINE_ROUTER = "FloorSpineRouter"
    FLOOR_LEAF_ROUTER = "FloorLeafRouter"
    RACK_SPINE_ROUTER = "RackSpineRouter"
    RACK_LEAF_ROUTER = "RackLeafRouter"
    SERVER = "Server"
    PDU = "Pdu"
    POWER_FEED = "PowerFeed"
    OTHER = "Other"


class PhysicalModelSpec(Spec):
    """What all machines of one model share."""

    vendor: str = field("Maker.", example="Example Corp", default="", max_length=256)
    role: Role = field("What machines of the model are.", example="Server", default=Role.SERVER)
    height_units: int = field("Height.", example=1, default=1, unit="U", ge=0, le=100)
    cpus: int = field("Hardware threads.", example=64, default=0, ge=0, le=65536)
    memory_mib: int = field("Memory.", example=262144, default=0, unit="MiB", ge=0, le=1 << 40)
    disk_gib: int = field("Disk.", example=1920, default=0, unit="GiB", ge=0, le=1 << 40)
    maintenance_years: int = field("Term of maintenance (M5).", example=5, default=5, unit="years", ge=0, le=100)


class PhysicalModel(Resource[PhysicalModelSpec]):
    """A model of equipment."""

    kind: Literal["PhysicalModel"] = "PhysicalModel"
    spec: PhysicalModelSpec = field("What was asked.", example={}, default_factory=PhysicalModelSpec)


PHYSICAL_MODEL = register(
    Kind(
        PhysicalModel,
        segment="physical-models",
        columns=(Column("ROLE", "spec.role"), Column("VENDOR", "spec.vendor")),
        example={"kind": "PhysicalModel", "name": "server-1u", "spec": {"role": "Server", "height_units": 1}},
    )
)


class PhysicalPort(Part):
    """A port: the end of a link; has network, address and MAC (L3)."""

    name: str = field("Name of the port on its device.", example="eth0", min_length=1, max_length=64)
    network: str = field("Network that the port is in.", example="fabric", default="", max_length=64)
    address: Address | None = field("IPv4 address.", example="10.9.1.2", default=None)
    mac: Mac | None = field("MAC address.", example="52:54:00:00:00:01", default=None)


class NetworkLink(Part):
    """A cable from one of our ports to a port of a peer."""

    port: str = field("Our port.", example="eth0", min_length=1, max_length=64)
    peer: Name = field(
        "Device at the other end.", example="floor-1-1-1-rack-1-1-rack-leaf-router01", reference="PhysicalResource"
    )
    peer_port: str = field("Port of the peer.", example="port1", default="", max_length=64)


class PowerLink(Part):
    """A power cord from one of our inlets to a source."""

    inlet: str = field("Our inlet.", example="psu1", min_length=1, max_length=64)
    source: Name = field(
        "PDU or feed that powers the inlet.", example="floor-1-1-1-rack-1-1-pdu-a", reference="PhysicalResource"
    )
    outlet: str = field("Outlet of the source.", example="1", default="", max_length=64)


class PhysicalResourceSpec(Spec):
    """Metadata and physical dependencies of one thing."""

    role: Role = field("What it is.", example="Server")
    model: Name | None = field("Model of the equipment.", example="server-1u", default=None, reference="PhysicalModel")
    floor: Name | None = field(
        "Floor that it stands on, when not in a rack.", example="floor-1-1-1", default=None, reference="Floor"
    )
    rack: Name | None = field("Rack that it is in.", example="floor-1-1-1-rack-1-1", default=None, reference="Rack")
    position: int | None = field(
        "Lowest height unit that it takes in the rack.", example=10, default=None, unit="U", ge=1, le=100
    )
    serial: str = field("Serial number.", example="SN0001", default="", max_length=256)
    in_service_since: date | None = field("First day of maintenance (M5).", example="2026-01-01", default=None)
    ports: tuple[PhysicalPort, ...] = field(
        "Ports.", unordered=True, example=[{"name": "eth0"}], default=(), max_length=1024
    )
    network_links: tuple[NetworkLink, ...] = field(
        "Cables, each given once, at the end farther from the internet.",
        unordered=True,
        example=[{"port": "eth0", "peer": "floor-1-1-1-rack-1-1-rack-leaf-router01"}],
        default=(),
        max_length=1024,
    )
    power_links: tuple[PowerLink, ...] = field(
        "Power cords.",
        unordered=True,
        example=[{"inlet": "psu1", "source": "floor-1-1-1-rack-1-1-pdu-a"}],
        default=(),
        max_length=64,
    )


class PhysicalResource(Resource[PhysicalResourceSpec]):
    """One thing of the physical inventory: server, router, PDU, feed."""

    parents = ("datacenter",)
    kind: Literal["PhysicalResource"] = "PhysicalResource"
    datacenter: Name = field("Datacenter that it is in.", example="tokyo", reference="Datacenter")
    spec: PhysicalResourceSpec = field("What was asked.", example={"role": "Server"})


PHYSICAL_RESOURCE = register(
    Kind(
        PhysicalResource,
        segment="physical-resources",
        parent="Datacenter",
        columns=(
            Column("ROLE", "spec.role"),
            Column("RACK", "spec.rack"),
            Column("POSITION", "spec.position"),
            Column("MODEL", "spec.model", wide=True),
        ),
        aliases=("pr", "physical"),
        example={
            "kind": "PhysicalResource",
            "name": "floor-1-1-1-rack-1-1-server1",
            "datacenter": "tokyo",
            "spec": {"role": "Server", "rack": "floor-1-1-1-rack-1-1", "position": 10},
        },
    )
)
