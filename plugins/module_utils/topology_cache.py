# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's own cache: one file of plain JSON for each source, readable by its owner only.

Ansible's cache plugins tag every string and rebuild each when they read it, which takes longer than a request to the
API. A file that is damaged, has another format or cannot be read is ignored; a write that fails is reported to
the caller. Writers replace the file in one step, so that readers never see half of it. The modification time of the
file is the last time when its content was known to be current.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

_FORM = 3


@dataclass(frozen=True)
class Stored:
    """The content of a file: ``tag`` and ``content``, which was current at ``at``."""

    tag: str
    content: t.Dict[str, t.Any]
    at: float

    def is_fresh(self, timeout: float, now: float) -> bool:
        """Return whether it was current less than ``timeout`` seconds before ``now`` (0: at any time)."""
        return now >= self.at and (timeout <= 0 or now - self.at < timeout)


def key_of(*parts: object) -> str:
    """Return the name of the file of one source: equal parts give an equal name, which reveals none of them."""
    return hashlib.sha256(json.dumps([_FORM, *parts], sort_keys=True).encode()).hexdigest()[:32]


def default_folder(environ: t.Mapping[str, str]) -> str:
    """Return the folder of the user's caches."""
    base = environ.get("XDG_CACHE_HOME")
    return str((Path(base) if base else Path("~/.cache").expanduser()) / "resource.infra" / "inventory")


def load(folder: str, key: str) -> t.Optional[Stored]:
    """Return what was stored, or None."""
    try:
        with _path(folder, key).open(encoding="utf-8") as file:
            at = os.fstat(file.fileno()).st_mtime
            stored = json.load(file)
        tag, content = stored["tag"], stored["content"]
        fits = stored["form"] == _FORM and isinstance(content["hosts"], dict) and isinstance(content["groups"], dict)
        fits = fits and isinstance(content["warnings"], list)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Stored(tag, content, at) if fits and isinstance(tag, str) else None


def renew(folder: str, key: str, now: float) -> None:
    """Record that the stored content is current at ``now``; raises OSError."""
    os.utime(_path(folder, key), (now, now))


def store(folder: str, key: str, tag: str, content: t.Mapping[str, t.Any], now: float) -> None:
    """Write the file; raises OSError."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f"{key}.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps({"form": _FORM, "tag": tag, "content": content}, separators=(",", ":")))
        os.utime(temporary, (now, now))
        Path(temporary).replace(_path(folder, key))
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _path(folder: str, key: str) -> Path:
    return Path(folder) / f"{key}.json"
