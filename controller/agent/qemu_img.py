"""Runs ``qemu-img`` for drivers: reads the headers of disk images, creates and grows disks.

Every function blocks and is called in a worker thread. The format is always given and never
detected: a guest that writes a qcow2 header into its raw disk must not make the host open another
file. A new image is written under a temporary name in the same folder and renamed, so it appears
complete or not at all.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.errors import ImageInvalid, TemporaryError, TimedOut, Unavailable

GIB = 1 << 30
SECONDS = 60.0
"""Deadline of each call; none of them copies data."""


@dataclass(frozen=True)
class DiskInfo:
    """The header of a disk image."""

    virtual_size: int
    """Size of the disk in the guest, in bytes."""
    backing_file: str | None
    """Path of the image that this one is an overlay of."""
    data_file: str | None
    """Path of an external data file."""


def info(path: Path, disk_format: str, *, called: str = "") -> DiskInfo:
    """Read the header of ``path``. Raises ImageInvalid when it is not of ``disk_format``.

    ``called``: what the file is called in errors; default: its name.
    """
    done = _run("info", "--force-share", "--output=json", "-f", disk_format, str(path))
    if done.returncode != 0:
        reason = f": {_last_line(done.stderr)}" if not called else ""  # qemu-img names the file
        raise ImageInvalid(f"{called or path.name} is not a {disk_format} image{reason}")
    header: dict[str, Any] = json.loads(done.stdout)
    specific = header.get("format-specific", {}).get("data", {})
    return DiskInfo(
        virtual_size=int(header["virtual-size"]),
        backing_file=header.get("backing-filename"),
        data_file=specific.get("data-file"),
    )


def create_overlay(path: Path, backing: Path, backing_format: str, size: int) -> None:
    """Create ``path`` as a qcow2 overlay of ``backing`` with ``size`` bytes; an existing file is replaced."""
    _create(path, size, "-b", str(backing), "-F", backing_format)


def create_empty(path: Path, size: int) -> None:
    """Create ``path`` as an empty qcow2 disk of ``size`` bytes; an existing file is replaced."""
    _create(path, size)


def grow(path: Path, size: int) -> None:
    """Grow the qcow2 disk ``path`` to ``size`` bytes; the machine must be stopped."""
    done = _run("resize", "-q", "-f", "qcow2", str(path), str(size))
    if done.returncode != 0:
        raise TemporaryError(f"cannot grow {path}: {_last_line(done.stderr)}")


def _create(path: Path, size: int, *options: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    try:
        done = _run("create", "-q", "-f", "qcow2", *options, str(fresh), str(size))
        if done.returncode != 0:
            raise TemporaryError(f"cannot create {path}: {_last_line(done.stderr)}")
        fresh.replace(path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["qemu-img", *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"qemu-img {arguments[0]} took more than {SECONDS:.0f} s") from error
    except OSError as error:
        raise Unavailable(f"qemu-img cannot be run: {error}") from error


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "qemu-img gave no reason"
