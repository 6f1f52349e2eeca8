"""Compute: one virtual machine of a service, with everything that its node needs.

Only a RegionService creates Computes. The root resolves the service's template into this spec: it copies the flavor's
sizes, the image's URLs and checksums and the ports' addresses, so that a cluster needs nothing but the spec to run it,
and a change of the flavor does not change a running machine.

Design: D2, K2
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from controller.model.envelope import Observed, Part, Resource, Spec, read_observed
from controller.model.fields import Change, field
from controller.model.flavor import Sizes
from controller.model.image import ImageSpec
from controller.model.kind_rules import DeletionRules, Replication, TopologyLine
from controller.model.moments import Moment
from controller.model.names import Address, Mac, Name
from controller.model.registry import Column, Kind, register
from controller.model.schedule_policy import SchedulePolicy
from controller.model.secret_fields import SecretText


class Power(StrEnum):
    """The desired power state."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class OnNodeDown(StrEnum):
    """The action when the node is lost: none, or create the Compute again on another node."""

    NONE = "None"
    REBUILD = "Rebuild"


class OnNodeUp(StrEnum):
    """The action when the node comes back: none, or start the Compute again."""

    NONE = "None"
    RESTART = "Restart"


class Interface(Part):
    """A network interface with its address."""

    network: Name = field("Network of the address.", example="service", change=Change.RECREATE)
    address: Address = field("Service address.", example="172.16.10.10", change=Change.RECREATE)
    prefix_length: int = field("Length of the subnet's prefix.", example=24, ge=0, le=32, change=Change.RECREATE)
    gateway: Address = field("Gateway, the same on every node.", example="172.16.10.1", change=Change.RECREATE)
    mac: Mac = field("MAC address.", example="52:54:ac:10:0a:0a", change=Change.RECREATE)


class Disk(Part):
    """An extra disk."""

    name: Name = field(
        "Name of the disk, unique in the Compute. Its first 20 characters, the serial number in the guest, are too.",
        example="data",
        change=Change.RESTART,
    )
    size_gib: int = field("Size.", example=10, unit="GiB", ge=1, le=1 << 20, change=Change.RESTART)


SERIAL_LENGTH = 20
"""Characters that a disk's serial number has in the guest (virtio)."""
ROOT_SERIAL = "root"


def serial_of(disk: str) -> str:
    """Return the serial number by which the guest knows the extra disk of that name."""
    return disk[:SERIAL_LENGTH]


class Rebalance(Part):
    """One of the moves that rebalance a service; made in its turn, and only if it still improves the spread."""

    order: int = field("Position among the moves of the service.", example=0, default=0, ge=0)
    at_once: int = field(
        "Number of Computes of the service that may move at the same time.", example=1, default=1, ge=1
    )


class ComputeSpec(Spec):
    """Everything a node needs to run the machine."""

    service: Name = field("RegionService that owns it.", example="web", change=Change.REFUSED)
    index: int = field("Index in the service.", example=0, ge=0, change=Change.REFUSED)
    host_name: str = field(
        "Host name, unique in the inventory: service-index.project.region.",
        example="web-0.default.kanto",
        change=Change.RECREATE,
    )
    cluster: Name = field("Cluster of the Compute.", example="tokyo1", change=Change.REFUSED)
    provider: Name = field("Provider that runs the Compute.", example="libvirt", change=Change.RECREATE)
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
    user_data: SecretText = field(
        "User data for the ConfigDrive. Tokens that may not write the resource read it as `(secret)`.",
        secret=True,
        lines=True,
        example="#cloud-config\n",
        default="",
        max_length=65536,
        change=Change.RECREATE,
    )
    schedule_policy: SchedulePolicy = field(
        "Where the Compute may run, copied from the service.",
        example={"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
        default=SchedulePolicy(),
    )
    power: Power = field("Desired power state.", example="Running", default=Power.RUNNING)
    reboots: int = field("Number of requested reboots.", example=0, default=0, ge=0)
    migrations: int = field("Number of requested migrations.", example=0, default=0, ge=0)
    migrate_to: Name | None = field(
        "Target node of the last requested migration; none: the scheduler chooses.",
        example="floor-1-1-1-rack-1-2-server1",
        default=None,
    )
    rebalance: Rebalance | None = field(
        "Set if RebalanceRegionService requested the last migration.",
        example={"order": 0, "at_once": 1},
        default=None,
    )
    shutdown_timeout: int = field(
        "Time for an ACPI shutdown before the power is cut.", example=60, default=60, unit="s", ge=0, le=86400
    )
    on_node_down: OnNodeDown = field("Action when the node is lost.", example="None", default=OnNodeDown.NONE)
    on_node_up: OnNodeUp = field("Action when a lost node is back.", example="Restart", default=OnNodeUp.RESTART)


class MigrationFailure(Observed):
    """The last migration that failed or was refused."""

    at: Moment
    reason: str = ""
    target: str | None = None
    """Target node of that migration; None: no node was chosen."""
    tries: int = 0
    """Failed migrations since the last successful one; 0: the last one was refused before it began."""


class ComputeObserved(Observed):
    """The observed facts of a Compute, and the notes of the cluster controller."""

    node: str = ""
    """Node of the Compute; empty before the placement."""
    datacenter: str = ""
    power: str = ""
    network: str = ""
    rack: str = ""
    """Zones of the node; empty: it has none of that axis."""
    node_labels: Mapping[str, str] | None = None
    """Labels of the node that the hard rules and filters are about; None: not reported, or there are none."""
    migrating_to: str = ""
    """Target node of the current migration; empty if there is none."""
    migrating_for: str = ""
    """What started the migration: ``drain``; empty: a user."""
    migration_failed: MigrationFailure | None = None
    migrations: int = 0
    """The value of ``spec.migrations`` that was handled last."""
    reboots: int = 0
    """The value of ``spec.reboots`` that its machine has carried out last."""
    attempt: int = 0
    """Number of the last assignment or attempt of a migration."""
    assignments: tuple[str, ...] = ()
    """Names of its assignments."""
    lost: str = ""
    """Lost node that the Compute was on."""
    keep_disks: bool = False
    """It is being deleted because the root does not list it: its node keeps the disks aside."""


class Compute(Resource[ComputeSpec]):
    """A virtual machine of a service."""

    parents = ("region",)
    kind: Literal["Compute"] = "Compute"
    region: Name = field("Region of the service.", example="kanto")
    spec: ComputeSpec = field("The resolved description.", example={"service": "web", "index": 0})

    @property
    def facts(self) -> ComputeObserved:
        """Return its observed facts."""
        return read_observed(self, ComputeObserved)

    @property
    def next_migration(self) -> int:
        """Return the number for one more requested migration: a restored root has counted fewer than were handled."""
        return max(self.spec.migrations, self.facts.migrations) + 1

    @property
    def next_reboot(self) -> int:
        """Return the number for one more requested reboot, see ``next_migration``."""
        return max(self.spec.reboots, self.facts.reboots) + 1

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
        replication=Replication(sent_with="RegionService", cluster_field="spec.cluster", placed=True, reported=True),
        deletion=DeletionRules(by_name=True),
        service_field="spec.service",
        service_of_name=lambda name: name.rpartition("-")[0],
        topology=TopologyLine(
            position=120,
            spec=("service", "index", "host_name", "cluster", "provider", "sizes", "interfaces", "power"),
            observed=("node", "datacenter", "rack", "power", "network"),
        ),
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
