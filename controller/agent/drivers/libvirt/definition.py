"""Renders a machine as the XML of a libvirt domain, and parses such XML, for the libvirt driver.

What belongs to one host (which cpus, which NUMA cells) is removed from XML that is sent to another
host (``portable``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from controller.agent.drivers.libvirt.mark import NAMESPACE, Mark, clear_host_part
from controller.agent.drivers.libvirt.names import domain_uuid, tap_names
from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired
from controller.agent.host.cpu_lists import format_cpus
from controller.agent.images import CachedImage
from controller.hostnet.service import TAP_PREFIX
from controller.rendering import render

PERIOD = 100_000
"""Microseconds over which cpu time is measured; the shortest slice that the kernel accepts is 1 % of it."""
IO_GROUP = "machine"
"""QEMU's group of all disks of a machine, which share one limit."""


@dataclass(frozen=True)
class DiskFile:
    """A disk of a machine on the host."""

    path: Path
    target: str
    """Name of the guest's device (``vda``)."""
    serial: str


@dataclass(frozen=True)
class ParsedDomain:
    """The part of a domain's XML that the driver uses."""

    mark: Mark
    taps: tuple[str, ...]
    disks: tuple[str, ...]
    """Targets of the writable disks."""


def domain_xml(
    desired: Desired,
    *,
    limits: Limits,
    mark: Mark,
    kvm: bool,
    image: CachedImage,
    disks: Sequence[DiskFile],
    config_drive: Path,
    console_log: Path,
) -> str:
    """Return the XML of the machine's domain."""
    spec = desired.spec
    taps = tap_names(desired.uid, spec)
    return render(
        "domain.xml.j2",
        namespace=NAMESPACE,
        mark=mark.attributes(),
        name=desired.name,
        uuid=domain_uuid(desired.uid),
        kvm=kvm,
        memory_mib=spec.sizes.memory_mib,
        vcpus=spec.sizes.vcpus,
        limits=limits,
        period=PERIOD,
        cpu_lists=[format_cpus(cpus) for cpus in limits.vcpus],
        emulator_list=format_cpus(limits.emulator),
        nodeset=format_cpus(limits.cells),
        io_group=IO_GROUP,
        kernel=image.kernel,
        initrd=image.initrd,
        cmdline=spec.image.cmdline,
        disks=disks,
        config_drive=config_drive,
        config_target=disk_target(len(disks)),
        interfaces=[{"mac": nic.mac, "tap": tap} for nic, tap in zip(spec.interfaces, taps, strict=True)],
        console_log=console_log,
    )


def portable(xml: str) -> str:
    """Return a domain's XML without what belongs to this host, also in its mark; its limits stay."""
    root = ElementTree.fromstring(xml)  # noqa: S314 - from the local libvirtd
    clear_host_part(root)
    for parent, names in (
        ("cputune", {"vcpupin", "emulatorpin", "iothreadpin", "shares"}),
        (".", {"numatune"}),
    ):
        found = root.find(parent)
        for child in list(found) if found is not None else ():
            if found is not None and child.tag in names:
                found.remove(child)
    for vcpu in root.findall("vcpu"):
        vcpu.attrib.pop("cpuset", None)
    return ElementTree.tostring(root, encoding="unicode")


def disk_target(index: int) -> str:
    """Return the name of a disk's device: ``vda``, ``vdb``, ..., ``vdz``, ``vdaa``, ..."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"vd{letters}"


def parse(xml: str) -> ParsedDomain | None:
    """Parse a domain's XML; return None if it does not have our mark."""
    # The XML comes from the local libvirtd, which runs as root: an attacker cannot choose it.
    root = ElementTree.fromstring(xml)  # noqa: S314
    mark = Mark.parse(root)
    if mark is None:
        return None
    return ParsedDomain(
        mark=mark,
        taps=tuple(
            target.get("dev", "")
            for target in root.findall("devices/interface/target")
            if target.get("dev", "").startswith(TAP_PREFIX)
        ),
        disks=tuple(
            disk.find("target").get("dev", "")  # type: ignore[union-attr]
            for disk in root.findall("devices/disk")
            if disk.find("readonly") is None
        ),
    )
