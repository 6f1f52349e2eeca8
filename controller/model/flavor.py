"""ResourceFlavor (design D1, I3-I5): the sizes that a Compute is made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class CpuMode(StrEnum):
    """How virtual cpus get their time (I3)."""

    SHARED = "Shared"
    PINNED = "Pinned"


class Sizes(Part):
    """What one Compute takes of a node. Nothing of it is ever overcommitted (I1)."""

    vcpus: int = field("Virtual cpus.", example=1, ge=1, le=1024, change=Change.RESTART)
    memory_mib: int = field("Memory.", example=256, unit="MiB", ge=32, le=1 << 30, change=Change.RESTART)
    disk_gib: int = field("Root disk.", example=1, unit="GiB", ge=1, le=1 << 20, change=Change.RECREATE)
    cpu_mode: CpuMode = field(
        "Shared: limited by cpu time; Pinned: cpus of its own.",
        example="Shared",
        default=CpuMode.SHARED,
        change=Change.RESTART,
    )


class ResourceFlavorSpec(Spec):
    """A size and who provides it. Sizes of a flavor in use cannot change (409)."""

    provider: Name = field("Provider that realises it.", example="libvirt", reference="Provider", change=Change.REFUSED)
    sizes: Sizes = field(
        "What one Compute takes.", example={"vcpus": 1, "memory_mib": 256, "disk_gib": 1}, change=Change.REFUSED
    )
    description: str = field("What it is for.", example="Smallest", default="", max_length=1024)


class ResourceFlavor(Resource[ResourceFlavorSpec]):
    """A named size."""

    kind: Literal["ResourceFlavor"] = "ResourceFlavor"
    spec: ResourceFlavorSpec = field(
        "What was asked.",
        example={"provider": "libvirt", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}},
    )


RESOURCE_FLAVOR = register(
    Kind(
        ResourceFlavor,
        segment="flavors",
        columns=(
            Column("PROVIDER", "spec.provider"),
            Column("VCPUS", "spec.sizes.vcpus"),
            Column("MEMORY", "spec.sizes.memory_mib"),
            Column("DISK", "spec.sizes.disk_gib"),
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
