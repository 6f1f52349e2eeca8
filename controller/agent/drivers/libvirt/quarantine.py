"""Keeps the files of machines aside on the host, for the libvirt driver: ``<state>/quarantine/<key>/``.

Each folder has the machine's files as they were, and ``quarantine.json`` with its uid, its name and
the time. The record is written before the folder is renamed, so a folder in quarantine is always
complete, whenever the process is killed. Every function blocks.

Not promised: that a folder is ever used again by itself. Its disks are for an operator.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from controller.agent.atomic_file import read_or_none, sync_folder, write_durably
from controller.agent.drivers.types import Quarantined
from controller.errors import InvalidInput, Problem, TemporaryError

_RECORD = "quarantine.json"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class QuarantineFolder:
    """Everything that one host keeps aside."""

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder / "quarantine"

    def keep(self, folder: Path, uid: str, name: str, at: datetime) -> None:
        """Move a machine's folder here. A folder that does not exist is no error. Raises TemporaryError."""
        try:
            if not folder.is_dir():
                return
            record = {"uid": uid, "name": name, "at": at.isoformat()}
            write_durably(folder / _RECORD, json.dumps(record).encode())
            self._folder.mkdir(mode=0o751, exist_ok=True)
            folder.rename(self._free_place(f"{uid}.{at:%Y%m%dT%H%M%SZ}"))
            sync_folder(self._folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise TemporaryError(f"cannot keep {folder} aside: {error}") from error

    def keep_disk(self, disk: Path, uid: str, name: str, at: datetime) -> None:
        """Move one disk of a machine that stays. Raises TemporaryError."""
        try:
            self._folder.mkdir(mode=0o751, exist_ok=True)
            place = self._free_place(f"{uid}.{at:%Y%m%dT%H%M%SZ}")
            place.mkdir(mode=0o751)
            record = {"uid": uid, "name": name, "at": at.isoformat()}
            write_durably(place / _RECORD, json.dumps(record).encode())
            disk.rename(place / disk.name)
            sync_folder(place)
            sync_folder(self._folder)
        except OSError as error:
            raise TemporaryError(f"cannot keep {disk} aside: {error}") from error

    def take_back(self, folder: Path, uid: str) -> None:
        """Move the newest folder of the machine back if it has no other. Raises TemporaryError.

        For a machine that is still defined: its quarantine was begun and is not wanted any more.
        """
        mine = [] if folder.exists() else [one for one in self.kept() if one.uid == uid]
        if not mine:
            return
        try:
            (self._folder / mine[-1].key).rename(folder)
            (folder / _RECORD).unlink(missing_ok=True)
            sync_folder(folder.parent)
        except OSError as error:
            raise TemporaryError(f"cannot take {folder} back: {error}") from error

    def kept(self) -> list[Quarantined]:
        """Return what is here, oldest first. A folder whose record cannot be read is as old as its last change.

        A folder that is purged meanwhile is left out, and hides no other. Raises TemporaryError.
        """
        found: list[Quarantined] = []
        try:
            for folder in _listed(self._folder):
                with suppress(FileNotFoundError):
                    if folder.is_dir():
                        found.append(self._read(folder))
        except OSError as error:
            raise TemporaryError(f"cannot list {self._folder}: {error}") from error
        return sorted(found, key=lambda one: (one.at, one.key))

    def purge(self, key: str) -> None:
        """Delete a folder. Raises InvalidInput for what cannot be a key, TemporaryError."""
        if not _KEY.fullmatch(key):
            raise InvalidInput([Problem("key", f"{key!r} is not the key of a quarantine")])
        try:
            shutil.rmtree(self._folder / key)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise TemporaryError(f"cannot delete {self._folder / key}: {error}") from error

    def _free_place(self, key: str) -> Path:
        """Return a path that is not taken: a machine may be kept aside twice within a second."""
        number, place = 1, self._folder / key
        while place.exists():
            number += 1
            place = self._folder / f"{key}-{number}"
        return place

    def _read(self, folder: Path) -> Quarantined:
        size = sum(map(_size, folder.iterdir()))
        try:
            record = json.loads(read_or_none(folder / _RECORD) or b"")
            at = datetime.fromisoformat(record["at"])
            at = at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
            return Quarantined(folder.name, str(record["uid"]), str(record["name"]), at, size, str(folder))
        except (ValueError, TypeError, KeyError, OverflowError):
            changed = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            return Quarantined(folder.name, folder.name.partition(".")[0], "", changed, size, str(folder))


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing for one that does not exist."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _size(file: Path) -> int:
    """Return the bytes that a file takes; 0 for one that was deleted meanwhile. A link counts itself."""
    try:
        return file.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0
