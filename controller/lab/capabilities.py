"""Probes QEMU's capabilities once for all nodes of a lab, instead of once per node.

libvirt probes QEMU with many short runs (about ten seconds of CPU) at the first connection and keeps
the result in its cache. One node probes; the other nodes and later labs get a copy. libvirt discards
a copy of another QEMU, libvirt, kernel or CPU, and probes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from controller.lab import files
from controller.lab.command import run
from controller.lab.guest import cache_folder
from controller.lab.settings import Node

_BELOW_CACHE = Path("qemu/capabilities")


def share(nodes: tuple[Node, ...]) -> None:
    """Have the first node probe or use the copy, and copy the result to all nodes. Their libvirtds must run."""
    store = cache_folder() / "libvirt-capabilities"
    first, *others = nodes
    if not _has_any(first):
        _copy(store, _folder(first))
    run("virsh", "-c", first.libvirt_uri, "capabilities", timeout=120)
    _copy(_folder(first), store)
    for node in others:
        if not _has_any(node):
            _copy(_folder(first), _folder(node))


def _folder(node: Node) -> Path:
    return node.root / "cache-libvirt" / _BELOW_CACHE


def _has_any(node: Node) -> bool:
    return any(True for _ in _entries(_folder(node)))


def _entries(folder: Path) -> Iterator[Path]:
    return folder.glob("*.xml")


def _copy(source: Path, target: Path) -> None:
    for entry in _entries(source):
        files.write(target / entry.name, entry.read_text(), 0o600)
