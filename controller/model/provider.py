"""Provider (design D6): a kind of thing that nodes can realise, and the driver that does it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.registry import Column, Kind, register


class ProviderKind(StrEnum):
    """What is provided."""

    VIRTUAL_MACHINE = "VirtualMachine"
    POD = "Pod"
    VIRTUAL_MACHINE_DEPLOYMENT = "VirtualMachineDeployment"
    POD_DEPLOYMENT = "PodDeployment"
    CONFIGMAP = "Configmap"
    SECRET = "Secret"  # noqa: S105  (a word of the design, no password)
    LOADBALANCER = "Loadbalancer"
    CI = "CI"
    CD = "CD"


class ProviderDriver(StrEnum):
    """Who provides it. ``Memory`` is ours: it only keeps books, for tests and scale runs."""

    LIBVIRT = "Libvirt"
    DOCKER = "Docker"
    VPP = "Vpp"
    XDP = "Xdp"
    ETCD = "Etcd"
    MEMORY = "Memory"


class ProviderSpec(Spec):
    """A pair of kind and driver."""

    description: str = field("What it is for.", example="QEMU virtual machines", default="", max_length=1024)
    provides: ProviderKind = field(
        "Kind of thing (the design's Kind).", example="VirtualMachine", change=Change.REFUSED
    )
    driver: ProviderDriver = field("Driver that realises it.", example="Libvirt", change=Change.REFUSED)


class Provider(Resource[ProviderSpec]):
    """A way of realising resources, offered by nodes and asked for by flavors."""

    kind: Literal["Provider"] = "Provider"
    spec: ProviderSpec = field("What was asked.", example={"provides": "VirtualMachine", "driver": "Libvirt"})


PROVIDER = register(
    Kind(
        Provider,
        segment="providers",
        columns=(Column("PROVIDES", "spec.provides"), Column("DRIVER", "spec.driver")),
        example={
            "kind": "Provider",
            "name": "libvirt",
            "spec": {"provides": "VirtualMachine", "driver": "Libvirt"},
        },
    )
)
