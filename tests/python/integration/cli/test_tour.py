"""The tour of the README, with every process of the design for real and the in-memory driver.

Shown here is that the commands lead through all tiers; that real machines follow is shown in the lab.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks import documents
from benchmarks.site import Site, site
from tests.python.eventually import eventually
from tests.python.integration.cli.conftest import Shell

NODES = 4


@pytest.fixture
def running() -> Iterator[Site]:
    with site("sqlite") as made:
        yield made.start("resource-api", "cluster-api", "resource-controller", "cluster-controller")


@pytest.fixture
def shell(empty_shell: Shell, running: Site) -> Shell:
    """A user of the running site, with its nodes applied and their agents started."""
    empty_shell.environ["RESOURCE_SERVER"] = f"http://127.0.0.1:{running.rest_port}"
    empty_shell.environ["RESOURCE_TOKEN"] = running.token
    wanted = [*documents.site(running.cluster_endpoint), *documents.nodes(NODES)]
    empty_shell.ok("apply", "-f", "-", stdin=json.dumps(wanted))
    running.simulate(NODES, 1)
    return empty_shell


def _items(shell: Shell, *words: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(shell.ok("get", *words, "-o", "json"))
    return items


def _machines(shell: Shell) -> dict[str, tuple[str, str, str]]:
    """Name to node, status and state."""
    return {
        item["name"]: (item["observed"].get("node", ""), item["status"], item["state"]) for item in _items(shell, "vms")
    }


def _processes(shell: Shell) -> dict[str, tuple[str, str]]:
    """Kind of process to role and state, as each last said."""
    rows = _items(shell, "processes")
    return {row["spec"]["process_kind"]: (row["spec"]["role"], row["state"]) for row in rows}


async def _until(condition: Callable[[], bool]) -> None:
    await eventually(condition, every=0.2)


@pytest.mark.partial("alerts and a metrics database are not there yet", "A6")
@pytest.mark.design("A1", "A2", "A4", "A5", "A6", "A9", "F3", "G1", "G4", "G7", "K1", "K2", "K3", "K5")
async def test_the_tour(shell: Shell) -> None:
    await _until(lambda: [node["state"] for node in _items(shell, "nodes")] == ["Up"] * NODES)
    await _until(
        lambda: (
            _processes(shell)
            == {
                "resource-api": ("None", "Up"),
                "resource-controller": ("Master", "Up"),
                "cluster-api": ("None", "Up"),
                "cluster-controller": ("Master", "Up"),
            }
        )
    )

    shell.ok("apply", "-f", "-", stdin=json.dumps(documents.service(3)))
    await _until(lambda: [one[1:] for one in _machines(shell).values()] == [("Active", "Running")] * 3)
    machines = _machines(shell)
    assert len({node for node, _, _ in machines.values()}) == 3, "balanced over the nodes"
    described = shell.ok("describe", "vm", "web-0")
    assert f"placed on {machines['web-0'][0]}" in described
    assert "runs on" in described

    scaled = shell.run("scale", "web", "5", "--wait", "600")
    assert (scaled.exit_code, scaled.stderr.splitlines()[-1]) == (0, "web: 5 of 5 ready")
    assert len(_machines(shell)) == 5
    assert {one[1] for one in _machines(shell).values()} == {"Active"}
    shell.ok("scale", "web", "2", "--wait", "600")
    assert list(_machines(shell)) == ["web-0", "web-1"]
    await _until(
        lambda: (
            [port["spec"]["owner"] for port in _items(shell, "ports")] == ["default/kanto/web-0", "default/kanto/web-1"]
        )
    )

    target = next(node["name"] for node in _items(shell, "nodes") if node["name"] != _machines(shell)["web-0"][0])
    moved = shell.run("migrate", "web-0", "--to", target, "--wait", "600")
    assert (moved.exit_code, moved.stderr.splitlines()[-1]) == (0, f"web-0: on {target}")
    await _until(lambda: _machines(shell)["web-0"] == (target, "Active", "Running"))
    shell.ok("drain", target, "--wait", "60")
    assert target not in {node for node, _, _ in _machines(shell).values()}
    shell.ok("uncordon", target)

    shell.ok("stop", "web-1")
    await _until(lambda: _machines(shell)["web-1"][2] == "Stopped")
    shell.ok("start", "web-1")
    await _until(lambda: _machines(shell)["web-1"][2] == "Running")

    shell.ok("delete", "vm", "web-0")
    await _until(lambda: list(_machines(shell)) == ["web-1"])
    assert _items(shell, "services")[0]["spec"]["replicas"] == 1
    deleted = shell.run("delete", "service", "web", "--wait", "600")
    assert (deleted.exit_code, deleted.stdout) == (0, "RegionService default/kanto/web: deleted\n")
    assert not _items(shell, "services")
    await _until(lambda: not _machines(shell) and not _items(shell, "ports"))
