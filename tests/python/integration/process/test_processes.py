"""Real processes: Status, heartbeats, health, mastership under SIGSTOP and SIGKILL, drain, renewal."""

from __future__ import annotations

import json
import signal
from datetime import datetime
from pathlib import Path

import pytest

from controller.pki import CredentialFolder
from controller.process.self_description import VERSION
from controller.store.database import Database
from tests.python.databases import Databases
from tests.python.eventually import eventually
from tests.python.integration.process.site import API, CONTROLLER, Site, http, site


@pytest.mark.design("A9", "F4")
async def test_every_process_answers_status_and_keeps_its_own_row_fresh(
    tmp_path: Path, sqlite_databases: Databases
) -> None:
    async with site(tmp_path, sqlite_databases.new()) as made:
        await eventually(lambda: made.shown().get("rc-1") and made.shown()["rc-1"].spec.role == "Master")
        for kind, name, role in ((API, "api-1", "None"), (CONTROLLER, "rc-1", "Master")):
            status = await made.status(name, kind)
            assert (status.kind, status.name, status.role, status.ready) == (kind, name, role, True)
            assert status.version == VERSION
            assert status.uptime_seconds > 0
            row = made.shown()[name]
            assert (row.spec.process_kind, row.spec.role, row.state) == (kind, role, "Up")
            assert row.spec.endpoint == f"unix:{tmp_path}/{name}.sock"
            await beats_after(made, name, row.spec.heartbeat)
        assert (await made.status("rc-1", CONTROLLER)).term == 1


@pytest.mark.design("A9")
async def test_health_pages_and_logs(tmp_path: Path, sqlite_databases: Databases) -> None:
    async with site(tmp_path, sqlite_databases.new()) as made:
        await ready(made, "api-1", "rc-1")
        await eventually(made.written)
        assert await made.health("api-1", "/healthz") == (200, "ok\n")
        assert json.loads((await made.health("api-1", "/readyz?verbose"))[1]) == {"ready": True, "reasons": {}}
        status, metrics = await made.health("api-1", "/metrics")
        assert status == 200
        assert 'resource_process_info{kind="resource-api",name="api-1"' in metrics
        assert 'resource_rpc_seconds_count{method="/resource.v1.ApiService/ReassignRole",status="OK"}' in metrics
        assert "resource_certificate_end_seconds 1." in metrics
        assert (await made.health("api-1", "/nothing"))[0] == 404
        assert (await http(f"{tmp_path}/api-1.health", "POST /healthz HTTP/1.1"))[0] == 405
        await made.status("api-1", API)
        lines = made.log("api-1")
        assert {"running", "certificate renewed"} <= {line["event"] for line in lines}
        assert all(line["process"] == API and line["timestamp"] and line["level"] for line in lines)


@pytest.mark.design("H2")
async def test_a_master_stopped_past_its_lease_writes_nothing_when_it_wakes(tmp_path: Path, database: Database) -> None:
    async with site(tmp_path, database, controllers=2) as made:
        await eventually(made.written)
        first = made.written()[0][0]
        second = "rc-2" if first == "rc-1" else "rc-1"
        made.stop(first)
        await eventually(lambda: (second, 2) in made.written())
        await eventually(lambda: made.shown()[first].state == "Down")
        made.kill(first, signal.SIGCONT)
        await eventually(lambda: made.shown()[first].spec.role == "Slave")
        seen = len(made.written())
        await eventually(lambda: len(made.written()) > seen + 20)
        rows = made.written()
        terms = [term for _, term in rows]
        assert terms == sorted(terms)
        assert set(rows) == {(first, 1), (second, 2)}
        assert "superseded" in {line["event"] for line in made.log(first)}


@pytest.mark.design("H2")
async def test_a_killed_master_is_replaced_and_restarted(tmp_path: Path, database: Database) -> None:
    async with site(tmp_path, database, controllers=2) as made:
        await eventually(made.written)
        first = made.written()[0][0]
        old = made.pid(first)
        made.kill(first, signal.SIGKILL)
        # Whoever takes over, the other or its own restart: a new term, and never two at once.
        await eventually(lambda: made.written()[-1][1] == 2)
        await eventually(lambda: made.supervisor.states[first].pid not in (None, old))
        assert made.supervisor.states[first].last_exit == -signal.SIGKILL
        terms = [term for _, term in made.written()]
        assert terms == sorted(terms)


async def test_a_restarted_api_disturbs_no_master(tmp_path: Path, sqlite_databases: Databases) -> None:
    async with site(tmp_path, sqlite_databases.new()) as made:
        await eventually(made.written)
        made.kill("api-1", signal.SIGKILL)
        await eventually(lambda: made.supervisor.states["api-1"].starts == 2)
        await ready(made, "api-1")
        seen = len(made.written())
        await eventually(lambda: len(made.written()) > seen + 20)
        assert {term for _, term in made.written()} == {1}


@pytest.mark.design("A9")
async def test_sigterm_drains_in_time_gives_the_lease_back_and_exits_with_0(
    tmp_path: Path, sqlite_databases: Databases
) -> None:
    async with site(tmp_path, sqlite_databases.new(), controllers=2, lease=600) as made:
        await eventually(made.written)
        await ready(made, "rc-1", "rc-2")
        first = made.written()[0][0]
        made.kill(first, signal.SIGTERM)
        await eventually(lambda: made.supervisor.states[first].starts == 2)
        assert made.supervisor.states[first].last_exit == 0
        assert [line["event"] for line in made.log(first) if line["event"] in ("draining", "ended")] == [
            "draining",
            "ended",
        ]
        # The lease of 600 s was not waited for: what restarts asks at once.
        await eventually(lambda: made.written()[-1][1] == 2)


async def test_certificates_renew_by_themselves_while_processes_talk(
    tmp_path: Path, sqlite_databases: Databases
) -> None:
    async with site(tmp_path, sqlite_databases.new(), lifetime=4) as made:
        await eventually(made.written)
        await ready(made, "rc-1")
        folder = CredentialFolder(tmp_path / "rc-1")
        first = folder.load().valid_until
        pids = made.pid("api-1"), made.pid("rc-1")
        await eventually(lambda: (folder.load().valid_until - first).total_seconds() > 5)
        await beats_after(made, "rc-1", made.shown()["rc-1"].spec.heartbeat)
        assert (await made.status("rc-1", CONTROLLER)).ready
        assert pids == (made.pid("api-1"), made.pid("rc-1"))
        assert not any("does not hear" in line["event"] for line in made.log("rc-1")[5:])


async def beats_after(made: Site, name: str, beat: datetime | None) -> None:
    await eventually(lambda: made.shown()[name].spec.heartbeat > beat)


async def ready(made: Site, *names: str) -> None:
    for name in names:

        async def answers(name: str = name) -> bool:
            try:
                return (await made.health(name, "/readyz"))[0] == 200
            except OSError:
                return False

        await eventually(answers)
