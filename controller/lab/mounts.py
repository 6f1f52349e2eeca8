"""What is mounted on this machine, read from the kernel."""

from __future__ import annotations

from pathlib import Path

from controller.lab.command import run


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, newest first: in this order they can be unmounted."""
    points = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(folder)]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder."""
    for point in mounts_below(folder):
        run("umount", point)
