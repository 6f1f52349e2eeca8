"""Settings of the libvirt driver, a part of the agent's settings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from controller.agent.host.facts import CapacitySettings
from controller.process.settings import SettingsPart


class Accelerator(StrEnum):
    """How guests run."""

    AUTO = "auto"
    """KVM if a probe has booted a guest with it, else TCG."""
    KVM = "kvm"
    TCG = "tcg"


class LibvirtSettings(SettingsPart):
    """Where libvirt and the machines' files are, and the deadlines of calls."""

    uri: str = Field(default="qemu:///system", description="libvirt of this host.")
    state_folder: Path = Field(
        default=Path("/var/lib/resource-service"),
        description="Images and machines; the same path on every node, because a migrated domain keeps its paths.",
    )
    peer_uri: str = Field(
        default="qemu+tcp://{address}/system",
        description="libvirt of another node; qemu+tls://{address}/system encrypts it.",
    )
    data_uri: str = Field(default="tcp://{address}", description="Where a machine's memory is sent.")
    accelerator: Accelerator = Field(default=Accelerator.AUTO, description="auto, kvm or tcg.")
    kvm_probe_kernel: Path | None = Field(
        default=None, description="Kernel that the KVM probe boots; default: the host's own."
    )
    capacity: CapacitySettings = Field(default=CapacitySettings(), description="What the node offers.")
    call_timeout: float = Field(default=30.0, gt=0, description="Deadline of an ordinary libvirt call (s).")
    start_timeout: float = Field(default=120.0, gt=0, description="Deadline for starting a domain (s).")
    migration_timeout: float = Field(default=1800.0, gt=0, description="Deadline of a migration (s); then aborted.")
    migration_bandwidth_mib: int = Field(default=0, ge=0, description="Limit of a migration (MiB/s); 0: none.")
    keepalive_interval: int = Field(default=5, ge=1, description="Interval of the probes of libvirtd (s).")
    keepalive_count: int = Field(default=3, ge=1, description="Unanswered probes after which it counts as away.")
    image_max_gib: int = Field(default=64, ge=1, description="Largest image that is accepted (GiB).")
    image_timeout: float = Field(default=1800.0, gt=0, description="Deadline of an image's download (s).")
