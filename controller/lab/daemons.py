"""Starts and finds the foreign daemons of a lab: BIRD, virtlogd, libvirtd.

A daemon is found by its pid file. The process counts only if it is in the right network namespace
and has the right name, because process ids are used again.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.errors import TimedOut
from controller.lab import namespaces
from controller.lab.command import run


@dataclass(frozen=True)
class Daemon:
    """A daemon that goes to the background by itself and writes its pid file."""

    name: str
    namespace: str
    pid_file: Path
    command: tuple[str, ...]
    """The whole command line, including the part that enters the namespaces."""
    timeout: float = 60

    def pid(self) -> int | None:
        """Return its process id while it runs."""
        try:
            pid = int(self.pid_file.read_text())
            comm = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        if comm != self.name or not namespaces.is_in(pid, self.namespace):
            return None
        return pid

    def ensure(self) -> bool:
        """Start it unless it runs; return whether it was started. Raises Unavailable with its output, TimedOut."""
        if self.pid() is not None:
            return False
        self.pid_file.unlink(missing_ok=True)
        run(*self.command, timeout=self.timeout)
        limit = time.monotonic() + self.timeout
        while self.pid() is None:
            if time.monotonic() > limit:
                raise TimedOut(f"{self.name} in {self.namespace} does not start")
            time.sleep(0.02)
        return True

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it runs."""
        if (pid := self.pid()) is not None:
            namespaces.signal_quietly(pid, number)


def bird(namespace: str, folder: Path, enter: Sequence[str]) -> Daemon:
    """Return the BIRD of a namespace; ``folder`` has its ``bird.conf``, socket and pid file."""
    command = ("bird", "-c", f"{folder}/bird.conf", "-s", f"{folder}/bird.ctl", "-P", f"{folder}/bird.pid")
    # Its BFD must be on time on a machine whose CPUs are busy with guests.
    return Daemon("bird", namespace, folder / "bird.pid", (*enter, "nice", "-n", "-10", *command))
