"""Creates and deletes the network namespaces of a lab, and finds and kills the processes in them.

A network namespace is a file in ``/run/netns``, as ``ip netns`` makes it; a mount or UTS namespace
is a file in the lab's own folder below ``/run``. So nothing depends on a process that may be
killed, and a process that is killed half-way leaves what the next call recognises.

Not promised: that a process which left the lab's network namespaces and cgroups on its own is found.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError, netns

from controller.errors import TimedOut, Unavailable
from controller.lab import cgroups
from controller.lab.settings import MARKER

NETNS = Path("/run/netns")
_LOOPBACK = 1
"""Index of the loopback in every network namespace."""


def is_kept(path: Path) -> bool:
    """Return whether a file keeps a namespace alive (nsfs is mounted on it)."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


@contextmanager
def netlink(name: str) -> Iterator[IPRoute]:
    """Give a netlink connection inside a network namespace. Raises Unavailable when the kernel refuses a request."""
    with _kernel_errors(name), IPRoute(netns=name, flags=0) as connection:
        yield connection


def ensure_network(name: str) -> None:
    """Create a network namespace with its loopback up. Raises Unavailable."""
    path = NETNS / name
    if not is_kept(path):
        # A process that was killed while it created the namespace leaves a plain file.
        path.unlink(missing_ok=True)
        with _kernel_errors(name):
            netns.create(name)
    with netlink(name) as connection:
        connection.link("set", index=_LOOPBACK, state="up")


def networks(prefix: str) -> list[str]:
    """Return the names of network namespaces, complete or not, that begin with ``prefix``."""
    if not NETNS.exists():
        return []
    return sorted(path.name for path in NETNS.iterdir() if path.name.startswith(prefix))


def delete_network(name: str) -> None:
    """Delete a network namespace and the links in it. One that does not exist is no error. Raises Unavailable."""
    path = NETNS / name
    if is_kept(path):
        with _kernel_errors(name):
            netns.remove(name)
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
    """Return whether a process is in a network namespace."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == (NETNS / name).stat().st_ino
    except OSError:
        return False


def processes_marked(lab: str) -> set[int]:
    """Return the processes whose environment has the mark of this lab."""
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
    """Kill every process of a lab, and those that they start meanwhile. Raises TimedOut when some do not end.

    They are in its network namespaces, or have its mark, or are in cgroups whose names begin with ``prefix``.
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
    """Send a signal; a process that does not exist is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def _kernel_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (NetlinkError, OSError) as error:
        raise Unavailable(f"the kernel refused a change of network namespace {name}: {error}") from error


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - names, not paths
