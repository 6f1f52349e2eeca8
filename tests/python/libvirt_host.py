"""A private libvirtd in namespaces of its own, and code that runs inside them.

``PrivateHost`` is one host: mount, network and host name are its own, so several of them live on
one machine beside a system libvirtd. ``connect`` gives two of them a link. ``HostLoop`` runs
coroutines on an event loop whose threads have entered the host's namespaces, so that drivers under
test see the files, sockets and interfaces that a real agent there would see.

Where the machine lets it, the host has cpu and cpuset controllers of its own, as a node of the lab has
them (``controller.lab.cgroups``).

Nothing outlives the test process: a holder process in the namespaces kills everything in them when
it is told to, or when its parent dies, and removes the cgroups.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from controller.lab import cgroups

T = TypeVar("T")

CGROUP = "cgroup"
"""File in a host's folder that keeps its cgroup namespace, as it sees it."""
CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x200, 0x20000, 0x40000000
PR_SET_PDEATHSIG = 1
# Probing QEMU's abilities takes seconds; hosts of all runs share what was found.
CAPABILITIES = Path.home() / ".cache" / "resource-service" / "libvirt-capabilities"

QEMU_CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = {controllers}
stdio_handler = "logd"
"""
LIBVIRTD_CONF = """
unix_sock_group = "root"
auth_unix_rw = "none"
auth_unix_ro = "none"
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
keepalive_interval = 2
keepalive_count = 3
log_level = 3
host_uuid = "{host_uuid}"
"""


class PrivateHost:
    """One host, started by ``start`` and taken away by ``stop``."""

    def __init__(self, folder: Path, name: str, state: Path, *, cpu_limits: bool = True) -> None:
        """``folder``: private; ``state``: the path at which the host sees its own ``folder/state``."""
        self.folder = folder / name
        self.name = name
        self.state = state
        self._cgroup = f"resource-service-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._cgroups = cgroups.machine()
        self.cannot_limit = self._cgroups.why_not(self._cgroup) if cpu_limits else "asked to"
        """Why its libvirtd cannot limit cpu time; empty when it can."""
        self._holder: subprocess.Popen[bytes] | None = None
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def weigh(self, shares: int) -> None:
        """Set the host's weight among all that the machine does; 1024 is that of one process."""
        if self.limits_cpus:
            tree = next(tree for tree in self._cgroups.trees if "cpu" in tree.controllers)
            file, value = (
                ("cpu.shares", shares) if tree.version == 1 else ("cpu.weight", min(shares * 100 // 1024, 10_000))
            )
            (tree.point / self._cgroup / file).write_text(str(value))

    @property
    def limits_cpus(self) -> bool:
        """Whether its libvirtd can limit cpu time."""
        return not self.cannot_limit

    @property
    def pid(self) -> int:
        assert self._holder is not None
        return self._holder.pid

    def start(self) -> None:
        for name in ("run", "lib", "cache", "log", "etc", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.state.mkdir(parents=True, exist_ok=True)
        shutil.copytree("/etc/libvirt", self.folder / "etc", dirs_exist_ok=True, symlinks=True)
        if CAPABILITIES.exists():
            shutil.copytree(CAPABILITIES, self.folder / "cache", dirs_exist_ok=True)
        (self.folder / "etc/qemu.conf").write_text(
            QEMU_CONF.format(controllers=json.dumps(self._cgroups.controllers if self.limits_cpus else []))
        )
        (self.folder / "etc/libvirtd.conf").write_text(LIBVIRTD_CONF.format(host_uuid=uuid.uuid4()))
        # Without its own name there, libvirtd asks a name server for it, for seconds, in each call.
        (self.folder / "hosts").write_text("127.0.0.1 localhost host0 host1\n")
        (self.folder / "resolv.conf").write_text("")
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        hold = [sys.executable, __file__, str(self.folder), self.name, str(self.state)]
        cgroup = [self._cgroup] if self.limits_cpus else []
        self._holder = subprocess.Popen(["unshare", "-m", "-n", "-u", *hold, *cgroup])
        _wait(ready.exists)
        self.start_daemon("virtlogd")
        self.start_libvirtd()

    def start_libvirtd(self) -> None:
        path = self.folder / "run/libvirt/libvirt-sock"
        path.unlink(missing_ok=True)
        self.start_daemon("libvirtd", "--listen")
        _wait(lambda: _accepts(path))

    def ensure_libvirtd(self) -> None:
        """Start libvirtd where a test left it dead."""
        if "libvirtd" not in self._daemons:
            self.start_libvirtd()

    def kill_libvirtd(self) -> None:
        """SIGKILL; its QEMU processes live on."""
        self._end("libvirtd")

    def start_daemon(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            command = self.command(name, *arguments)
            if self.limits_cpus:
                handle = self.path(self.folder / CGROUP)
                command = self._cgroups.join(self._cgroup, *cgroups.enter(handle, *command))
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def command(self, *arguments: str) -> list[str]:
        """``arguments`` as a command that runs in the host."""
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-u", *arguments]

    def run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.stderr}")
        return done.stdout

    def path(self, path: Path) -> Path:
        """A path of the host as seen from here."""
        return Path(f"/proc/{self.pid}/root") / path.relative_to("/")

    def processes(self) -> dict[int, list[str]]:
        """Command lines of the processes in the host, by pid."""
        return processes_in(self.pid)

    def qemu(self, name: str) -> list[int]:
        """QEMU processes of the domain ``name``."""
        return [
            pid
            for pid, line in self.processes().items()
            if "qemu-system" in line[0] and any(word.startswith(f"guest={name},") for word in line)
        ]

    def stop(self) -> None:
        if self._holder is None:
            return
        if (self.folder / "cache/qemu/capabilities").exists():
            with suppress(OSError):
                shutil.copytree(self.folder / "cache", CAPABILITIES, dirs_exist_ok=True)
        self._holder.terminate()
        self._holder.wait(timeout=30)
        for daemon in self._daemons.values():
            daemon.wait(timeout=30)
        self._holder = None
        shutil.rmtree(self.folder, ignore_errors=True)


def connect(first: PrivateHost, second: PrivateHost) -> tuple[str, str]:
    """Give two hosts a link; their addresses."""
    addresses = ("10.250.0.1", "10.250.0.2")
    _ip(
        "link",
        "add",
        "link0",
        "netns",
        str(first.pid),
        "type",
        "veth",
        "peer",
        "name",
        "link0",
        "netns",
        str(second.pid),
    )
    for host, address in zip((first, second), addresses, strict=True):
        host.run("ip", "address", "add", f"{address}/30", "dev", "link0")
        host.run("ip", "link", "set", "link0", "up")
    return addresses


class HostLoop:
    """An event loop in a thread that has entered a host's mount and network namespaces.

    Threads and processes started from it inherit them.
    """

    def __init__(self, pid: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._entered = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(pid,), daemon=True)
        self._thread.start()
        self._entered.wait()
        if self._error is not None:
            raise self._error

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` there; its result or error here."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _run(self, pid: int) -> None:
        try:
            enter(pid)
        except OSError as error:
            self._error = error
            return
        finally:
            self._entered.set()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def enter(pid: int) -> None:
    """Move the calling thread into the namespaces of ``pid``."""
    libc = ctypes.CDLL(None, use_errno=True)

    def checked(result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the host's namespaces")

    handles = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
    try:
        # A thread shares its root and working folder with the others until it is told not to.
        checked(libc.unshare(CLONE_FS))
        checked(libc.setns(handles[0], CLONE_NEWNET))
        checked(libc.setns(handles[1], CLONE_NEWNS))
    finally:
        for handle in handles:
            os.close(handle)


def processes_in(pid: int) -> dict[int, list[str]]:
    """Processes in the mount namespace of ``pid``, itself left out."""
    wanted = Path(f"/proc/{pid}/ns/mnt").readlink()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(folder.name) != pid and (folder / "ns/mnt").readlink() == wanted:
                found[int(folder.name)] = (folder / "cmdline").read_text().split("\0")
    return found


def _accepts(path: Path) -> bool:
    """Whether somebody listens on the socket: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def _wait(condition: Any, deadline: float = 180.0) -> None:
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {condition}")
        time.sleep(0.02)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _hold(folder: Path, name: str, state: Path, cgroup: str = "") -> None:
    """The holder: sets up the mounts, waits, and kills everything in the namespaces at its end."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

    def run(*command: str) -> None:
        subprocess.run(command, check=True)

    run("hostname", name)
    run("mount", "--make-rprivate", "/")
    machine = cgroups.machine()
    # The machine's own trees, kept open beside those that begin at the host's cgroups.
    opened = [f"/proc/self/fd/{os.open(tree.point, os.O_RDONLY)}" for tree in machine.trees]
    if cgroup:
        machine.make(cgroup, folder / CGROUP)
        run(*cgroups.enter(folder / CGROUP, *machine.mounts()))
    for source, target in (
        ("etc", "/etc/libvirt"),
        ("lib", "/var/lib/libvirt"),
        ("cache", "/var/cache/libvirt"),
        ("log", "/var/log/libvirt"),
        ("hosts", "/etc/hosts"),
        ("resolv.conf", "/etc/resolv.conf"),
        ("state", str(state)),
        ("run", "/run"),
    ):
        run("mount", "--bind", str(folder / source), target)
    Path("/run/libvirt").mkdir(exist_ok=True)
    Path("/run/lock").mkdir(exist_ok=True)
    run("ip", "link", "set", "lo", "up")
    (folder / "ready").touch()
    if os.getppid() != 1:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    while left := processes_in(os.getpid()):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    if cgroup:
        trees = tuple(replace(tree, point=Path(path)) for tree, path in zip(machine.trees, opened, strict=True))
        cgroups.Cgroups(trees).remove(cgroup)


if __name__ == "__main__":
    _hold(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
