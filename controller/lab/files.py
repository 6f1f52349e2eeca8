"""Writes small files of a lab atomically: a killed writer leaves the old or the new content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write ``text`` unless the file has it; return whether it was written."""
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    fresh.replace(path)
    return True


def write_settings(path: Path, values: Mapping[str, Any]) -> bool:
    """Write ``values`` as a TOML file that only its owner reads; return whether it was written.

    TOML has no null: leave out a key that has no value.
    """
    return write(path, tomli_w.dumps(values), 0o600)
