"""What runs on a lab's nodes, as their hypervisors and the kernel tell it.

``Eyes`` holds a connection to one libvirtd and opens it again when that was away. ``guests`` finds
QEMU processes without libvirt, so that what a killed libvirtd lost sight of is seen too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import libvirt

from controller.lab import namespaces
from controller.lab.settings import Node

RUNNING = libvirt.VIR_DOMAIN_RUNNING
SHUT_OFF = libvirt.VIR_DOMAIN_SHUTOFF


class Eyes:
    """One libvirtd, looked at again and again. Belongs to one thread."""

    def __init__(self, node: Node) -> None:
        self._uri = node.libvirt_uri
        self._connect: libvirt.virConnect | None = None

    def states(self) -> dict[str, int] | None:
        """States of the domains by UUID; None while the libvirtd gives no answer."""
        try:
            if self._connect is None:
                self._connect = libvirt.open(self._uri)
            return {domain.UUIDString(): domain.state()[0] for domain in self._connect.listAllDomains()}
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return self.states()  # one went while we looked
            self.close()
            return None

    def close(self) -> None:
        """Disconnect."""
        connect, self._connect = self._connect, None
        if connect is not None:
            with contextlib.suppress(libvirt.libvirtError):
                connect.close()


def states(node: Node) -> dict[str, int]:
    """States of a node's domains by UUID; nothing while its libvirtd is away."""
    eyes = Eyes(node)
    try:
        return eyes.states() or {}
    finally:
        eyes.close()


@dataclass(frozen=True)
class Guest:
    """A QEMU process of the lab."""

    pid: int
    uuid: str
    """Of its domain."""
    namespace: str
    """Of its node."""

    def worked(self) -> int | None:
        """Nanoseconds that its virtual CPUs have run; None when it is gone."""
        total = 0
        try:
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                if (task / "comm").read_text().startswith("CPU "):
                    total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            return None
        return total


def guests(names: Iterable[str]) -> list[Guest]:
    """QEMU processes in network namespaces."""
    names = tuple(names)
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if not entry.isdigit() or not read(int(entry), "comm").startswith("qemu-system"):
            continue
        pid = int(entry)
        words = read(pid, "cmdline").split("\0")
        namespace = next((name for name in names if namespaces.is_in(pid, name)), None)
        if namespace is not None and "-uuid" in words:
            found.append(Guest(pid, words[words.index("-uuid") + 1], namespace))
    return found


def read(pid: int, name: str) -> str:
    """A file of a process below /proc; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
