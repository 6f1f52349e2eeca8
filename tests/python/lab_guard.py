"""Takes a lab away when the test run that made it is killed, be it by SIGKILL.

A child in a session of its own waits for the end of the run: its standard input is a pipe that only the run
holds. A run that comes to its end by itself takes its lab away, and lets the guard go.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.lab import up
from controller.lab.settings import LabSettings

_ROOT = Path(__file__).parents[2]
_OVER = b"over"


@contextmanager
def guarded(settings: LabSettings) -> Iterator[None]:
    """Until the end of the block, the lab dies with this process."""
    command = [sys.executable, "-m", "tests.python.lab_guard", settings.model_dump_json()]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=_ROOT, start_new_session=True)
    try:
        yield
    finally:
        guard.communicate(_OVER, timeout=60)


def main() -> None:
    """Wait for the end of the run; remove the lab unless the run has said that it is over."""
    settings = LabSettings.model_validate_json(sys.argv[1])
    if sys.stdin.buffer.read() != _OVER:
        up.down(settings)


if __name__ == "__main__":
    main()
