"""ResourceFlavor: the sizes of a Compute.

Design: D1, I3-I5
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class CpuMode(StrEnum):
    """How virtual cpus get cpu time."""

    SHARED = "Shared"
    PINNED = "Pinned"


class MachineShare(StrEnum):
    """The part of its node that a Compute takes."""

    PART = "Part"
    """The given sizes."""
    CELL = "Cell"
    """A whole NUMA cell, with the same share of the node's other capacity; its sizes are the least that will do."""
    MACHINE = "Machine"
    """The whole node; its sizes are the least that will do."""


class Sizes(Part):
    """The share of a node that one Compute takes. Nothing is overcommitted."""

    vcpus: int = field("Virtual cpus.", example=1, ge=1, le=1024, change=Change.RESTART)
    memory_mib: int = field("Memory.", example=256, unit="MiB", ge=32, le=1 << 30, change=Change.RESTART)
    disk_gib: int = field("Root disk.", example=1, unit="GiB", ge=1, le=1 << 20, change=Change.RECREATE)
    cpu_mode: CpuMode = field(
        "Shared: limited by cpu time; Pinned: exclusive cpus.",
        example="Shared",
        default=CpuMode.SHARED,
        change=Change.RESTART,
    )
    cpu_percent: int = field(
        "With cpu_mode Shared: the time of each virtual cpu, reserved and at most, in percent of a hardware thread.",
        example=50,
        default=100,
        unit="%",
        ge=1,
        le=100,
        change=Change.RESTART,
    )
    huge_pages: bool = field(
        "True: the memory consists of huge pages of the node.", example=False, default=False, change=Change.RESTART
    )
    disk_iops: int = field(
        "Reads and writes of all disks together, reserved and at most; 0: not reserved, what others leave.",
        example=500,
        default=0,
        unit="1/s",
        ge=0,
        le=1 << 30,
        change=Change.RESTART,
    )
    disk_mibps: int = field(
        "Throughput of all disks together, reserved and at most; 0: not reserved, what others leave.",
        example=100,
        default=0,
        unit="MiB/s",
        ge=0,
        le=1 << 20,
        change=Change.RESTART,
    )
    network_mbps: int = field(
        "Throughput of all interfaces together, each way, reserved and at most; 0: not reserved, what others leave.",
        example=1000,
        default=0,
        unit="Mbit/s",
        ge=0,
        le=1 << 20,
        change=Change.RESTART,
    )
    machine_share: MachineShare = field(
        "Part: the sizes, with their limits; Cell: a whole NUMA cell; Machine: the whole node; both without limits.",
        example="Part",
        default=MachineShare.PART,
        change=Change.RESTART,
    )

    @model_validator(mode="after")
    def _shares_have_no_limits(self) -> Sizes:
        limits = [name for name in ("disk_iops", "disk_mibps", "network_mbps") if getattr(self, name)]
        if self.machine_share is not MachineShare.PART and limits:
            raise ValueError(f"machine_share {self.machine_share} has no limits: leave out {', '.join(limits)}")
        if self.cpu_percent != 100 and (self.cpu_mode is CpuMode.PINNED or self.machine_share is not MachineShare.PART):
            raise ValueError("cpu_percent goes with cpu_mode Shared and machine_share Part only")
        return self


class ResourceFlavorSpec(Spec):
    """A size and its provider. The sizes of a flavor in use cannot change (409)."""

    provider: Name = field(
        "Provider that runs the Computes.", example="libvirt", reference="Provider", change=Change.REFUSED
    )
    sizes: Sizes = field(
        "Sizes of one Compute.", example={"vcpus": 1, "memory_mib": 256, "disk_gib": 1}, change=Change.REFUSED
    )
    description: str = field("Purpose.", lines=True, example="Smallest", default="", max_length=1024)


class ResourceFlavor(Resource[ResourceFlavorSpec]):
    """A named size."""

    kind: Literal["ResourceFlavor"] = "ResourceFlavor"
    spec: ResourceFlavorSpec = field(
        "Desired state.",
        example={"provider": "libvirt", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}},
    )


RESOURCE_FLAVOR = register(
    Kind(
        ResourceFlavor,
        segment="flavors",
        columns=(
            Column("PROVIDER", "spec.provider"),
            Column("VCPUS", "spec.sizes.vcpus"),
            Column("MEMORY_MIB", "spec.sizes.memory_mib"),
            Column("DISK_GIB", "spec.sizes.disk_gib"),
        ),
        design_methods={
            "Put": "CreateResourceFlavor UpdateResourceFlavor",
            "Get": "GetResourceFlavor",
            "List": "ListResourceFlavor",
            "Delete": "DeleteResourceFlavor",
        },
        aliases=("flavor", "flavors"),
        example={
            "kind": "ResourceFlavor",
            "name": "small",
            "spec": {"provider": "libvirt", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}},
        },
    )
)
