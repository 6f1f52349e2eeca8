"""Daemons of a lab that are not ours: BIRD, virtlogd, libvirtd.

Each is found by its pid file, and believed only when that process is in the right network
namespace and has the right name: process ids are given out again.
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
    """A daemon: it puts itself into the background and writes its pid file."""

    name: str
    namespace: str
    pid_file: Path
    command: tuple[str, ...]
    """Whole command line, with what enters the namespaces."""
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
        """Start it unless it runs; tell whether it was started. Raises Unavailable with its words when it will not."""
        if self.pid() is not None:
            return False
        self.pid_file.unlink(missing_ok=True)
        run(*self.command, timeout=self.timeout)
        limit = time.monotonic() + self.timeout
        while self.pid() is None:
            if time.monotonic() > limit:
                raise TimedOut(f"{self.name} in {self.namespace} does not come up")
            time.sleep(0.02)
        return True

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it runs."""
        if (pid := self.pid()) is not None:
            namespaces.signal_quietly(pid, number)


def bird(namespace: str, folder: Path, enter: Sequence[str]) -> Daemon:
    """Return the BIRD of a namespace; ``folder`` has its ``bird.conf`` and takes its socket and pid file."""
    command = ("bird", "-c", f"{folder}/bird.conf", "-s", f"{folder}/bird.ctl", "-P", f"{folder}/bird.pid")
    # Its BFD must be punctual on a machine whose CPUs are busy with guests.
    return Daemon("bird", namespace, folder / "bird.pid", (*enter, "nice", "-n", "-10", *command))
