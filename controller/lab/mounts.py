"""Lists and removes mounts of this machine, for the lab.

Another lab may be in a mount namespace of its own, with a ``/run`` of its own, so neither its handles nor its lock
are seen from here. The kernel lets a folder be removed that is a mount point in another mount namespace, and takes
that mount away. ``uses_of`` therefore reads the mounts of every mount namespace of the machine.

Not promised: that a mount namespace is found that neither has a process nor is kept by a file that a process sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.errors import ResourceError
from controller.lab.command import run


@dataclass(frozen=True)
class Mount:
    """A line of a ``mountinfo`` file."""

    device: str
    """Device of the file system, ``major:minor``."""
    root: Path
    """The folder of the file system that is mounted."""
    point: Path
    """Where it is mounted."""
    kind: str
    """The type of the file system."""


@dataclass(frozen=True)
class Namespace:
    """A mount namespace and its mounts."""

    who: str
    """Whose it is, for a message."""
    mounts: tuple[Mount, ...]


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, newest first, which is the order to unmount them in."""
    mounts = _parse(Path("/proc/self/mountinfo").read_text())
    return [mount.point for mount in reversed(mounts) if mount.point.is_relative_to(folder)]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder."""
    for point in mounts_below(folder):
        run("umount", point)


def uses_of(folder: Path) -> list[str]:
    """Return the mounts of any mount namespace that are at or below a folder, or show something that is in it."""
    source = _in_file_system(folder)
    return sorted(
        {
            f"{mount.point} of {namespace.who}"
            for namespace in _namespaces()
            for mount in namespace.mounts
            if mount.point.is_relative_to(folder)
            or (source is not None and mount.device == source.device and mount.root.is_relative_to(source.root))
        }
    )


def _in_file_system(folder: Path) -> Mount | None:
    """Return the folder as something that could be mounted elsewhere; None when it does not exist."""
    try:
        status = folder.stat()
    except OSError:
        return None
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    for mount in reversed(_parse(Path("/proc/self/mountinfo").read_text())):
        if mount.device == device and folder.is_relative_to(mount.point):
            return Mount(device, mount.root / folder.relative_to(mount.point), folder, mount.kind)
    return None


def _namespaces() -> Iterator[Namespace]:
    """Give each mount namespace once: those of processes, and those that are kept by a file that a process sees."""
    seen: set[str] = set()
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        with suppress(OSError):  # the process has ended
            name = os.readlink(entry / "ns/mnt")  # noqa: PTH115 - the target is no path
            if name in seen:
                continue
            mounts = _parse((entry / "mountinfo").read_text())
            seen.add(name)
            yield Namespace(f"process {entry.name} ({(entry / 'comm').read_text().strip()})", mounts)
            yield from _kept(entry / "root", mounts, seen)


def _kept(root: Path, mounts: tuple[Mount, ...], seen: set[str]) -> Iterator[Namespace]:
    for mount in mounts:
        name = str(mount.root)
        if mount.kind == "nsfs" and name.startswith("mnt:") and name not in seen:
            with suppress(ResourceError):  # it was unmounted
                text = run("nsenter", f"--mount={root / mount.point.relative_to('/')}", "cat", "/proc/self/mountinfo")
                seen.add(name)
                yield Namespace(f"the namespace {mount.point}", _parse(text))


def _parse(text: str) -> tuple[Mount, ...]:
    mounts = []
    for line in text.splitlines():
        words = line.split()
        kind = words[words.index("-") + 1]
        mounts.append(Mount(words[2], Path(words[3]), Path(words[4]), kind))
    return tuple(mounts)
