"""Prepares the control plane of a lab: certificates, databases, settings files and command lines.

Processes are started as an operator would start them: ``resourcectl run ROLE --config FILE``.
The root's processes are in the machine's namespaces (loopback and Unix sockets), the cluster's in
the lab's control namespace, the agents on their nodes. Preparing what exists changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.agent.host.kvm import accelerator
from controller.clock import SystemClock
from controller.errors import NotFound
from controller.lab import files
from controller.lab.guest import GuestImage, cache_folder
from controller.lab.lab import Lab
from controller.lab.node import BOOT_ID, STATE
from controller.lab.settings import CONTROL_PORT, JOIN_PORT, LINKS, MARKER, LabSettings, Node
from controller.pki import BUNDLE_FILE, IDENTITY_FILE, ROOT, AuthorityTree, cluster_scope
from controller.process.supervisor import Child
from controller.store.database import Database, Tier

CLUSTER = "tokyo1"
_SETTINGS = "lab.json"
_MEMORY_PER_NODE_MIB = 4096


def load_settings(state: Path) -> LabSettings:
    """Return the settings that a lab was created with. Raises NotFound when the lab does not exist."""
    try:
        return LabSettings.model_validate_json((state / _SETTINGS).read_text())
    except FileNotFoundError as error:
        raise NotFound(f"the folder {state} does not contain a lab") from error


class ControlPlane:
    """The files and processes of the control plane of a lab with one cluster."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = lab.settings.state / "control"
        self.logs = lab.settings.state / "log"

    @property
    def url(self) -> str:
        """Return the address of the REST API."""
        return f"http://127.0.0.1:{self.lab.settings.api_port}"

    @property
    def token_file(self) -> Path:
        """Return the file with the admin's token."""
        return self.folder / "admin.token"

    @property
    def cluster_endpoint(self) -> str:
        """Return the cluster API's address for the root: a Unix socket, the only way out of its namespace."""
        return f"unix:{self.folder}/cluster-api.sock"

    def prepare(self, guest: GuestImage) -> None:
        """Create certificates, databases and settings files that are missing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(self.lab.settings.state / _SETTINGS, self.lab.settings.model_dump_json(indent=1))
        tree = AuthorityTree(self._authorities(), clock=SystemClock())
        authorities = {scope: tree.scope_folder(scope) for scope in (ROOT, cluster_scope(CLUSTER))}
        bundle = (authorities[ROOT] / BUNDLE_FILE).read_text()
        for tier, cluster in ((Tier.ROOT, ""), (Tier.CLUSTER, CLUSTER)):
            database = Database(self._database(tier.value), tier=tier, cluster=cluster)
            try:
                database.upgrade()
            finally:
                database.close()
        for name, values in self._root_files(authorities[ROOT]).items():
            files.write_settings(self.folder / f"{name}.toml", values)
        for name, values in self._cluster_files(authorities[cluster_scope(CLUSTER)]).items():
            files.write_settings(self.folder / f"{name}.toml", values)
        runs_guests = accelerator(cache_folder(), guest.kernel)
        for node in self.lab.nodes:
            files.write(node.state / "root.pem", bundle)
            files.write_settings(node.state / "cluster-agent.toml", self._agent_file(node, runs_guests))

    def _authorities(self) -> Path:
        """Return the folder of the authorities. Raises NotFound when it is lost while their certificates exist."""
        folder = self.folder / "authorities"
        if not folder.exists() and any(self.folder.glob(f"tls/*/{IDENTITY_FILE}")):
            raise NotFound(
                f"{folder} does not exist, and certificates that it signed do: put it back, or see "
                "docs/operations/certificate-authority-loss.md"
            )
        return folder

    def control_children(self) -> list[Child]:
        """Return the processes of root and cluster."""
        control = self.lab.in_control
        return [
            self._child("resource-api"),
            self._child("resource-controller"),
            self._child("cluster-api", control()),
            self._child("cluster-controller", control()),
        ]

    def agent_children(self) -> list[Child]:
        """Return the agents."""
        return [
            self._child(
                "cluster-agent", node.enter(), config=STATE / "cluster-agent.toml", name=f"cluster-agent-{node.port}"
            )
            for node in self.lab.nodes
        ]

    def join_token_file(self, node: Node) -> Path:
        """Return the file of a node's join token, as a path outside of the node."""
        return node.state / "join.token"

    def may_join(self, node: Node) -> bool:
        """Return whether a node has a join token or a certificate."""
        return self.join_token_file(node).exists() or (node.state / "tls" / IDENTITY_FILE).exists()

    def _child(
        self, role: str, enter: list[str] | None = None, *, config: Path | None = None, name: str | None = None
    ) -> Child:
        config = config or self.folder / f"{role}.toml"
        resourcectl = str(Path(sys.executable).with_name("resourcectl"))
        name = name or role
        return Child(
            name=name,
            command=(*(enter or []), resourcectl, "run", role, "--config", str(config)),
            environment={MARKER: self.lab.settings.id},
            log=self.logs / f"{name}.log",
        )

    def _database(self, tier: str) -> str:
        return f"sqlite:///{self.folder}/{tier}.db"

    def _common(self, name: str, authority: Path) -> dict[str, Any]:
        return {
            "name": name,
            "health": f"unix:{self.folder}/{name}-health.sock",
            "tls": {"folder": f"{self.folder}/tls/{name}", "authority": str(authority)},
        }

    def _root_files(self, authority: Path) -> Mapping[str, dict[str, Any]]:
        database = {"url": self._database("root")}
        api = f"unix:{self.folder}/resource-api.sock"
        return {
            "resource-api": {
                **self._common("resource-api", authority),
                "listen": api,
                "database": database,
                "api": {"port": self.lab.settings.api_port},
                "bootstrap_token_file": str(self.token_file),
            },
            "resource-controller": {
                **self._common("resource-controller", authority),
                "listen": f"unix:{self.folder}/resource-controller.sock",
                "database": database,
                "api": {"target": api},
            },
        }

    def _cluster_files(self, authority: Path) -> Mapping[str, dict[str, Any]]:
        database = {"url": self._database("cluster")}
        address = self.lab.layout.control.address
        return {
            "cluster-api": {
                **self._common("cluster-api", authority),
                "cluster": CLUSTER,
                "listen": f"{address}:{CONTROL_PORT}",
                "root_listen": self.cluster_endpoint,
                "join_listen": f"{address}:{JOIN_PORT}",
                "database": database,
            },
            "cluster-controller": {
                **self._common("cluster-controller", authority),
                "cluster": CLUSTER,
                "listen": f"unix:{self.folder}/cluster-controller.sock",
                "database": database,
                "api": {"target": self.cluster_endpoint},
            },
        }

    def _agent_file(self, node: Node, runs_guests: str) -> dict[str, Any]:
        control = self.lab.layout.control.address
        return {
            "name": node.name,
            "cluster": CLUSTER,
            "listen": f"{node.address}:{CONTROL_PORT}",
            "health": f"unix:{STATE}/health.sock",
            "tls": {"folder": f"{STATE}/tls"},
            "api": {"target": f"{control}:{CONTROL_PORT}"},
            "join": {
                "target": f"{control}:{JOIN_PORT}",
                "token_file": f"{STATE}/join.token",
                "authority": f"{STATE}/root.pem",
            },
            "migration_address": str(node.address),
            "boot_file": str(STATE / BOOT_ID),
            # Nodes share one machine: each offers a small part of it, and together more threads than it has.
            "libvirt": {
                "accelerator": runs_guests,
                "capacity": {"vcpus": 8, "memory_mib": _MEMORY_PER_NODE_MIB, "disk_gib": 32},
            },
            "network": {"infrastructure": [str(LINKS)]},
            "images": {"folders": [str(cache_folder())]},
        }
