"""The verbs of services, Computes and nodes; watch; tokens; against the real API."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.cli import config
from controller.cli.commands.console import exchange
from controller.cli.exit_codes import ExitCode
from controller.cli.options import PARENTS
from controller.cli.session import Session
from controller.model import document, registry
from controller.store import resources
from controller.store.database import Database, Tier, Transaction
from tests.python.integration.cli.conftest import Server, Shell
from tests.python.integration.root.api.clusters import FakeClusters

NODE = "floor-1-1-1-rack-1-1-server1"


def _spec(shell: Shell, *words: str) -> dict[str, object]:
    spec: dict[str, object] = json.loads(shell.ok("get", *words, "-o", "json"))["spec"]
    return spec


@pytest.fixture
def compute(tokyo: Shell, db: Database) -> Shell:
    """A Compute, as a controller would have made it."""
    made = document.parse(registry.get("Compute").example)
    db.write(lambda tx: resources.insert(tx, [made]))
    return tokyo


@pytest.mark.design("F3")
def test_cordon_uncordon_and_drain_ask_it_of_the_node(tokyo: Shell) -> None:
    tokyo.ok("cordon", NODE)
    assert _spec(tokyo, "node", NODE)["schedulable"] is False
    tokyo.ok("drain", NODE)
    assert _spec(tokyo, "node", NODE)["drain"] is True
    tokyo.ok("uncordon", NODE)
    spec = _spec(tokyo, "node", NODE)
    assert (spec["schedulable"], spec["drain"]) == (True, False)


RACK = "floor-1-1-1-rack-1-1"


@pytest.mark.design("F3", "M3")
def test_a_rack_is_drained_shown_beforehand_and_called_off(tokyo: Shell, clusters: FakeClusters) -> None:
    blocked = {"resource": "default/kanto/web-1", "from": NODE, "reason": "2 nodes: 2 cordoned", "counts": {}}
    move = {"resource": "default/kanto/web-0", "from": NODE, "to": "elsewhere", "why": f"{NODE} is to be empty"}
    clusters.moves = {"moves": [move], "blocked": [blocked], "message": ""}
    lines = tokyo.ok("drain", "--rack", RACK, "--dry-run").splitlines()
    assert lines[0].split() == ["RESOURCE", "FROM", "TO", "WHY"]
    assert lines[1].split()[:3] == ["default/kanto/web-0", NODE, "elsewhere"]
    assert lines[2].endswith("blocked: 2 nodes: 2 cordoned")
    assert _spec(tokyo, "node", NODE)["drain"] is False
    other = f"{RACK}-server2"
    tokyo.ok("cordon", other)
    shown = tokyo.ok("drain", "--rack", RACK)
    assert NODE in shown
    assert other in shown
    waited = tokyo.run("drain", NODE, other, "--wait", "0.01")
    assert waited.exit_code == ExitCode.TRY_AGAIN
    assert f"0 Computes still on {other}" in waited.stdout
    tokyo.ok("drain", "--rack", RACK, "--cancel")
    asked = [_spec(tokyo, "node", name) for name in (NODE, other)]
    assert [(spec["drain"], spec["schedulable"]) for spec in asked] == [(False, True), (False, False)]
    assert tokyo.run("drain").exit_code == ExitCode.USAGE
    assert tokyo.run("drain", NODE, "--cancel", "--dry-run").exit_code == ExitCode.USAGE


@pytest.mark.design("J4")
def test_a_rebalance_shows_its_moves_with_their_reasons(tokyo: Shell, db: Database, clusters: FakeClusters) -> None:
    assert tokyo.run("rebalance", "web").exit_code == ExitCode.REFUSED  # no cluster was chosen yet

    def bound(tx: Transaction) -> None:
        service = resources.get(tx, registry.get("RegionService").key("kanto", "web", project="default"))
        resources.update(tx, [service.model_copy(update={"observed": {"cluster": "tokyo1"}})])
        resources.insert(tx, [document.parse(registry.get("Compute").example)])

    db.write(bound)
    assert tokyo.ok("rebalance", "web") == "it is balanced already\n"
    move = {"resource": "default/kanto/web-0", "from": NODE, "to": "elsewhere", "why": "rack r1 has 3, r2 has 1"}
    clusters.moves = {"moves": [move], "blocked": [], "message": ""}
    assert "rack r1 has 3, r2 has 1" in tokyo.ok("rebalance", "web", "--dry-run", "--max-moves", "3")
    assert _spec(tokyo, "vm", "web-0")["migrations"] == 0
    assert tokyo.ok("rebalance", "web", "--at-once", "2").splitlines()[-1] == "1 move requested"
    assert _spec(tokyo, "vm", "web-0")["rebalance"] == {"order": 0, "at_once": 2}


_BLOCKED = {"resource": "default/kanto/web-0", "reason": "no node has room", "counts": {}}


@pytest.mark.parametrize(
    ("observed", "code", "said"),
    [
        (
            {"computes": 2, "drain": {"remaining": 2, "blocked_by": [_BLOCKED]}},
            ExitCode.TRY_AGAIN,
            ["2 Computes still here", "  blocked: default/kanto/web-0: no node has room"],
        ),
        ({"computes": 0, "drain": {"remaining": 0, "blocked_by": []}}, ExitCode.DONE, []),
        ({"computes": 0}, ExitCode.TRY_AGAIN, ["0 Computes still here"]),  # the cluster has not said it yet
    ],
)
def test_a_drain_that_is_waited_for_says_what_is_left_and_why(
    tokyo: Shell, db: Database, observed: dict[str, object], code: ExitCode, said: list[str]
) -> None:
    def seen(tx: Transaction) -> None:
        node = resources.get(tx, registry.get("Node").key("tokyo1", NODE))
        resources.update(tx, [node.model_copy(update={"observed": observed})])

    db.write(seen)
    result = tokyo.run("drain", NODE, "--wait", "0.01")
    assert result.exit_code == code
    assert result.stdout.splitlines()[2:] == said


@pytest.mark.design("K2", "D3")
def test_scale_revisions_and_rollback(tokyo: Shell) -> None:
    tokyo.ok("scale", "web", "5")
    assert _spec(tokyo, "service", "web")["replicas"] == 5
    assert tokyo.run("scale", "web", "0").exit_code == ExitCode.USAGE
    assert tokyo.run("rollback", "web").exit_code == ExitCode.USAGE  # nothing older is kept

    service = json.loads(tokyo.ok("get", "service", "web", "-o", "json"))
    service["spec"]["compute"]["flavor"] = "medium"
    tokyo.ok("apply", "-f", "-", stdin=json.dumps(service))
    lines = tokyo.ok("revisions", "web").splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["1", "false"], ["2", "true"]]
    tokyo.ok("rollback", "web")
    after = json.loads(tokyo.ok("get", "service", "web", "-o", "json"))
    assert (after["revision"], after["spec"]["compute"]["flavor"], after["spec"]["replicas"]) == (3, "small", 5)
    tokyo.ok("rollback", "web", "--to", "2")
    assert _spec(tokyo, "service", "web")["compute"]["flavor"] == "medium"  # type: ignore[index]


def test_stop_start_reboot_and_migrate_ask_it_of_the_compute(compute: Shell) -> None:
    compute.ok("stop", "web-0")
    assert _spec(compute, "vm", "web-0")["power"] == "Stopped"
    assert compute.run("reboot", "web-0").exit_code == ExitCode.REFUSED
    compute.ok("start", "web-0")
    compute.ok("reboot", "web-0")
    assert _spec(compute, "vm", "web-0")["reboots"] == 1
    compute.ok("migrate", "web-0", "--to", NODE)
    assert _spec(compute, "vm", "web-0")["migrate_to"] == NODE
    refused = compute.run("migrate", "web-0", "--to", "nowhere")
    assert refused.exit_code == ExitCode.INVALID
    assert refused.stderr.startswith("error: node: ")


def test_watch_prints_changes_from_a_version_on(tokyo: Shell) -> None:
    environ = {name: value for name, value in tokyo.environ.items() if value}
    with Session(config.load({}, PARENTS, environ)) as session:
        changes = session.watch(["Rack"], 0)
        seen = [next(changes) for _ in range(3)]
    assert {change["verb"] for change in seen} == {"Created"}
    assert seen[0]["key"].startswith("tokyo/floor-1-1-1-rack-1-")


async def test_console_carries_bytes_both_ways_until_the_escape(
    compute: Shell, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    environ = {name: value for name, value in compute.environ.items() if value}
    heard = asyncio.Event()

    async def typed() -> AsyncIterator[bytes]:
        yield b"hello"
        await heard.wait()
        yield b"\x1dnot sent"

    with Session(config.load({}, PARENTS, environ)) as session:
        key = await asyncio.to_thread(session.locate, "vm", "web-0")
        async with session.console(key) as stream:

            class Heard:
                async def send(self, data: bytes) -> None:
                    await stream.send(data)

                async def received(self) -> AsyncIterator[bytes]:
                    async for data in stream.received():
                        yield data
                        heard.set()

            async with asyncio.timeout(60):
                await exchange(Heard(), typed())
    assert capfdbinary.readouterr().out == b"hello"


def test_tokens_are_made_listed_and_revoked(shell: Shell, server: Server) -> None:
    file = shell.folder / "viewer.token"
    shell.ok("token", "create", "viewer", "--role", "viewer", "--days", "1", "--to-file", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [line.split()[:2] for line in shell.ok("token", "list").splitlines()[1:]] == [
        ["admin", "admin"],
        ["viewer", "viewer"],
    ]
    viewer = ("--server", server.url, "--token-file", str(file))
    assert shell.ok("get", "regions", *viewer) == "no regions found\n"
    refused = shell.run("apply", "-f", "-", *viewer, stdin="kind: Region\nname: x\n")
    assert refused.exit_code == ExitCode.REFUSED
    assert "viewer" in refused.stderr
    shell.ok("token", "revoke", "viewer")
    assert shell.run("get", "regions", *viewer).exit_code == ExitCode.REFUSED


def test_a_secret_is_never_lost_to_a_bad_file(shell: Shell) -> None:
    taken = shell.write("taken", "")
    result = shell.run("token", "create", "ci", "--to-file", taken)
    assert result.exit_code == ExitCode.USAGE
    assert "ci" not in shell.ok("token", "list")
    again = shell.run("token", "create", "admin", "--role", "admin", "--to-file", str(shell.folder / "new"))
    assert again.exit_code == ExitCode.REFUSED
    assert not (shell.folder / "new").exists()


def test_join_tokens_are_made_for_a_node_of_a_cluster(tokyo: Shell) -> None:
    secret = tokyo.ok("join-token", "create", NODE).strip()
    assert secret.startswith("rsj_")
    listed = tokyo.ok("join-token", "list")
    assert NODE in listed
    assert secret not in tokyo.ok("join-token", "list", "-o", "json")


def test_backup_and_restore_into_an_empty_database(tokyo: Shell, url: str, tmp_path: Path) -> None:
    file = str(tmp_path / "root.backup")
    tokyo.ok("backup", file, "--url", url, "--tier", "root")
    other = f"sqlite:///{tmp_path}/other.db"
    tokyo.ok("db", "upgrade", "--url", other, "--tier", "root")
    refused = tokyo.run("restore", str(tmp_path / "none"), "--url", other, "--tier", "root")
    assert refused.exit_code == ExitCode.INVALID
    tokyo.ok("restore", file, "--url", other, "--tier", "root")
    copy = Database(other, tier=Tier.ROOT)
    names = copy.read(lambda tx: [node.name for node in resources.list_all(tx, "Node")])
    copy.close()
    assert NODE in names


def test_a_database_of_another_tier_or_without_schema_is_refused(empty_shell: Shell, url: str) -> None:
    assert "db upgrade" in empty_shell.run("db", "check", "--url", url, "--tier", "root").stderr
    empty_shell.ok("db", "upgrade", "--url", url, "--tier", "root")
    refused = empty_shell.run("db", "check", "--url", url, "--tier", "cluster", "--cluster", "tokyo1")
    assert refused.exit_code == ExitCode.ERROR
    assert "tier" in refused.stderr


def test_the_database_is_found_in_a_process_settings_file(empty_shell: Shell, url: str) -> None:
    file = empty_shell.write("resource-api.toml", f'name = "api-1"\n[database]\nurl = "{url}"\n')
    empty_shell.ok("db", "upgrade", "--config", file)
    empty_shell.ok("db", "check", "--config", file)
    assert empty_shell.run("db", "check").exit_code == ExitCode.USAGE
