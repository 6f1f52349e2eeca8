"""Runs the system's tools for the lab, and translates their failures into errors of our tree.

Every call has a deadline. Nothing goes through a shell. Output is text; what is not UTF-8 in it
is replaced.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from controller.errors import PermanentError, TimedOut, Unavailable


def run(
    *arguments: str | Path,
    input: str | None = None,  # noqa: A002 - the name that subprocess gives it
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> str:
    """Run a tool to its end and return what it printed.

    Raises PermanentError when the tool is not installed, Unavailable with the tail of its output
    when it fails, TimedOut past ``timeout`` seconds.
    """
    command = [str(argument) for argument in arguments]
    try:
        done = subprocess.run(
            command,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            cwd=cwd,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=True,
        )
    except FileNotFoundError as error:
        raise PermanentError(f"{command[0]} is not installed; `make setup` installs it") from error
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{' '.join(command)} took longer than {timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        output = ((error.stderr or "") + (error.stdout or "")).strip()[-2000:]
        raise Unavailable(f"{' '.join(command)} failed with {error.returncode}: {output}") from error
    return done.stdout


def succeeds(*arguments: str | Path, timeout: float = 60) -> bool:
    """Return whether a tool succeeds; its output is discarded."""
    try:
        run(*arguments, timeout=timeout)
    except Unavailable:
        return False
    return True
