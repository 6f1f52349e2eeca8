"""Namespaces of a lab: kept by files, found again by name, emptied of processes before they go.

A network namespace is a file in ``/run/netns`` (``ip netns``); a mount or UTS namespace is a file
in the lab's own folder below ``/run``. So nothing depends on a process that may be killed, and
whoever is killed half-way leaves what the next call recognises.

Not promised: that a process which left the lab's network namespaces and cgroups on its own is found.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from controller.errors import TimedOut
from controller.lab import cgroups
from controller.lab.command import run
from controller.lab.settings import MARKER

NETNS = Path("/run/netns")


def is_kept(path: Path) -> bool:
    """Tell whether a file keeps a namespace (nsfs is mounted on it)."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def ensure_network(name: str) -> None:
    """Make a network namespace with its loopback up."""
    path = NETNS / name
    if not is_kept(path):
        # A killed `ip netns add` leaves a plain file.
        path.unlink(missing_ok=True)
        run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")


def networks(prefix: str) -> list[str]:
    """Return the names of network namespaces, kept or half made, that begin with ``prefix``."""
    if not NETNS.exists():
        return []
    return sorted(path.name for path in NETNS.iterdir() if path.name.startswith(prefix))


def delete_network(name: str) -> None:
    """Delete a network namespace and the links in it. What is not there is deleted already."""
    path = NETNS / name
    if is_kept(path):
        run("ip", "netns", "delete", name)
    path.unlink(missing_ok=True)


def processes_in(names: Iterable[str]) -> dict[int, str]:
    """Return the processes in network namespaces, by process id, with the name of the namespace."""
    inodes = {(NETNS / name).stat().st_ino: name for name in names if is_kept(NETNS / name)}
    found = {}
    for pid in _pids():
        try:
            link = os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115 - the target is no path
        except OSError:
            continue
        name = inodes.get(int(link.removeprefix("net:[").removesuffix("]")))
        if name is not None:
            found[pid] = name
    return found


def is_in(pid: int, name: str) -> bool:
    """Tell whether a process is in a network namespace."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == (NETNS / name).stat().st_ino
    except OSError:
        return False


def processes_marked(lab: str) -> set[int]:
    """Return the processes whose environment says that this lab started them."""
    mark = f"{MARKER}={lab}".encode()
    found = set()
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if mark in environment.split(b"\0"):
            found.add(pid)
    return found - {os.getpid()}


def kill_all(names: Iterable[str], lab: str, prefix: str, *, deadline: float = 30) -> None:
    """Kill every process of a lab, and those they start meanwhile. Raises TimedOut when some will not die.

    They are in its network namespaces, or say that they are its own, or are in cgroups named ``prefix``...
    """
    names = tuple(names)
    limit = time.monotonic() + deadline
    machine = cgroups.machine()
    while left := processes_in(names).keys() | processes_marked(lab) | machine.processes(prefix) - {os.getpid()}:
        for pid in left:
            signal_quietly(pid, signal.SIGKILL)
        if time.monotonic() > limit:
            raise TimedOut(f"processes of the lab do not end: {sorted(left)}")
        time.sleep(0.05)


def signal_quietly(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - names, not paths
