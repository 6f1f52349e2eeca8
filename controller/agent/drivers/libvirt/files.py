"""Creates and deletes a machine's files on the host for the libvirt driver.

They are the root disk, extra disks, ConfigDrive and console log, all in ``<state>/machines/<uid>/``,
the same path on every node. Every function blocks. A disk appears complete or not at all, and an
existing one is kept while its image is the same.
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
from controller.model.compute import ROOT_SERIAL, ComputeSpec, serial_of

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class MachineFiles:
    """The files of one machine."""

    def __init__(self, state_folder: Path, uid: str) -> None:
        if not _UID.fullmatch(uid):
            raise PermanentError(f"{uid!r} is not a valid uid of a machine")
        self._uid = uid
        self.folder = state_folder / "machines" / uid
        self.config_drive = self.folder / "config.iso"
        self.console_log = self.folder / "console.log"
        self.root_disk = self.folder / "root.qcow2"

    def disks(self, spec: ComputeSpec) -> list[DiskFile]:
        """Return the writable disks in the order of the guest, the root disk first."""
        extra = [(self.folder / f"disk-{disk.name}.qcow2", serial_of(disk.name)) for disk in spec.disks]
        return [
            DiskFile(path, disk_target(index), serial)
            for index, (path, serial) in enumerate([(self.root_disk, ROOT_SERIAL), *extra])
        ]

    def check(self, spec: ComputeSpec, image: CachedImage) -> None:
        """Raise PermanentError when existing disks cannot become what is asked for; InvalidInput for a wrong spec."""
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

    def replaces_root_disk(self, image: CachedImage) -> bool:
        """Return whether ``make`` would create the root disk again, because it is of another image."""
        return self.root_disk.exists() and qemu_img.info(self.root_disk, "qcow2").backing_file != str(image.disk)

    def make(self, desired: Desired, image: CachedImage) -> None:
        """Create what is missing; keep disks, and grow those that must be larger. The machine must be stopped.

        Raises PermanentError when a disk would have to shrink.
        """
        spec, size = desired.spec, root_size(desired.spec, image)
        has_root_disk = self._make_folder()
        if has_root_disk and (there := qemu_img.info(self.root_disk, "qcow2")).backing_file == str(image.disk):
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
        """Create all files for a machine that arrives with its data; existing files are replaced."""
        spec, size = desired.spec, root_size(desired.spec, image)
        self._make_folder()
        qemu_img.create_overlay(self.root_disk, image.disk, spec.image.format, size)
        for disk, asked in zip(self.disks(spec)[1:], spec.disks, strict=True):
            qemu_img.create_empty(disk.path, asked.size_gib * qemu_img.GIB)
        config_drive.write(self.config_drive, self._uid, spec)

    def delete(self) -> None:
        """Delete all files of the machine."""
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise TemporaryError(f"cannot delete {self.folder}: {error}") from error

    def _make_folder(self) -> bool:
        """Create the folder if it does not exist; return whether it has a root disk."""
        try:
            # Others may traverse the folder and not list it: QEMU usually runs as another user.
            # Never the state folder itself: where that does not exist, it is not mounted.
            self.folder.parent.mkdir(exist_ok=True, mode=0o751)
            self.folder.mkdir(exist_ok=True, mode=0o751)
        except OSError as error:
            raise TemporaryError(f"cannot create {self.folder}: {error}") from error
        return self.root_disk.exists()


def root_size(spec: ComputeSpec, image: CachedImage) -> int:
    """Return the bytes of the root disk. Raises PermanentError when the image is larger than the flavor's disk."""
    size = spec.sizes.disk_gib * qemu_img.GIB
    if image.virtual_size > size:
        raise PermanentError(
            f"the image's disk has {image.virtual_size} bytes, more than the {spec.sizes.disk_gib} GiB of the flavor"
        )
    return size


def _fit(path: Path, there: int, asked: int) -> None:
    _refuse_shrinking(path, there, asked)
    if asked > there:
        qemu_img.grow(path, asked)


def _refuse_shrinking(path: Path, there: int, asked: int) -> None:
    if asked < there:
        raise PermanentError(f"{path.name} has {there} bytes and cannot shrink to {asked}")
