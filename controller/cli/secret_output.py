"""Output of a secret: on stdout, or in a new file that only the user can read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import typer

from controller.cli.exit_codes import UsageProblem


def deliver(make: Callable[[], str], file: Path | None) -> None:
    """Print what ``make`` returns, or write it to ``file``, which must not exist yet.

    The file is made first: a secret that was made and cannot be written down would be lost.
    """
    if file is None:
        typer.echo(make())
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageProblem(f"--to-file {file}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(f"{make()}\n")
    except BaseException:
        file.unlink()
        raise
