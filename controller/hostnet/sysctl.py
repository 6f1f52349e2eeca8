"""Writes kernel settings of the calling thread's network namespace, for the service network."""

from __future__ import annotations

from pathlib import Path

from controller.errors import Unavailable

_ROOT = Path("/proc/sys/net")


def write(name: str, value: int) -> None:
    """Set ``net/<name>`` unless it has the value. Raises FileNotFoundError when the setting does not exist."""
    path = _ROOT / name
    try:
        if path.read_text().strip() != str(value):
            path.write_text(str(value))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"cannot set {path} to {value}: {error}") from error
