"""Sees when the file of an SQLite database is not the one that this process opened, for every transaction.

SQLite goes on with a file that was deleted, or whose file system was unmounted: what it commits there is confirmed and
lost. And it creates an empty database where it finds none, in the host's folder below a mount point. Here only
``create`` creates one, and ``check`` raises while the path does not lead to the file that was opened. The same file
back at its path is used again; another file (a restored database) needs a new process.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from controller.errors import Unavailable


class SqliteFile:
    """The file of one database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def create(self) -> None:
        """Create the file, with its folder, if it does not exist. Raises Unavailable."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"database: cannot make the folder {self._path.parent}: {error.strerror}") from error
        self._make_private(create=self._opened is None)

    def open(self) -> None:
        """Remember the file that is opened now. Raises Unavailable when it does not exist, or is another one."""
        self.check()
        self._opened = self._at_path()
        self._make_private(create=False)

    def check(self) -> None:
        """Raise Unavailable unless the path leads to the file that was opened."""
        found = self._at_path()
        if self._opened is not None and found != self._opened:
            raise Unavailable(
                f"database: {self._path} is not the file that this process opened, and nothing is read or written: "
                "put that file back, or restart the process to use this one"
            )

    def _at_path(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            hint = "`resourcectl db upgrade` creates a new database" if self._opened is None else "put it back"
            raise Unavailable(f"database: {self._path}: {error.strerror} (is it mounted? {hint})") from error
        return status.st_dev, status.st_ino

    def _make_private(self, *, create: bool) -> None:
        """Make the file of a database with mode 0600, or remove the rights of others from what an older version made.

        SQLite gives the files ``-wal`` and ``-shm`` the mode of the database. The file is never opened here: to close a
        second descriptor of it would release SQLite's locks. What cannot be changed is left to SQLite and to its error:
        another user's file, for example.
        """
        path = self._path
        if create:
            with suppress(OSError):
                os.mknod(path, 0o600 | stat.S_IFREG)
                path.chmod(0o600)  # whatever the umask is
        for each in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm", "-journal"))):
            with suppress(OSError):
                mode = stat.S_IMODE(each.stat().st_mode)
                if mode & 0o077:
                    each.chmod(mode & ~0o077)
