"""A site of real processes, started by their command lines in a temporary folder, on one database kind.

Everything is on loopback and unix sockets. Processes end with the site, also when it fails.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks import documents, postgresql
from controller.client import Client
from controller.clock import SystemClock
from controller.pki import ROOT, AuthorityTree, cluster_scope
from controller.store import tokens
from controller.store.database import Database, Tier


class Site:
    """The processes of one root and one cluster. ``start`` brings them up as they are needed."""

    def __init__(self, folder: Path, urls: Mapping[str, str], cluster: str = documents.CLUSTER) -> None:
        self.folder = folder
        self.cluster = cluster
        self.urls = urls
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.cluster_port, self.rest_port = free_port(), free_port()
        tree = AuthorityTree(folder / "pki", clock=SystemClock())
        self.root_authority = tree.scope_folder(ROOT)
        self.cluster_authority = tree.scope_folder(cluster_scope(cluster))
        self.token, self.viewer_token = self._prepare()

    @property
    def cluster_endpoint(self) -> str:
        return f"127.0.0.1:{self.cluster_port}"

    @property
    def url(self) -> str:
        """Address of the REST API."""
        return f"http://127.0.0.1:{self.rest_port}"

    def client(self) -> Client:
        """A REST client as admin."""
        return Client(self.url, token=self.token)

    def start(self, *roles: str, **settings: Any) -> Self:
        """Start processes of the design, with more ``settings``, and wait until each is ready."""
        for role in roles:
            config = self.folder / f"{role}.toml"
            config.write_text(toml({**self._settings(role), **settings}))
            self.spawn(role, sys.executable, "-m", "controller.cli", "run", role, "--config", str(config))
        for role in roles:
            self._wait_ready(role)
        return self

    def spawn(self, name: str, *command: str) -> None:
        """Start any program that ends with the site."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def simulate(self, agents: int, processes: int) -> None:
        """Start simulated agents, spread over so many processes, for the nodes of ``documents.nodes``."""
        each = -(-agents // processes)
        for number in range(processes):
            count = min(each, agents - number * each)
            self.simulate_some(f"simulate-{number}", "--agents", str(count), "--first", str(number * each))

    def simulate_some(self, name: str, *nodes: str) -> None:
        """Start one process of simulated agents; ``nodes`` are the words that say for which."""
        words = ["--api", self.cluster_endpoint, "--cluster", self.cluster, "--authority", str(self.cluster_authority)]
        self.spawn(name, sys.executable, "-m", "controller.agent.simulate", *nodes, *words)

    def memory(self) -> dict[str, float]:
        """Resident memory of each process in MiB."""
        return {name: resident_mib(process.pid) for name, process in self.processes.items()}

    def cpu_seconds(self, name: str) -> float:
        """CPU time that a process has used."""
        fields = Path(f"/proc/{self.processes[name].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End every process."""
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _prepare(self) -> tuple[str, str]:
        root = Database(self.urls["root"], tier=Tier.ROOT)
        cluster = Database(self.urls["cluster"], tier=Tier.CLUSTER, cluster=self.cluster)
        try:
            root.upgrade()
            cluster.upgrade()
            return (
                root.write(lambda tx: tokens.create(tx, "bench", "admin")[1]),
                root.write(lambda tx: tokens.create(tx, "viewer", "viewer")[1]),
            )
        finally:
            root.close()
            cluster.close()

    def _settings(self, role: str) -> dict[str, Any]:
        root = role.startswith("resource")
        common: dict[str, Any] = {
            "name": role,
            "listen": f"unix:{self.folder}/{role}.sock",
            "health": f"unix:{self.folder}/{role}.health",
            "log_level": "warning",
            "database": {"url": self.urls["root" if root else "cluster"]},
            "tls": {
                "folder": str(self.folder / "tls" / role),
                "authority": str(self.root_authority if root else self.cluster_authority),
            },
        }
        match role:
            case "resource-api":
                return {**common, "api": {"port": self.rest_port}}
            case "resource-controller":
                return {**common, "api": {"target": f"unix:{self.folder}/resource-api.sock"}}
            case "cluster-api":
                return {**common, "cluster": self.cluster, "listen": self.cluster_endpoint}
            case _:
                return {**common, "cluster": self.cluster, "api": {"target": self.cluster_endpoint}}

    def _wait_ready(self, role: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not _is_ready(f"{self.folder}/{role}.health"):
            if self.processes[role].poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / f"{role}.log").read_text()[-2000:]
                raise RuntimeError(f"{role} is not ready: {tail}")
            time.sleep(0.05)


@contextlib.contextmanager
def site(kind: str, cluster: str = documents.CLUSTER) -> Iterator[Site]:
    """A site on ``sqlite`` or ``postgresql``."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))
        if kind == "postgresql":
            urls: Mapping[str, str] = stack.enter_context(postgresql.server("root", "cluster"))
        else:
            urls = {name: f"sqlite:///{folder}/{name}.db" for name in ("root", "cluster")}
        made = Site(folder, urls, cluster)
        stack.callback(made.stop)
        yield made


def resident_mib(pid: int) -> float:
    """VmRSS of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def toml(values: Mapping[str, Any]) -> str:
    """TOML of flat values and one level of tables."""
    flat = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_literal(value)}" for key, value in flat.items()]
    for name, table in values.items():
        if isinstance(table, dict):
            lines += [f"[{name}]", *(f"{key} = {_literal(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _is_ready(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(path)
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False
