"""Small files that must survive a power cut: written beside, synced, then renamed into place.

Readers see the old or the new content, never a part. The folder is the agent's own; two agents
never share one.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Replace ``path`` (mode 0600) by ``content``. Raises OSError when the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_or_none(path: Path) -> bytes | None:
    """The content, or None where there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
