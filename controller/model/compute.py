"""Compute (design D2, K2): one virtual machine of a service, with everything that its node needs.

Made only through a RegionService. The root resolves the service's template into this spec: the
flavor's sizes, the image's addresses and checksums and the ports' addresses are copied in, so that
a cluster needs nothing but the spec to run it, and an edited flavor changes no running machine.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.flavor import Sizes
from controller.model.image import ImageSpec
from controller.model.names import Address, Mac, Name
from controller.model.registry import Column, Kind, register
from controller.model.schedule_policy import SchedulePolicy


class Power(StrEnum):
    """Whether the machine is asked to run."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class OnNodeDown(StrEnum):
    """What to do when the node is lost: nothing, or make the Compute again on another node."""

    NONE = "None"
    REBUILD = "Rebuild"


class OnNodeUp(StrEnum):
    """What to do when the node comes back: nothing, or start the Compute again."""

    NONE = "None"
    RESTART = "Restart"


class Interface(Part):
    """A network interface with its address."""

    network: Name = field("Network of the address.", example="service", change=Change.RECREATE)
    address: Address = field("Service address (B5).", example="172.16.10.10", change=Change.RECREATE)
    prefix_length: int = field("Length of the subnet's prefix.", example=24, ge=0, le=32, change=Change.RECREATE)
    gateway: Address = field("Gateway, the same on every node.", example="172.16.10.1", change=Change.RECREATE)
    mac: Mac = field("MAC address.", example="52:54:ac:10:0a:0a", change=Change.RECREATE)


class Disk(Part):
    """An extra disk."""

    name: Name = field("Name of the disk, unique in the Compute.", example="data", change=Change.RESTART)
    size_gib: int = field("Size.", example=10, unit="GiB", ge=1, le=1 << 20, change=Change.RESTART)


class Rebalance(Part):
    """A move of many that even a service out: made in its turn, and only if it still does so."""

    order: int = field("Turn among the moves of the service.", example=0, default=0, ge=0)
    at_once: int = field("How many Computes of the service may move at the same time.", example=1, default=1, ge=1)


class ComputeSpec(Spec):
    """Everything a node needs to run the machine."""

    service: Name = field("RegionService that owns it.", example="web", change=Change.REFUSED)
    index: int = field("Index in the service.", example=0, ge=0, change=Change.REFUSED)
    host_name: str = field(
        "Host name, unique in the inventory: service-index.project.region.",
        example="web-0.default.kanto",
        change=Change.RECREATE,
    )
    cluster: Name = field("Cluster that runs it.", example="tokyo1", change=Change.REFUSED)
    provider: Name = field("Provider that realises it.", example="libvirt", change=Change.RECREATE)
    sizes: Sizes = field(
        "Sizes copied from the flavor.", example={"vcpus": 1, "memory_mib": 256, "disk_gib": 1}, change=Change.RESTART
    )
    image: ImageSpec = field(
        "Image copied from the Image resource.",
        example={"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
        change=Change.RECREATE,
    )
    interfaces: tuple[Interface, ...] = field(
        "Interfaces with their addresses.",
        example=[
            {
                "network": "service",
                "address": "172.16.10.10",
                "prefix_length": 24,
                "gateway": "172.16.10.1",
                "mac": "52:54:ac:10:0a:0a",
            }
        ],
        default=(),
        change=Change.RECREATE,
    )
    disks: tuple[Disk, ...] = field(
        "Extra disks.", example=[{"name": "data", "size_gib": 10}], default=(), change=Change.RESTART
    )
    ssh_keys: tuple[str, ...] = field(
        "SSH public keys for the ConfigDrive.",
        unordered=True,
        example=["ssh-ed25519 AAAA ops"],
        default=(),
        change=Change.RECREATE,
    )
    user_data: str = field(
        "User data for the ConfigDrive.",
        example="#cloud-config\n",
        default="",
        max_length=65536,
        change=Change.RECREATE,
    )
    schedule_policy: SchedulePolicy = field(
        "Where it may run, copied from the service.",
        example={"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
        default=SchedulePolicy(),
    )
    power: Power = field("Whether it is asked to run.", example="Running", default=Power.RUNNING)
    reboots: int = field("Grows by one with each reboot asked for.", example=0, default=0, ge=0)
    migrations: int = field("Grows by one with each migration asked for.", example=0, default=0, ge=0)
    migrate_to: Name | None = field(
        "Node that the last migration asked for; none: the scheduler chooses.",
        example="floor-1-1-1-rack-1-2-server1",
        default=None,
    )
    rebalance: Rebalance | None = field(
        "Given when the last migration asked for is one of RebalanceRegionService.",
        example={"order": 0, "at_once": 1},
        default=None,
    )
    shutdown_timeout: int = field(
        "How long an ACPI shutdown may take before power is cut.", example=60, default=60, unit="s", ge=0, le=86400
    )
    on_node_down: OnNodeDown = field("What to do when the node is lost.", example="None", default=OnNodeDown.NONE)
    on_node_up: OnNodeUp = field("What to do when the node is back.", example="Restart", default=OnNodeUp.RESTART)


class Compute(Resource[ComputeSpec]):
    """A virtual machine of a service."""

    parents = ("region",)
    kind: Literal["Compute"] = "Compute"
    region: Name = field("Region of the service.", example="kanto")
    spec: ComputeSpec = field("The resolved description.", example={"service": "web", "index": 0})

    @property
    def service_path(self) -> str:
        """Return its RegionService as ``project/region/name``: the rules of one service count its Computes together."""
        return f"{self.project}/{self.region}/{self.spec.service}"


COMPUTE = register(
    Kind(
        Compute,
        segment="computes",
        parent="Region",
        per_project=True,
        user_made=False,
        columns=(
            Column("SERVICE", "spec.service"),
            Column("NODE", "observed.node"),
            Column("RACK", "observed.rack"),
            Column("ADDRESS", "spec.interfaces.0.address"),
            Column("STATUS", "status"),
            Column("STATE", "state"),
            Column("REVISION", "revision", wide=True),
            Column("REASON", "status_reason", wide=True),
        ),
        design_methods={"Get": "GetResource", "List": "ListResource", "Delete": "DeleteResource"},
        aliases=("vm", "vms"),
        example={
            "kind": "Compute",
            "name": "web-0",
            "region": "kanto",
            "spec": {
                "service": "web",
                "index": 0,
                "host_name": "web-0.default.kanto",
                "cluster": "tokyo1",
                "provider": "libvirt",
                "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
                "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
            },
        },
    )
)
