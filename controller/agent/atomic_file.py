"""Writes small files so that they survive a power failure, for the journal, the assignments and the state guard.

The content is written to a new file, synced, and renamed into place. Readers get the old or the new
content, never a part of it. The folder belongs to one agent; two agents never share one.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, content: bytes, *, folder: int | None = None) -> None:
    """Replace ``path`` (mode 0600) by ``content``. Raises OSError when the disk refuses.

    ``folder``: a descriptor of the folder of ``path``, which the file is written to wherever that path leads by now.
    None: the folder is created if it does not exist.
    """
    if folder is not None:
        _write(folder, path.name, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = open_folder(path.parent)
    try:
        _write(opened, path.name, content)
    finally:
        os.close(opened)


def open_folder(path: Path) -> int:
    """Return a descriptor of a folder. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_folder(path: Path) -> None:
    """Have the names in a folder survive a power failure. Raises OSError."""
    folder = open_folder(path)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_or_none(path: Path) -> bytes | None:
    """Return the content, or None if the file does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(folder: int, name: str, content: bytes) -> None:
    fresh = f"{name}.new"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.fchmod(handle, 0o600)  # whatever the umask is, and also where the file existed
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
