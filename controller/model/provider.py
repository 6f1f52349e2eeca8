"""Provider: a kind of resource that nodes can run, and the driver that runs it.

Design: D6
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.kind_rules import TopologyLine
from controller.model.registry import Column, Kind, register


class ProviderKind(StrEnum):
    """Kind of resource that is provided."""

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
    """Driver of the provider. ``Memory`` only keeps records; it is for tests and scale runs."""

    LIBVIRT = "Libvirt"
    DOCKER = "Docker"
    VPP = "Vpp"
    XDP = "Xdp"
    ETCD = "Etcd"
    MEMORY = "Memory"


class ProviderSpec(Spec):
    """A pair of kind and driver."""

    description: str = field("Purpose.", lines=True, example="QEMU virtual machines", default="", max_length=1024)
    provides: ProviderKind = field(
        "Kind of resource that it provides.", example="VirtualMachine", change=Change.REFUSED
    )
    driver: ProviderDriver = field("Driver that runs it.", example="Libvirt", change=Change.REFUSED)


class Provider(Resource[ProviderSpec]):
    """A way to run resources. Nodes offer it, and flavors name it."""

    kind: Literal["Provider"] = "Provider"
    spec: ProviderSpec = field("Desired state.", example={"provides": "VirtualMachine", "driver": "Libvirt"})


PROVIDER = register(
    Kind(
        Provider,
        segment="providers",
        columns=(Column("PROVIDES", "spec.provides"), Column("DRIVER", "spec.driver")),
        topology=TopologyLine(position=60),
        example={
            "kind": "Provider",
            "name": "libvirt",
            "spec": {"provides": "VirtualMachine", "driver": "Libvirt"},
        },
    )
)
