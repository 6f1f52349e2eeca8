"""Defines the mark: our metadata in a domain, all that the libvirt driver remembers of a machine.

The mark is an element of our namespace. It has the resource's uid and revision, the number of
reboots that were carried out, and a digest of what the domain was created from. It also has the
part of the host that the domain was last bound to: a change of that part needs no new domain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from pydantic.main import IncEx

from controller.agent.drivers.types import Desired
from controller.model.compute import ComputeSpec
from controller.model.node import NumaCell

NAMESPACE = "urn:resource-service:machine:1"
"""Namespace of the metadata element. It is in running domains: it never changes."""

_DOMAIN_FIELDS = {"sizes", "image", "interfaces", "disks", "ssh_keys", "user_data", "host_name", "index"}
"""Fields of a spec that a domain is created from; a change of the others needs no new domain."""

_IMAGE_SOURCES: Mapping[str, IncEx | bool] = {"url": True, "kernel": {"url"}, "initrd": {"url"}}
"""Where the image's bytes come from; its checksums say which they are."""


@dataclass(frozen=True)
class HostPart:
    """The part of the host that a domain was last bound to."""

    cells: tuple[int, ...] = ()
    cpus: tuple[int, ...] = ()
    layout: str = ""
    """Digest of the hardware threads that the host offered then."""


@dataclass(frozen=True)
class Mark:
    """Our metadata in a domain."""

    uid: str
    name: str
    revision: int
    reboots: int
    digest: str
    host_part: HostPart = HostPart()

    @classmethod
    def of(cls, desired: Desired, layout: str = "") -> Mark:
        """Return the mark of a domain that is as ``desired``, on a host with the layout of that digest."""
        part = HostPart(desired.cells, desired.cpus, layout)
        return cls(desired.uid, desired.name, desired.revision, desired.spec.reboots, digest(desired.spec), part)

    @classmethod
    def parse(cls, root: ElementTree.Element) -> Mark | None:
        """Return the mark in a domain's XML; None if it has none."""
        element = root.find(f"metadata/{{{NAMESPACE}}}machine")
        if element is None:
            return None
        return cls(
            uid=element.get("uid", ""),
            name=element.get("name", ""),
            revision=int(element.get("revision", "0")),
            reboots=int(element.get("reboots", "0")),
            digest=element.get("digest", ""),
            host_part=HostPart(_numbers(element, "cells"), _numbers(element, "cpus"), element.get("layout", "")),
        )

    def attributes(self) -> dict[str, str]:
        """Return the attributes of the element."""
        return {
            "uid": self.uid,
            "name": self.name,
            "revision": str(self.revision),
            "reboots": str(self.reboots),
            "digest": self.digest,
            "cells": ",".join(map(str, self.host_part.cells)),
            "cpus": ",".join(map(str, self.host_part.cpus)),
            "layout": self.host_part.layout,
        }

    def element(self) -> str:
        """Return the element as XML."""
        return ElementTree.tostring(ElementTree.Element("machine", self.attributes()), encoding="unicode")


def clear_host_part(root: ElementTree.Element) -> None:
    """Remove the part of the host from the mark in a domain's XML."""
    for machine in root.findall(f"metadata/{{{NAMESPACE}}}machine"):
        for name in ("cells", "cpus", "layout"):
            machine.attrib.pop(name, None)


def digest(spec: ComputeSpec) -> str:
    """Return the digest of what a domain is created from; equal digests need no new domain."""
    values = spec.model_dump(mode="json", include=_DOMAIN_FIELDS, exclude={"image": _IMAGE_SOURCES})
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def layout_digest(layout: Sequence[NumaCell]) -> str:
    """Return the digest of the hardware threads that a host offers."""
    values = [[cell.cell, cell.cpus, cell.pinned_cpus] for cell in layout]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _numbers(element: ElementTree.Element, name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in element.get(name, "").split(",") if number)
