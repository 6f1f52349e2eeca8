"""A machine as a libvirt domain: its identity, its mark, its XML; and reading them back.

The mark is a metadata element of our namespace in the domain. It is all that the driver remembers:
which resource the domain is, of which revision, how many reboots were carried out, and the digest
of what the domain was made from. UUID, tap names and paths follow from the uid alone, so they are
equal on every node; what is this node's own (which cpus, which NUMA cells) is left out of what is
sent to another (``portable``). The mark also says what of the host it was last kept to: a change of
that alone needs no new domain.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired
from controller.agent.host.facts import format_cpus
from controller.agent.images import CachedImage
from controller.hostnet.service import TAP_PREFIX
from controller.model.compute import ComputeSpec
from controller.model.node import NumaCell
from controller.rendering import render

NAMESPACE = "urn:resource-service:machine:1"
"""Of the metadata element. It is in running domains: it never changes."""
PERIOD = 100_000
"""Microseconds over which cpu time is measured; the shortest slice that the kernel takes is 1 % of it."""
IO_GROUP = "machine"
"""QEMU's group of all disks of a machine, which share one limit."""
_UUIDS = uuid.UUID("6e1d6f0c-7a0f-5c53-9d7c-0d6a4f4f6b1a")


_PARTS = {"sizes", "image", "interfaces", "disks", "ssh_keys", "user_data", "host_name", "index"}
"""Fields of a spec that a domain is made of; a change in the others needs no new domain."""


@dataclass(frozen=True)
class Place:
    """What of the host a domain was last kept to."""

    cells: tuple[int, ...] = ()
    cpus: tuple[int, ...] = ()
    layout: str = ""
    """Digest of the hardware threads that the host offered then."""


@dataclass(frozen=True)
class Mark:
    """Our metadata of a domain."""

    uid: str
    name: str
    revision: int
    reboots: int
    digest: str
    place: Place = Place()

    @classmethod
    def of(cls, desired: Desired, layout: str = "") -> Mark:
        place = Place(desired.cells, desired.cpus, layout)
        return cls(desired.uid, desired.name, desired.revision, desired.spec.reboots, digest(desired.spec), place)

    def attributes(self) -> dict[str, str]:
        """What the element says."""
        return {
            "uid": self.uid,
            "name": self.name,
            "revision": str(self.revision),
            "reboots": str(self.reboots),
            "digest": self.digest,
            "cells": ",".join(map(str, self.place.cells)),
            "cpus": ",".join(map(str, self.place.cpus)),
            "layout": self.place.layout,
        }

    def element(self) -> str:
        """The element as XML."""
        return ElementTree.tostring(ElementTree.Element("machine", self.attributes()), encoding="unicode")


@dataclass(frozen=True)
class DiskFile:
    """A disk of a machine on the host."""

    path: Path
    target: str
    """Name of the guest's device (``vda``)."""
    serial: str


@dataclass(frozen=True)
class Found:
    """What a domain's XML says that we care for."""

    mark: Mark
    taps: tuple[str, ...]
    disks: tuple[str, ...]
    """Targets of the writable disks."""


def domain_uuid(uid: str) -> str:
    """UUID of the machine's domain."""
    return str(uuid.uuid5(_UUIDS, uid))


def tap_name(uid: str, index: int) -> str:
    """Host interface of the machine's NIC ``index``; 15 characters at most (the kernel's limit)."""
    return f"{TAP_PREFIX}{hashlib.sha256(uid.encode()).hexdigest()[:10]}{index:02x}"


def tap_names(uid: str, spec: ComputeSpec) -> tuple[str, ...]:
    """Host interfaces in the order of the spec's."""
    return tuple(tap_name(uid, index) for index in range(len(spec.interfaces)))


def digest(spec: ComputeSpec) -> str:
    """Digest of what a domain is made of; equal digests need no new domain."""
    values = spec.model_dump(mode="json", include=_PARTS)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def layout_digest(layout: Sequence[NumaCell]) -> str:
    """Digest of the hardware threads that a host offers."""
    values = [[cell.cell, cell.cpus, cell.pinned_cpus] for cell in layout]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


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
    """The domain's XML."""
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
    """A domain's XML without what is this host's own; its limits stay. Its mark says that it was kept to nothing."""
    root = ElementTree.fromstring(xml)  # noqa: S314 - from the local libvirtd
    for machine in root.findall(f"metadata/{{{NAMESPACE}}}machine"):
        for name in ("cells", "cpus", "layout"):
            machine.attrib.pop(name, None)
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
    """``vda``, ``vdb``, ..., ``vdz``, ``vdaa``, ..."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"vd{letters}"


def read(xml: str) -> Found | None:
    """Read a domain's XML; None when it does not carry our mark."""
    # The XML comes from the local libvirtd, which runs as root: it is not an attacker's.
    root = ElementTree.fromstring(xml)  # noqa: S314
    element = root.find(f"metadata/{{{NAMESPACE}}}machine")
    if element is None:
        return None
    return Found(
        mark=Mark(
            uid=element.get("uid", ""),
            name=element.get("name", ""),
            revision=int(element.get("revision", "0")),
            reboots=int(element.get("reboots", "0")),
            digest=element.get("digest", ""),
            place=Place(_numbers(element, "cells"), _numbers(element, "cpus"), element.get("layout", "")),
        ),
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


def _numbers(element: ElementTree.Element, name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in element.get(name, "").split(",") if number)
