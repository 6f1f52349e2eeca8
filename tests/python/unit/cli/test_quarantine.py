"""The command ``quarantine``: what nodes keep aside, and what is deleted by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from controller.agent.assignments import Assigned
from controller.agent.drivers.memory import FolderHypervisors, MemoryDriver
from controller.cli import main
from controller.cli.commands.quarantine import show
from tests.python.unit.agent.bench import item


def test_the_disks_of_all_nodes_are_listed_oldest_first() -> None:
    disks = {"uid": "u", "name": "default.kanto.web-0", "size_bytes": 5 << 20}
    nodes: list[dict[str, Any]] = [
        {"name": "server1", "observed": {"quarantine": [{**disks, "key": "k2", "at": "2026-02-01T00:00:00+00:00"}]}},
        {"name": "server2", "observed": {"quarantine": [{**disks, "key": "k1", "at": "2026-01-01T00:00:00+00:00"}]}},
        {"name": "server3", "observed": None},
    ]
    found = show(nodes)
    assert [row[:3] for row in found.rows] == [
        ("server2", "k1", "default.kanto.web-0"),
        ("server1", "k2", "default.kanto.web-0"),
    ]
    assert found.rows[0][4] == "5"
    assert show(nodes[2:]).lines == ("no node keeps disks aside",)


def test_purge_deletes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    driver = MemoryDriver("memory:server1", FolderHypervisors(tmp_path / "world"))

    async def keep_two_aside() -> list[str]:
        for uid in ("u0", "u1"):
            await driver.ensure(Assigned(item(uid)).desired, run=False)
            await driver.quarantine(uid)
        return [one.key for one in await driver.quarantined()]

    first, second = asyncio.run(keep_two_aside())
    config = tmp_path / "agent.toml"
    config.write_text(
        f"""
name = "server1"
cluster = "tokyo1"
listen = "unix:{tmp_path}/agent.sock"
driver = "Memory"
memory = {{ world = "{tmp_path}/world" }}
api = {{ target = "unix:{tmp_path}/api.sock" }}
tls = {{ folder = "{tmp_path}/tls" }}
"""
    )
    runner = CliRunner()
    wrong = runner.invoke(main.app, ["quarantine", "purge", "other", "--config", str(config)])
    assert wrong.exit_code == 2
    assert first in wrong.output
    done = runner.invoke(main.app, ["quarantine", "purge", first, "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert [one.key for one in asyncio.run(driver.quarantined())] == [second]
