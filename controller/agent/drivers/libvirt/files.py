"""A machine's files on the host: root disk, extra disks, ConfigDrive, console log.

All of them are in ``<state>/machines/<uid>/``, the same path on every node. Every function blocks.
A disk appears complete or not at all, and an existing one is kept while its image is the same.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from controller.agent import config_drive, qemu_img
from controller.agent.drivers.libvirt.definition import DiskFile, disk_target
from controller.agent.drivers.types import Desired
from controller.agent.images import CachedImage
from controller.errors import InvalidInput, PermanentError, Problem, TemporaryError
from controller.model.compute import ComputeSpec

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class MachineFiles:
    """Files of one machine."""

    def __init__(self, state_folder: Path, uid: str) -> None:
        if not _UID.fullmatch(uid):
            raise PermanentError(f"{uid!r} is no machine's uid")
        self._uid = uid
        self.folder = state_folder / "machines" / uid
        self.config_drive = self.folder / "config.iso"
        self.console_log = self.folder / "console.log"
        self.root_disk = self.folder / "root.qcow2"

    def disks(self, spec: ComputeSpec) -> list[DiskFile]:
        """The writable disks in the order that the guest sees them, the root disk first."""
        extra = [(self.folder / f"disk-{disk.name}.qcow2", disk.name) for disk in spec.disks]
        return [
            DiskFile(path, disk_target(index), serial[:20])
            for index, (path, serial) in enumerate([(self.root_disk, "root"), *extra])
        ]

    def check(self, spec: ComputeSpec, image: CachedImage) -> None:
        """Raise PermanentError when the disks that are there cannot become what is asked, or the asking is wrong."""
        if len({disk.name for disk in spec.disks}) < len(spec.disks):
            raise InvalidInput([Problem("spec.disks", "two disks have one name")])
        size = root_size(spec, image)
        if self.root_disk.exists():
            there = qemu_img.info(self.root_disk, "qcow2")
            if there.backing_file == str(image.disk):
                _refuse_shrinking(self.root_disk, there.virtual_size, size)
        for disk, asked in zip(self.disks(spec)[1:], spec.disks, strict=True):
            if disk.path.exists():
                there = qemu_img.info(disk.path, "qcow2")
                _refuse_shrinking(disk.path, there.virtual_size, asked.size_gib * qemu_img.GIB)

    def make(self, desired: Desired, image: CachedImage) -> None:
        """Make what is missing; keep disks, grow those that are asked larger. The machine is stopped.

        Raises PermanentError when a disk would have to shrink.
        """
        spec, size = desired.spec, root_size(desired.spec, image)
        with_image = self._make_folder()
        if with_image and (there := qemu_img.info(self.root_disk, "qcow2")).backing_file == str(image.disk):
            _fit(self.root_disk, there.virtual_size, size)
        else:
            qemu_img.create_overlay(self.root_disk, image.disk, spec.image.format, size)
        for disk, asked in zip(self.disks(spec)[1:], spec.disks, strict=True):
            if disk.path.exists():
                _fit(disk.path, qemu_img.info(disk.path, "qcow2").virtual_size, asked.size_gib * qemu_img.GIB)
            else:
                qemu_img.create_empty(disk.path, asked.size_gib * qemu_img.GIB)
        config_drive.write(self.config_drive, self._uid, spec)

    def make_empty(self, desired: Desired, image: CachedImage) -> None:
        """Make everything anew for a machine that arrives with its data; what is there is dropped."""
        spec, size = desired.spec, root_size(desired.spec, image)
        self._make_folder()
        qemu_img.create_overlay(self.root_disk, image.disk, spec.image.format, size)
        for disk, asked in zip(self.disks(spec)[1:], spec.disks, strict=True):
            qemu_img.create_empty(disk.path, asked.size_gib * qemu_img.GIB)
        config_drive.write(self.config_drive, self._uid, spec)

    def delete(self) -> None:
        """Delete everything of the machine."""
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise TemporaryError(f"cannot delete {self.folder}: {error}") from error

    def _make_folder(self) -> bool:
        """Have the folder; whether a root disk is in it."""
        try:
            # Others may pass, not look: QEMU is another user, where libvirt is set up as distributions do.
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o751)
        except OSError as error:
            raise TemporaryError(f"cannot make {self.folder}: {error}") from error
        return self.root_disk.exists()


def root_size(spec: ComputeSpec, image: CachedImage) -> int:
    """Bytes of the root disk. Raises PermanentError when the image is larger than the flavor's disk."""
    size = spec.sizes.disk_gib * qemu_img.GIB
    if image.virtual_size > size:
        raise PermanentError(
            f"the image's disk has {image.virtual_size} bytes, more than the {spec.sizes.disk_gib} GiB asked"
        )
    return size


def _fit(path: Path, there: int, asked: int) -> None:
    _refuse_shrinking(path, there, asked)
    if asked > there:
        qemu_img.grow(path, asked)


def _refuse_shrinking(path: Path, there: int, asked: int) -> None:
    if asked < there:
        raise PermanentError(f"{path.name} has {there} bytes and cannot shrink to {asked}")
