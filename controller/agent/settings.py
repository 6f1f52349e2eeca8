"""Settings of the cluster agent: what every process has, and what one node is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.model.envelope import Part
from controller.model.names import Name
from controller.model.node import Capacity, NumaCell
from controller.model.provider import ProviderDriver
from controller.process.settings import PeerSettings, ProcessSettings


class MachineDriver(StrEnum):
    """Drivers of virtual machines."""

    LIBVIRT = "Libvirt"
    MEMORY = "Memory"


class MemoryVariant(StrEnum):
    """In-memory drivers by name; all but the first fail in the way that they say (tests only)."""

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


class MemorySettings(Part):
    """The in-memory driver: FOR TESTS AND SCALE RUNS, it runs nothing."""

    world: Path | None = Field(
        default=None,
        description="Folder that the hypervisors of several agents share, so that machines outlive their agent and "
        "migrate between agents. None: the machines die with the agent.",
    )
    variant: MemoryVariant = Field(default=MemoryVariant.PLAIN, description="Which in-memory driver.")
    marker: str = Field(default="", description="Failing variants fail for names or images that hold it.")
    capacity: Capacity = Field(
        default=Capacity(vcpus=64, memory_mib=262144, disk_gib=4096), description="What the node pretends to have."
    )
    numa: tuple[NumaCell, ...] = Field(default=(), description="NUMA cells that the node pretends to have.")
    start_seconds: float = Field(default=0.0, ge=0, description="How long a start takes (s).")
    shutdown_seconds: float = Field(default=0.0, ge=0, description="How long a guest takes to shut down (s).")
    migration_seconds: float = Field(default=0.0, ge=0, description="How long a migration takes (s).")


class ProviderOffer(Part):
    """A provider that the node offers."""

    name: Name = Field(description="Name of the Provider.", examples=["libvirt"])
    driver: ProviderDriver = Field(description="Driver that realises it here.", examples=["Libvirt"])


class JoinSettings(Part):
    """How the node gets its first certificate."""

    target: str = Field(
        default="", description="host:port of the cluster API for nodes without a certificate; empty: the API's own."
    )
    token: SecretStr | None = Field(default=None, description="One-time join token.")
    token_file: Path | None = Field(default=None, description="File that holds the join token.")
    authority: Path | None = Field(
        default=None, description="PEM file of the trusted root authority; the bundle in the TLS folder if none."
    )


class NetworkSettings(Part):
    """The node's service network."""

    enabled: bool = Field(
        default=True, description="Keep taps, routes and firewall of this network namespace; Libvirt driver only."
    )
    infrastructure: tuple[str, ...] = Field(
        default=(), description="Networks that guests may not open connections to.", examples=[["10.0.0.0/8"]]
    )


class LimitSettings(Part):
    """Bounds of the agent's work."""

    starts: int = Field(default=4, ge=1, description="Machines made or prepared at once.")
    start_patience: float = Field(
        default=30.0, gt=0, description="How long a slow start keeps others waiting for its place (s)."
    )
    call_deadline: float = Field(default=2400.0, gt=0, description="The longest any driver call may take (s).")
    stray_grace: float = Field(
        default=5.0, ge=0, description="How long a machine must be unassigned before it is removed (s)."
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
    limits: LimitSettings = Field(default=LimitSettings(), description="Bounds of the work.")
    resync_seconds: float = Field(
        default=60.0, gt=0, description="Between two looks at everything, and two full reports."
    )
    boot_file: Path = Field(
        default=Path("/proc/sys/kernel/random/boot_id"),
        description="File whose content changes when the node is restarted (on_node_up).",
    )
