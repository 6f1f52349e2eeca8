"""The real API, and ``ansible-playbook`` as a user of a checkout runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.python.integration.cli.conftest import Shell, clusters, db, empty_shell, server, shell, url

__all__ = ["clusters", "db", "empty_shell", "server", "shell", "url"]

ROOT = Path(__file__).parents[4]
Task = dict[str, Any]


class Plays:
    """Runs playbooks as the user of a shell."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RESOURCE_", "ANSIBLE_"))}
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "home"), "HOME": str(folder)}
        self.environ = {**kept, **own, **environ, "ANSIBLE_LOCALHOST_WARNING": "false"}

    def run(self, tasks: Sequence[Task], *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a play of these tasks; it may fail."""
        path = self.folder / "play.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
        return self.playbook(path, *options, **environ)

    def playbook(self, path: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook; it may fail."""
        return self.program("ansible-playbook", "-i", "localhost,", str(path), *options, **environ)

    def program(self, name: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Ansible; it may fail."""
        command = [str(Path(sys.executable).parent / name), *words]
        return subprocess.run(
            command, cwd=ROOT, env={**self.environ, **environ}, capture_output=True, text=True, check=False, timeout=300
        )

    def ok(self, tasks: Sequence[Task], *options: str) -> str:
        """What a play prints; it must succeed."""
        done = self.run(tasks, *options)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def recorded(self, tasks: Sequence[Task], *options: str) -> list[dict[str, Any]]:
        """What each task of a play really did (``recorder/record.py``); the play must succeed."""
        file = self.folder / "record"
        file.write_text("")
        environ = {
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "recorder"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "RECORD_FILE": str(file),
            "RECORD_DATABASE": str(self.folder / "root.db"),
        }
        done = self.run(tasks, *options, **environ)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return [json.loads(line) for line in file.read_text().splitlines()]

    def refused(self, *tasks: Task, **environ: str) -> str:
        """The message of the task that fails."""
        done = self.run(tasks, **environ)
        assert done.returncode == 2, done.stdout + done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("fatal:")]
        message: str = json.loads(line.partition("=> ")[2])["msg"]
        assert "\n" not in message
        return message


@pytest.fixture
def plays(shell: Shell, tmp_path: Path) -> Plays:
    config = dict(
        line.replace('"', "").split(" = ") for line in (tmp_path / "config.toml").read_text().splitlines() if line
    )
    return Plays(tmp_path, {"RESOURCE_SERVER": config["server"], "RESOURCE_TOKEN_FILE": config["token_file"]})
