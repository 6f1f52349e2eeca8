"""Settings of the process ``cluster-agent``: those of every process, and those of one node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator, model_validator

from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.image_source.settings import ImageSettings
from controller.model.names import Name, Subnet
from controller.model.node import Capacity, NumaCell
from controller.model.provider import ProviderDriver
from controller.process.settings import Address, PeerSettings, ProcessSettings, SettingsPart


class MachineDriver(StrEnum):
    """Drivers of virtual machines."""

    LIBVIRT = "Libvirt"
    MEMORY = "Memory"


class MemoryVariant(StrEnum):
    """In-memory drivers by class name; all but the first fail in the way that the name describes (tests only)."""

    PLAIN = "MemoryDriver"
    REFUSES_IMAGE = "MemoryDriverRefusesImage"
    HANGS = "MemoryDriverHangs"
    FAILS_START = "MemoryDriverFailsStart"
    IGNORES_SHUTDOWN = "MemoryDriverIgnoresShutdown"
    FAILS_MIGRATION = "MemoryDriverFailsMigration"
    FAILS_MIGRATION_AT_SWITCH = "MemoryDriverFailsMigrationAtSwitch"
    FAILS_MIGRATION_AT_FINISH = "MemoryDriverFailsMigrationAtFinish"
    HANGS_AT_SWITCH = "MemoryDriverHangsAtSwitch"
    ROLLS_BACK_AT_FINISH = "MemoryDriverRollsBackAtFinish"


class MemorySettings(SettingsPart):
    """The in-memory driver: FOR TESTS AND SCALE RUNS, it runs nothing."""

    world: Path | None = Field(
        default=None,
        description="Folder that the hypervisors of several agents share, so that machines outlive their agent and "
        "migrate between agents. None: the machines die with the agent.",
    )
    variant: MemoryVariant = Field(default=MemoryVariant.PLAIN, description="Which in-memory driver.")
    marker: str = Field(default="", description="Failing variants fail for names or images that contain it.")
    capacity: Capacity = Field(
        default=Capacity(vcpus=64, memory_mib=262144, disk_gib=4096), description="Capacity that the node reports."
    )
    numa: tuple[NumaCell, ...] = Field(default=(), description="NUMA cells that the node reports.")
    start_seconds: float = Field(default=0.0, ge=0, description="How long a start takes (s).")
    shutdown_seconds: float = Field(default=0.0, ge=0, description="How long a guest takes to shut down (s).")
    migration_seconds: float = Field(default=0.0, ge=0, description="How long a migration takes (s).")

    @field_validator("capacity", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        """Read the numbers of the environment, which are texts; a Capacity takes numbers only."""
        if not isinstance(value, Mapping):
            return value
        return {name: json.loads(one) if isinstance(one, str) else one for name, one in value.items()}


class ProviderOffer(SettingsPart):
    """A provider that the node offers."""

    name: Name = Field(description="Name of the Provider.", examples=["libvirt"])
    driver: ProviderDriver = Field(description="Driver that runs its machines on this node.", examples=["Libvirt"])


class JoinSettings(SettingsPart):
    """How the node gets its first certificate."""

    target: Address = Field(
        default="",
        description="host:port of the cluster API for nodes without a certificate; empty: as ``api``.",
    )
    token: SecretStr | None = Field(default=None, description="One-time join token.")
    token_file: Path | None = Field(default=None, description="File that holds the join token.")
    authority: Path | None = Field(
        default=None, description="PEM file of the trusted root authority; default: the bundle in the TLS folder."
    )


class NetworkSettings(SettingsPart):
    """The node's service network."""

    enabled: bool = Field(
        default=True, description="Manage taps, routes and firewall of this network namespace; Libvirt driver only."
    )
    infrastructure: tuple[Subnet, ...] = Field(
        default=(),
        description="Networks of nodes, hypervisors and control plane: guests may not open connections to them. "
        "Must not be empty where guests are filtered. Networks of guests and of service addresses must not be inside. "
        "169.254.0.0/16 and IPv6 are always blocked.",
        examples=[["10.0.0.0/24"]],
    )


class LimitSettings(SettingsPart):
    """Bounds of the agent's work."""

    starts: int = Field(default=4, ge=1, description="Machines that are created or prepared at the same time.")
    start_patience: float = Field(
        default=30.0, gt=0, description="How long a slow start keeps its slot from other starts (s)."
    )
    call_deadline: float = Field(default=2400.0, gt=0, description="Deadline of each call of the driver (s).")
    stray_grace: float = Field(
        default=5.0, ge=0, description="How long a machine must be unassigned before it is kept aside (s)."
    )
    quarantine_seconds: float = Field(
        default=14 * 86400.0,
        ge=3600,
        description="How long the disks of machines that were kept aside stay before they are deleted (s).",
    )


class AgentSettings(ProcessSettings):
    """Settings of ``cluster-agent``. ``name`` is the node's name."""

    cluster: Name = Field(description="Cluster of the node.", examples=["tokyo1"])
    api: PeerSettings = Field(description="The cluster API.")
    join: JoinSettings = Field(default=JoinSettings(), description="The first certificate.")
    state_folder: Path = Field(
        default=Path("/var/lib/resource-service/agent"), description="Assignments and journal of this agent."
    )
    migration_address: str = Field(
        default="", description="Where other nodes' hypervisors reach this node's.", examples=["10.9.1.2"]
    )
    driver: MachineDriver = Field(default=MachineDriver.LIBVIRT, description="Driver of virtual machines.")
    libvirt: LibvirtSettings = Field(default=LibvirtSettings(), description="The libvirt driver.")
    memory: MemorySettings = Field(default=MemorySettings(), description="The in-memory driver.")
    providers: tuple[ProviderOffer, ...] = Field(
        default=(ProviderOffer(name="libvirt", driver=ProviderDriver.LIBVIRT),),
        description="Providers that the node offers.",
    )
    network: NetworkSettings = Field(default=NetworkSettings(), description="The service network.")
    images: ImageSettings = Field(default=ImageSettings(), description="Where images may come from.")
    limits: LimitSettings = Field(default=LimitSettings(), description="Bounds of the work.")
    resync_seconds: float = Field(
        default=60.0, gt=0, description="Seconds between two rounds over all resources, and between two full reports."
    )
    boot_file: Path = Field(
        default=Path("/proc/sys/kernel/random/boot_id"),
        description="File whose content changes when the node is restarted (on_node_up).",
    )

    @model_validator(mode="after")
    def _guests_are_kept_out(self) -> AgentSettings:
        filtered = self.driver is MachineDriver.LIBVIRT and self.network.enabled
        if filtered and not self.network.infrastructure:
            raise ValueError(
                "network.infrastructure is empty, and guests could reach the management addresses of every node: "
                'name the networks of nodes and control plane, for example infrastructure = ["10.0.0.0/24"] under '
                "[network]; or set network.enabled = false if something else filters this node's guests"
            )
        return self
