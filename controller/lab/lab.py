"""Creates, removes and describes a lab.

``up`` makes true whatever is not yet, so it also repairs a lab that somebody killed half-way, and
starts daemons again that died. ``down`` needs nothing but the lab's id to find all that is left.
One of them at a time: they take turns by a lock. Nothing is attached to the machine's own network
namespace.

A folder is removed only when no mount namespace of the machine has a mount on it or of it, so a lab in another mount
namespace keeps what it stands on. Labs share ``/var/lib/resource-service``, which each node covers with its own
folder: each lab has an entry in it, and the last one to go removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.counted import counted
from controller.errors import Conflict
from controller.lab import capabilities, cgroups, files, namespaces, network, node
from controller.lab.cgroups import Cgroups
from controller.lab.daemons import Daemon, bird
from controller.lab.mounts import unmount_below, uses_of
from controller.lab.settings import ROUTER_AS, LabSettings, Layout, Node, handles_folder
from controller.rendering import render

Say = Callable[[str], None]


@dataclass(frozen=True)
class NodeStatus:
    """The status of one node of a lab."""

    name: str
    rack: str
    address: str
    daemons: dict[str, int | None]
    """Process id of each daemon; None while it does not run."""
    machines: int
    """Number of virtual machines (QEMU processes)."""


class Lab:
    """A lab on this machine."""

    def __init__(self, settings: LabSettings, *, cgroups: Callable[[], Cgroups] = cgroups.machine) -> None:
        """``cgroups`` returns the cgroups that new nodes get theirs from."""
        self.settings = settings
        self._cgroups = cgroups
        self.layout = Layout(settings)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes, in the order of the settings."""
        return self.layout.nodes

    def up(self, say: Say = lambda line: None) -> None:
        """Create what is missing of the lab and start its daemons. Raises Unavailable when a tool fails."""
        with self._locked():
            say(f"lab {self.settings.id}: router and {counted(len(self.nodes), 'node')}")
            network.ensure(self.layout)
            self._router_files()
            self._ensure_nodes(say)
            self._ensure_daemons()
            capabilities.share(self.nodes)

    def ensure_daemons(self) -> None:
        """Restart the daemons that have ended. Cheap when all run."""
        with self._locked():
            self._ensure_daemons()

    def down(self, *, keep_state: bool = False) -> None:
        """Kill every process; remove every namespace, mount and cgroup, and the state unless ``keep_state`` is set.

        Raises Conflict when something still has mounts of the state; nothing of the state is removed then.
        """
        with self._locked():
            names = namespaces.networks(self.layout.prefix)
            namespaces.kill_all(names, self.settings.id, self.layout.prefix)
            unmount_below(self.layout.handles)
            for name in names:
                namespaces.delete_network(name)
            cgroups.machine().remove(self.layout.prefix)
            if self.layout.handles.exists():
                shutil.rmtree(self.layout.handles)
            if not keep_state and self.settings.state.exists():
                if users := uses_of(self.settings.state):
                    raise Conflict(f"{self.settings.state} is still in use: {'; '.join(users)}", users)
                shutil.rmtree(self.settings.state)
            _remove_shared_folders(self.settings)

    def daemons(self) -> dict[str, tuple[Daemon, ...]]:
        """Return the daemons by the name of their node; the router's under ``router``."""
        enter = ("nsenter", f"--net=/run/netns/{self.layout.router}", "--")
        router = bird(self.layout.router, self.layout.router_state, enter)
        return {"router": (router,), **{each.name: node.daemons(self.layout, each) for each in self.nodes}}

    def status(self) -> list[NodeStatus]:
        """Return the status of every node; nothing runs on nodes that do not exist."""
        found = self.daemons()
        inside = namespaces.processes_in(self.layout.namespaces)
        return [
            NodeStatus(
                each.name,
                each.rack,
                str(each.address),
                {daemon.name: daemon.pid() for daemon in found[each.name]},
                sum(name == each.namespace and _is_machine(pid) for pid, name in inside.items()),
            )
            for each in self.nodes
        ]

    def is_up(self) -> bool:
        """Return whether every daemon runs."""
        return all(daemon.pid() is not None for daemons in self.daemons().values() for daemon in daemons)

    def in_router(self, *command: str) -> list[str]:
        """Return the command line that runs ``command`` in the router's namespace."""
        return ["nsenter", f"--net=/run/netns/{self.layout.router}", "--", *command]

    def in_control(self, *command: str) -> list[str]:
        """Return the command line that runs ``command`` in the control namespace."""
        return ["nsenter", f"--net=/run/netns/{self.layout.control.namespace}", "--", *command]

    def _ensure_nodes(self, say: Say) -> None:
        found, reason = self._cgroups(), ""
        if not all(node.limits_cpus(each) for each in self.nodes):
            reason = found.why_not(f"{self.layout.prefix}probe")
        for each in self.nodes:
            node.ensure_namespaces(self.layout, each, None if reason else found)
        if not all(node.limits_cpus(each) for each in self.nodes):
            reason = reason or "they were created without cgroups (remove the lab and create it again)"
            say(f"nodes cannot limit cpu time and run only flavors with cpu_percent 100: {reason}")

    def _ensure_daemons(self) -> None:
        for daemons in self.daemons().values():
            for daemon in daemons:
                daemon.ensure()

    def _router_files(self) -> None:
        files.write(
            self.layout.router_state / "bird.conf",
            render(
                "lab/router.conf.j2",
                log=self.layout.router_state / "bird.log",
                router_id=self.layout.control.gateway,
                services=self.settings.services,
                as_number=ROUTER_AS,
                nodes=self.nodes,
            ),
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # One lock for all labs: they share the folders that hold their state and handles.
        with Path("/run/lock/resource-service-lab").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_machine(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("qemu-system")
    except OSError:
        return False


def _remove_shared_folders(settings: LabSettings) -> None:
    """Remove the folders of all labs if they are empty and nothing else uses them."""
    with contextlib.suppress(FileNotFoundError):
        node.entry(settings).rmdir()
    for folder in (handles_folder(), settings.folder, node.STATE):
        if not uses_of(folder):
            with contextlib.suppress(OSError):
                folder.rmdir()
