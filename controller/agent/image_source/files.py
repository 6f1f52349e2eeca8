"""Opens files of the node below the folders that the agent's settings name.

The file that is read is the one that was checked: it is opened once without any effect (``O_PATH``), the kernel says
where that descriptor really is and what it is, and only then it is opened for reading through the descriptor. So
links, ``..`` and files that are replaced in between lead nowhere else. A path outside of the folders is refused in the
same words whether it exists or not.

Not promised: anything about who can write into the folders. A hard link there is a file of the folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from controller.errors import Forbidden, NotFound, PermanentError
from controller.model.image_url import shown_url


def open_file(url: str, folders: Sequence[Path]) -> BinaryIO:
    """Return the regular file, unbuffered; raises Forbidden, NotFound, PermanentError."""
    try:
        path = _path(url)
        _check_below(path, folders, url)
        _check_below(Path(os.path.realpath(path)), folders, url)
        return _open(path, folders, url)
    except FileNotFoundError as error:
        raise NotFound(f"{shown_url(url)}: the file does not exist on the node") from error
    except (OSError, ValueError) as error:
        raise PermanentError(f"{shown_url(url)}: {getattr(error, 'strerror', None) or 'not a path'}") from error


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise Forbidden(f"{shown_url(url)} names a file of another host: write file:///path")
    return Path(os.path.normpath("/" + unquote(parts.path).lstrip("/")))


def _open(path: Path, folders: Sequence[Path], url: str) -> BinaryIO:
    # O_PATH: opening a device may already do something (a watchdog starts), and a FIFO without a writer blocks.
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        handle = f"/proc/self/fd/{found}"
        _check_below(Path(handle).readlink(), folders, url)
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise PermanentError(f"{shown_url(url)} is not a regular file")
        return os.fdopen(os.open(handle, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    finally:
        os.close(found)


def _check_below(path: Path, folders: Sequence[Path], url: str) -> None:
    """Raise Forbidden unless the path is below a folder, as it is named or as it really is."""
    for folder in folders:
        for form in (Path(os.path.normpath(folder)), Path(os.path.realpath(folder))):
            if path.is_relative_to(form):
                return
    raise Forbidden(
        f"{shown_url(url)} is refused: the node reads files only below the folders in images.folders of its agent's "
        "settings"
    )
