"""A whole site as processes on this machine: every process of the design, in-memory driver.

Machines live in a folder that the agents share, so that they outlive their agents as QEMU outlives
its own; the folder is what tells how many copies of a machine run. Everything listens on loopback
or on unix sockets below one temporary folder. Processes die with the test (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from controller.agent.drivers.memory import FolderHypervisors
from controller.client import Client
from controller.clock import SystemClock
from controller.errors import ResourceError, Unavailable
from controller.model import registry
from controller.pki import ROOT, AuthorityTree, cluster_scope
from controller.store import capacity
from controller.store.database import Database, Tier
from tests.python.ports import free_port

CLUSTER = "tokyo1"
Document = dict[str, Any]
POWER = {"axis": "power", "mode": "AntiAffinity"}
LEASE_SECONDS = 3.0


@dataclass
class Running:
    """A process of the plant."""

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.process is not None and self.process.poll() is None:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; for one that ends it, wait until it has."""
        assert self.process is not None
        self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(60)


@dataclass
class Plant:
    """The site; ``with plant(...)`` makes and ends it."""

    folder: Path
    root_url: str
    cluster_url: str
    nodes: tuple[str, ...]
    processes: dict[str, Running] = field(default_factory=dict)
    port: int = 0
    """Of the first REST API."""

    # --- processes

    def add(self, name: str, role: str, settings: Document) -> Running:
        """Configure a process; it is started by ``start``."""
        config = self.folder / f"{name}.toml"
        common = {"name": name, "health": f"unix:{self.folder}/{name}.health"}
        config.write_text(tomli_w.dumps({**common, **settings}))
        resourcectl = Path(sys.executable).with_name("resourcectl")
        command = ["setpriv", "--pdeathsig", "KILL", str(resourcectl), "run", role, "--config", str(config)]
        self.processes[name] = Running(name, command, self.folder / f"{name}.log")
        return self.processes[name]

    def start(self, *names: str) -> None:
        """Start the named processes, or all that do not run."""
        for name in names or self.processes:
            self.processes[name].start()

    def wait_ready(self, *names: str, deadline: float = 180.0) -> None:
        """Wait until the named processes, or all, say that they are ready."""
        end = time.monotonic() + deadline
        for name in names or self.processes:
            while not is_ready(self.folder / f"{name}.health"):
                if time.monotonic() > end:
                    raise AssertionError(f"{name} is not ready: {self.log(name)[-3000:]}")
                time.sleep(0.05)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        self.processes[name].kill(number)

    def stop(self) -> None:
        """End all; what does not end in time is killed."""
        running = [each.process for each in self.processes.values() if each.process and each.process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        return self.processes[name].log.read_text()

    # --- the API

    def client(self) -> Client:
        """A client of the first API with the first token."""
        token = (self.folder / "admin.token").read_text().strip()
        return Client(f"http://127.0.0.1:{self.port}", token=token)

    def call(self, work: Callable[[Client], Any], deadline: float = 180.0) -> Any:
        """Do something with a client, again while the API is away."""
        end = time.monotonic() + deadline
        while True:
            try:
                with self.client() as client:
                    return work(client)
            except (Unavailable, FileNotFoundError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def put_service(self, replicas: int, name: str = "web", **compute: Any) -> None:
        template = {"flavor": "small", "image": "guest", "schedule_policy": {"rules": [POWER]}, **compute}
        spec = {"replicas": replicas, "compute": template}
        document = {"kind": "RegionService", "name": name, "region": "kanto", "spec": spec}
        self.call(lambda client: client.put(document))

    def delete_service(self, name: str = "web") -> None:
        self.call(lambda client: client.delete(registry.get("RegionService").key("kanto", name)))

    def act(self, key: registry.Key, verb: str, body: Document | None = None) -> None:
        """An action of a resource: migrate, drain, rollback, ..."""
        self.call(lambda client: client.act(key, verb, body))

    def remove(self, key: registry.Key) -> None:
        self.call(lambda client: client.delete(key))

    def service(self, name: str = "web") -> Document | None:
        def read(client: Client) -> Document | None:
            found = [row for row in client.list("RegionService", "kanto") if row["name"] == name]
            return found[0] if found else None

        return self.call(read)  # type: ignore[no-any-return]

    def rows(self, kind: str, *parents: str) -> list[Document]:
        return list(self.call(lambda client: list(client.list(kind, *parents))))

    # --- what is there

    @property
    def world(self) -> FolderHypervisors:
        """The hypervisors of all nodes."""
        return FolderHypervisors(self.folder / "world")

    def running(self) -> Counter[str]:
        """How many copies of each machine run, by uid."""
        world = self.world
        return Counter(uid for address in world.hosts() for uid in world.read(address).running())

    def until(self, condition: Callable[[], Any], deadline: float = 180.0, what: str = "") -> None:
        """Wait for a condition of the site."""
        end = time.monotonic() + deadline
        while True:
            try:
                if condition():
                    return
            except ResourceError:
                pass
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline:g} s: {what or condition}; {self.state()}")
            time.sleep(0.1)  # each look costs the site's own processes a part of the machine

    def state(self) -> str:
        """A summary for failed waits."""
        lines = [f"service: {self.service()}"]
        lines += [f"{row['name']}: {row['status']} {row['status_reason']} {row['observed']}" for row in self.computes()]
        lines += [f"{row['name']}: {row['spec']} {row['status']}" for row in self.rows("Assignment", CLUSTER)]
        return "\n".join(lines)

    def computes(self) -> list[Document]:
        return sorted(self.rows("Compute", "kanto"), key=lambda row: str(row["name"]))

    def settled(self, replicas: int, name: str = "web") -> bool:
        """The service is Active with that many Computes, and exactly those run, each once."""
        service = self.service(name)
        if replicas == 0:
            return service is None and not self.running() and not self.computes()
        if service is None or service["status"] != "Active" or service["observed"].get("ready") != replicas:
            return False
        computes = self.computes()
        running = {row["uid"] for row in computes if row["state"] == "Running"}
        return len(computes) == replicas and self.running() == Counter(running) and len(running) == replicas

    def leaks(self) -> list[str]:
        """Addresses, assignments and capacity that no Compute accounts for, and the other way round."""
        found: list[str] = []
        computes = self.computes()
        wanted = sorted(f"{item['address']}" for row in computes for item in row["spec"]["interfaces"])
        taken = sorted(row["spec"]["address"] for row in self.rows("NetworkV4Port", CLUSTER, "service"))
        if wanted != taken:
            found.append(f"addresses: wanted {wanted}, taken {taken}")
        assigned = sorted(row["spec"]["resource_uid"] for row in self.rows("Assignment", CLUSTER))
        if assigned != sorted(row["uid"] for row in computes):
            found.append(f"assignments: {assigned}")
        db = Database(self.cluster_url, tier=Tier.CLUSTER, cluster=CLUSTER)
        try:
            usage = db.read(capacity.usage)
        finally:
            db.close()
        vcpus = sum(taken.vcpus for _, taken in usage.values())
        if vcpus != sum(row["spec"]["sizes"]["vcpus"] for row in computes):
            found.append(f"capacity: {vcpus} vcpus taken by {len(computes)} Computes")
        return found


@contextmanager
def plant(root_url: str, cluster_url: str, *, agents: int = 3, controllers: int = 1, apis: int = 1) -> Iterator[Plant]:
    """A running site on two upgraded, empty databases, with the example's resources and all nodes Up."""
    with tempfile.TemporaryDirectory(prefix="plant-", dir="/tmp") as name:
        nodes = tuple(f"node{number}" for number in range(agents))
        made = Plant(Path(name), root_url, cluster_url, nodes)
        _configure(made, controllers, apis)
        try:
            made.start()
            made.wait_ready("resource-api-0")
            made.call(lambda client: client.apply(_documents(made)))
            made.wait_ready()
            made.until(lambda: _all_up(made), what="all nodes Up")
            yield made
        finally:
            made.stop()


def is_ready(socket_path: Path) -> bool:
    """Ask a process's health page."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        try:
            connection.connect(str(socket_path))
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def _configure(made: Plant, controllers: int, apis: int) -> None:
    tree = AuthorityTree(made.folder / "pki", clock=SystemClock())
    scopes = {"root": tree.scope_folder(ROOT), "cluster": tree.scope_folder(cluster_scope(CLUSTER))}
    urls = {"root": made.root_url, "cluster": made.cluster_url}
    election = {"lease_seconds": LEASE_SECONDS}

    def settings(name: str, tier: str, **more: Any) -> Document:
        tls = {"folder": f"{made.folder}/tls/{name}", "authority": str(scopes[tier])}
        cluster = {"cluster": CLUSTER} if tier == "cluster" else {}
        return {"tls": tls, "listen": f"unix:{made.folder}/{name}.sock", **cluster, **more}

    made.port = free_port()
    for number in range(apis):
        for tier, role in (("root", "resource-api"), ("cluster", "cluster-api")):
            name = f"{role}-{number}"
            more: Document = {"database": {"url": urls[tier]}, "election": election}
            if tier == "root":
                more["api"] = {"port": made.port if number == 0 else free_port()}
                more["bootstrap_token_file"] = f"{made.folder}/admin.token"
            made.add(name, role, settings(name, tier, **more))
    for number in range(controllers):
        for tier, role, api in (
            ("root", "resource-controller", "resource-api"),
            ("cluster", "cluster-controller", "cluster-api"),
        ):
            name = f"{role}-{number}"
            target = {"target": f"unix:{made.folder}/{api}-{number % apis}.sock"}
            made.add(name, role, settings(name, tier, database={"url": urls[tier]}, election=election, api=target))
    for number, node in enumerate(made.nodes):
        memory = {"world": f"{made.folder}/world", "start_seconds": 0.2, "migration_seconds": 0.5}
        more = {
            "api": {"target": f"unix:{made.folder}/cluster-api-{number % apis}.sock"},
            "state_folder": f"{made.folder}/state/{node}",
            "driver": "Memory",
            "memory": memory,
            "providers": [{"name": "memory", "driver": "Memory"}],
            "heartbeat_seconds": 1.0,
        }
        made.add(node, "cluster-agent", settings(node, "cluster", **more))


def _documents(made: Plant) -> list[Document]:
    endpoint = f"unix:{made.folder}/cluster-api-0.sock"
    sizes = {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}
    pool = {"start_address": "172.16.10.10", "end_address": "172.16.10.60"}
    image = {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64}
    documents: list[Document] = [
        {"kind": "Region", "name": "kanto"},
        {"kind": "Datacenter", "name": "tokyo"},
        {
            "kind": "Cluster",
            "name": CLUSTER,
            "spec": {"region": "kanto", "datacenter": "tokyo", "endpoint": endpoint},
        },
        {"kind": "Provider", "name": "memory", "spec": {"provides": "VirtualMachine", "driver": "Memory"}},
        {"kind": "ResourceFlavor", "name": "small", "spec": {"provider": "memory", "sizes": sizes}},
        {"kind": "Image", "name": "guest", "region": "kanto", "spec": image},
        {
            "kind": "NetworkV4",
            "name": "service",
            "cluster": CLUSTER,
            "spec": {"subnet": "172.16.10.0/24", "gateway": "172.16.10.1", **pool},
        },
    ]
    for number, node in enumerate(made.nodes):
        spec = {"providers": ["memory"], "power_domain": f"power-{number % 2}"}
        documents.append({"kind": "Node", "name": node, "cluster": CLUSTER, "spec": spec})
    return documents


def _all_up(made: Plant) -> bool:
    return [row["state"] for row in made.rows("Node", CLUSTER)] == ["Up"] * len(made.nodes)
