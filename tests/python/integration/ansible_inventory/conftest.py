"""The example site in the real API, with what controllers would have observed, and Ansible as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.model import registry
from controller.model.compute import Compute
from controller.model.node import NODE, Node
from controller.store import resources
from controller.store.database import Database, Transaction
from tests.python.integration.ansible.conftest import ROOT, Plays, plays
from tests.python.integration.cli.conftest import Shell, clusters, db, empty_shell, server, shell, tokyo, url

__all__ = ["clusters", "db", "empty_shell", "plays", "server", "shell", "tokyo", "url"]


class Inventories:
    """Runs ansible-inventory on sources written here."""

    def __init__(self, plays: Plays) -> None:
        self.folder = plays.folder
        self.environ = {**plays.environ, "XDG_CACHE_HOME": str(plays.folder / "user-cache")}

    def source(self, name: str = "topology.yml", **options: Any) -> Path:
        """A source of ours with these options."""
        path = self.folder / name
        path.write_text(json.dumps({"plugin": "resource.infra.topology", **options}))
        return path

    def run(self, program: str, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Ansible; it may fail."""
        command = [str(Path(sys.executable).parent / program), *map(str, words)]
        both = {**self.environ, **environ}
        return subprocess.run(command, cwd=ROOT, env=both, capture_output=True, text=True, check=False, timeout=300)

    def listed(self, source: Path, *words: str, **environ: str) -> dict[str, Any]:
        """``ansible-inventory --list``, which must succeed and warn of nothing."""
        done = self.run("ansible-inventory", "-i", source, "--list", *words, **environ)
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr, done.stderr
        told: dict[str, Any] = json.loads(done.stdout, object_hook=_unwrapped)
        return told

    def hosts(self, source: Path, *words: str, **environ: str) -> dict[str, dict[str, Any]]:
        """Variables of each host."""
        found: dict[str, dict[str, Any]] = self.listed(source, *words, **environ)["_meta"].get("hostvars", {})
        return found

    def refused(self, source: Path, **environ: str) -> str:
        """The message of the plugin, the only one, where the run must end with an error."""
        done = self.run("ansible-inventory", "-i", source, "--list", **environ)
        assert done.returncode != 0, done.stdout
        told = done.stderr.splitlines()
        assert len(told) == 1, done.stderr
        assert told[0].startswith("[ERROR]: "), done.stderr
        return told[0]


@pytest.fixture
def inventories(tokyo: Shell, db: Database, plays: Plays) -> Inventories:
    db.write(_observe)
    return Inventories(plays)


def _unwrapped(value: dict[str, Any]) -> Any:
    """ansible-core prints each text that is no template so."""
    return value["__ansible_unsafe"] if value.keys() == {"__ansible_unsafe"} else value


def _observe(tx: Transaction) -> None:
    nodes = [node for node in resources.list_all(tx, NODE) if isinstance(node, Node)]
    for number, node in enumerate(nodes):
        rack = node.name.rpartition("-server")[0]
        zones = {"rack": rack, "power": f"{rack}-pdu-a", "network": "leaf", "datacenter": "tokyo"}
        observed = {"zones": zones, "capacity": {"vcpus": 16}, "taken": {"vcpus": number}}
        resources.update(tx, [node.model_copy(update={"observed": observed, "state": "Up"})])
    document: Mapping[str, Any] = registry.get("Compute").example
    made = Compute.model_validate(document)
    resources.insert(tx, [made.model_copy(update={"observed": {"node": nodes[0].name}, "labels": {"text": "x"}})])
