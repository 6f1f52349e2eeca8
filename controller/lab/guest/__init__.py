"""Provides the lab's small guest image: a Debian kernel for direct boot and a disk with Python.

``guest_image()`` gives the image with a disk: it configures itself from its ConfigDrive, answers
the ACPI power button, serves a small JSON on HTTP port 80 and SSH on port 22, and prints
``GUEST-READY`` on its console. ``tiny_image()`` gives the same kernel with busybox alone, for quick
tests of drivers: it reacts to the power button and prints ``GUEST-READY``, and has no network.

Built once per recipe, below ``$RESOURCE_CACHE`` or ``${XDG_CACHE_HOME:-~/.cache}/resource-service``,
in ``guest/<digest of the recipe>``. Builders wait for each other; a folder appears only when it is
complete. Not promised: that two machines build the same bytes, because Debian's packages change; so
checksums are read from what was built.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controller.lab.guest import build
from controller.model.image import BootFile, ImageFormat, ImageSpec

Say = Callable[[str], None]

_MANIFEST = "manifest.json"
_CMDLINE = "console=ttyS0 panic=-1 quiet mitigations=off net.ifnames=0"


@dataclass(frozen=True)
class GuestImage:
    """Files of a guest, with the SHA-256 of each (``sha256:<hex>``)."""

    kernel: Path
    kernel_checksum: str
    initrd: Path
    initrd_checksum: str
    disk: Path
    """qcow2."""
    disk_checksum: str
    cmdline: str

    def spec(self) -> ImageSpec:
        """Return the guest as the spec of an Image whose files are on every node."""
        return ImageSpec(
            url=f"file://{self.disk}",
            format=ImageFormat.QCOW2,
            checksum=self.disk_checksum,
            kernel=BootFile(url=f"file://{self.kernel}", checksum=self.kernel_checksum),
            initrd=BootFile(url=f"file://{self.initrd}", checksum=self.initrd_checksum),
            cmdline=self.cmdline,
        )


def cache_folder() -> Path:
    """Return the folder that outlives checkouts: ``$RESOURCE_CACHE``, or the user's cache."""
    if chosen := os.environ.get("RESOURCE_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "resource-service"


def guest_image(cache: Path | None = None, say: Say = lambda line: None) -> GuestImage:
    """Return the guest with Python, building it when it is missing (about a minute).

    ``say`` is called with each step of a build. Raises Unavailable when packages cannot be fetched.
    """
    return _load(_built(cache, say), "disk.qcow2", f"{_CMDLINE} root=/dev/vda")


def tiny_image(cache: Path | None = None, say: Say = lambda line: None) -> GuestImage:
    """Return the guest that needs nothing of its (empty) disk; built together with the other."""
    return _load(_built(cache, say), "empty.qcow2", _CMDLINE)


def _built(cache: Path | None, say: Say) -> Path:
    base = (cache or cache_folder()) / "guest"
    folder = base / build.recipe_digest()[:16]
    if (folder / _MANIFEST).exists():
        return folder
    base.mkdir(parents=True, exist_ok=True)
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _MANIFEST).exists():
            return folder
        # The builders of these have ended: this process has the lock.
        for stale in base.glob("*.building"):
            shutil.rmtree(stale)
        work = base / f"{folder.name}.building"
        work.mkdir()
        build.build(work, say)
        names = ("vmlinux", "initrd", "disk.qcow2", "empty.qcow2")
        for leftover in [path for path in work.iterdir() if path.name not in names]:
            shutil.rmtree(leftover)
        (work / _MANIFEST).write_text(json.dumps({name: _checksum(work / name) for name in names}, indent=1))
        work.rename(folder)
    return folder


def _load(folder: Path, disk: str, cmdline: str) -> GuestImage:
    checksums = json.loads((folder / _MANIFEST).read_text())
    return GuestImage(
        kernel=folder / "vmlinux",
        kernel_checksum=checksums["vmlinux"],
        initrd=folder / "initrd",
        initrd_checksum=checksums["initrd"],
        disk=folder / disk,
        disk_checksum=checksums[disk],
        cmdline=cmdline,
    )


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
