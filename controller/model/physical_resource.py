"""PhysicalModel and PhysicalResource: the static inventory and its links.

A physical resource has no state: it is a device at a location, with links of power and network. What runs on it belongs
to a Node. Failure domains are computed from the links: a server that the PDUs A and B power is in the power domain
``A+B``, which fails only if both fail.

Design: G3, J1, M1
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import field
from controller.model.kind_rules import TopologyLine
from controller.model.moments import Day
from controller.model.names import Address, HeightUnits, Mac, Name, RackPosition
from controller.model.registry import Column, Kind, register


class Role(StrEnum):
    """Role of a physical resource, in the order of the network from the internet to the server."""

    GATEWAY_ROUTER = "GatewayRouter"
    FLOOR_SPINE_ROUTER = "FloorSpineRouter"
    FLOOR_LEAF_ROUTER = "FloorLeafRouter"
    RACK_SPINE_ROUTER = "RackSpineRouter"
    RACK_LEAF_ROUTER = "RackLeafRouter"
    SERVER = "Server"
    PDU = "Pdu"
    POWER_FEED = "PowerFeed"
    OTHER = "Other"


class Face(StrEnum):
    """Side of a rack that a device is mounted at."""

    FRONT = "front"
    REAR = "rear"


class PhysicalModelSpec(Spec):
    """The facts that all devices of one model share."""

    vendor: str = field("Manufacturer.", example="Example Corp", default="", max_length=256)
    role: Role = field("Role of devices of the model.", example="Server", default=Role.SERVER)
    height_units: HeightUnits = field(
        "Height, in steps of a half. Devices of height 0 take no unit of a rack.", example=1, default=1, unit="U"
    )
    full_depth: bool = field(
        "Whether a device takes both faces of its units. Two devices without full depth can share a unit, one at each "
        "face.",
        example=True,
        default=True,
    )
    cpus: int = field("Hardware threads.", example=64, default=0, ge=0, le=65536)
    memory_mib: int = field("Memory.", example=262144, default=0, unit="MiB", ge=0, le=1 << 40)
    disk_gib: int = field("Disk.", example=1920, default=0, unit="GiB", ge=0, le=1 << 40)
    maintenance_years: int = field(
        "Duration of the maintenance contract.", example=5, default=5, unit="years", ge=0, le=100
    )


class PhysicalModel(Resource[PhysicalModelSpec]):
    """A model of equipment."""

    kind: Literal["PhysicalModel"] = "PhysicalModel"
    spec: PhysicalModelSpec = field("Desired state.", example={}, default_factory=PhysicalModelSpec)


PHYSICAL_MODEL = register(
    Kind(
        PhysicalModel,
        segment="physical-models",
        columns=(Column("ROLE", "spec.role"), Column("VENDOR", "spec.vendor")),
        example={"kind": "PhysicalModel", "name": "server-1u", "spec": {"role": "Server", "height_units": 1}},
    )
)


class PortAddress(Part):
    """A further address of a port, and its network."""

    network: str = field("Network of the address.", example="fabric", default="", max_length=64)
    address: Address = field("IPv4 address.", example="10.9.1.3")


class PhysicalPort(Part):
    """A port: the end of a link; has network, addresses and MAC."""

    name: str = field("Name of the port on its device.", example="eth0", min_length=1, max_length=64)
    network: str = field("Network that the port is in.", example="fabric", default="", max_length=64)
    address: Address | None = field("IPv4 address.", example="10.9.1.2", default=None)
    secondary_addresses: tuple[PortAddress, ...] = field(
        "Further addresses of the port.",
        unordered=True,
        example=[{"network": "fabric", "address": "10.9.1.3"}],
        default=(),
        max_length=256,
    )
    mac: Mac | None = field("MAC address.", example="52:54:00:00:00:01", default=None)


class NetworkLink(Part):
    """A cable from a port of the device to a port of a peer."""

    port: str = field("Port of this device.", example="eth0", min_length=1, max_length=64)
    peer: Name = field(
        "Device at the other end.", example="floor-1-1-1-rack-1-1-rack-leaf-router01", reference="PhysicalResource"
    )
    peer_port: str = field("Port of the peer.", example="port1", default="", max_length=64)
    split: bool = field(
        "Whether the cable is an arm of a breakout cable. Only such cables can share a port.",
        example=False,
        default=False,
    )


class PowerLink(Part):
    """A power cord from an inlet of the device to a source."""

    inlet: str = field("Inlet of this device.", example="psu1", min_length=1, max_length=64)
    source: Name = field(
        "PDU or feed that powers the inlet.", example="floor-1-1-1-rack-1-1-pdu-a", reference="PhysicalResource"
    )
    outlet: str = field("Outlet of the source.", example="1", default="", max_length=64)
    split: bool = field(
        "Whether the cord is an arm of a splitter. Only such cords can share an inlet or an outlet.",
        example=False,
        default=False,
    )


class PhysicalResourceSpec(Spec):
    """Metadata and physical dependencies of one device."""

    role: Role = field("Role of the device.", example="Server")
    model: Name | None = field("Model of the equipment.", example="server-1u", default=None, reference="PhysicalModel")
    floor: Name | None = field(
        "Floor of the device, if it is not in a rack.", example="floor-1-1-1", default=None, reference="Floor"
    )
    rack: Name | None = field("Rack of the device.", example="floor-1-1-1-rack-1-1", default=None, reference="Rack")
    position: RackPosition | None = field(
        "Lowest height unit that the device takes in the rack, in steps of a half. All of its units must be in the "
        "rack, and no other device can have them.",
        example=10,
        default=None,
        unit="U",
    )
    face: Face = field("Face of the rack that the device is mounted at.", example="front", default=Face.FRONT)
    serial: str = field("Serial number.", example="SN0001", default="", max_length=256)
    in_service_since: Day | None = field("First day of maintenance.", example="2026-01-01", default=None)
    ports: tuple[PhysicalPort, ...] = field(
        "Ports.", unordered=True, example=[{"name": "eth0"}], default=(), max_length=1024
    )
    network_links: tuple[NetworkLink, ...] = field(
        "Cables. Each cable is given once, at the end that is farther from the internet.",
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
    """A device of the physical inventory: server, router, PDU, feed."""

    parents = ("datacenter",)
    kind: Literal["PhysicalResource"] = "PhysicalResource"
    datacenter: Name = field("Datacenter of the device.", example="tokyo", reference="Datacenter")
    spec: PhysicalResourceSpec = field("Desired state.", example={"role": "Server"})


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
        defines_failure_domains=True,
        has_impact=True,
        topology=TopologyLine(position=100),
        example={
            "kind": "PhysicalResource",
            "name": "floor-1-1-1-rack-1-1-server1",
            "datacenter": "tokyo",
            "spec": {"role": "Server", "rack": "floor-1-1-1-rack-1-1", "position": 10},
        },
    )
)
