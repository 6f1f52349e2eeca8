# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's own cache: one file of plain JSON for each source, readable by its owner only.

Ansible's cache plugins tag every string and rebuild each when they read it, which takes longer than to ask the
API. A file that is damaged, of another form or not to be read is as good as none; one that cannot be written is
told to the caller. Writers replace the file in one step, so that readers never see half of it. Its time of change
is when its content was last known to be true.
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

_FORM = 2


@dataclass(frozen=True)
class Stored:
    """What a file holds: ``tag`` and ``content``, which was true at ``at``."""

    tag: str
    content: t.Dict[str, t.Any]
    at: float

    def is_fresh(self, timeout: float, now: float) -> bool:
        """Whether it was true less than ``timeout`` seconds before ``now`` (0: at any time)."""
        return now >= self.at and (timeout <= 0 or now - self.at < timeout)


def key_of(*parts: object) -> str:
    """The name of the file of one source: the same parts, the same name. Nothing can be read from it."""
    return hashlib.sha256(json.dumps([_FORM, *parts], sort_keys=True).encode()).hexdigest()[:32]


def default_folder(environ: t.Mapping[str, str]) -> str:
    """Where caches of the user are."""
    base = environ.get("XDG_CACHE_HOME")
    return str((Path(base) if base else Path("~/.cache").expanduser()) / "resource.infra" / "inventory")


def load(folder: str, key: str) -> t.Optional[Stored]:
    """What was stored, or None."""
    try:
        with _path(folder, key).open(encoding="utf-8") as file:
            at = os.fstat(file.fileno()).st_mtime
            stored = json.load(file)
        tag, content = stored["tag"], stored["content"]
        fits = stored["form"] == _FORM and isinstance(content["hosts"], dict) and isinstance(content["groups"], dict)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Stored(tag, content, at) if fits and isinstance(tag, str) else None


def renew(folder: str, key: str, now: float) -> None:
    """Note that what is stored is true at ``now``; raises OSError."""
    os.utime(_path(folder, key), (now, now))


def store(folder: str, key: str, tag: str, content: t.Mapping[str, t.Any], now: float) -> None:
    """Write it; raises OSError."""
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
