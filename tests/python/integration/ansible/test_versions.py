"""An API of another version than the collection's: one clear message, an error, and nothing is written."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.python.integration.ansible.conftest import ROOT, Plays, Task

pytestmark = pytest.mark.design("N1")
VERSION_2 = (
    "speaks version 2 of the API, this collection speaks version 1: install the collection that came with the API"
)


@dataclass
class StandIn:
    """An API of a later version: it answers whatever is asked with an empty document, and notes what was asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait for the delayed acknowledgement of its head
    stand_in: StandIn

    def do_GET(self) -> None:
        self.stand_in.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("X-Api-Version", "2")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base)
        pass


@pytest.fixture
def later() -> Iterator[StandIn]:
    stand_in = StandIn()
    handler = type("Handler", (_Handler,), {"stand_in": stand_in})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        yield stand_in
        server.shutdown()
        thread.join()


@pytest.fixture
def plays(tmp_path: Path) -> Plays:
    """No API of ours is needed."""
    return Plays(tmp_path, {"RESOURCE_TOKEN": "rs_some"})


REGION = {"kind": "Region", "name": "kanto"}
TASKS: list[Task] = [
    {"resource.infra.region": {"name": "kanto"}},
    {"resource.infra.region": {"name": "kanto", "state": "absent"}},
    {"resource.infra.region": {"name": "kanto"}, "check_mode": True},
    {"resource.infra.region_info": {"name": "kanto"}},
    {"resource.infra.region_info": {}},
    {"resource.infra.node_drain": {"cluster": "tokyo1", "name": "server1"}},
    {"resource.infra.compute_delete": {"region": "kanto", "name": "web-0"}},
    {"resource.infra.apply": {"documents": [REGION]}},
    {"resource.infra.apply": {"documents": [REGION]}, "check_mode": True},
    {"resource.infra.apply": {"documents": [REGION], "state": "absent"}},
    {"resource.infra.apply": {"documents": [REGION], "purge": True, "labels": ["by=play"]}},
]


def test_tasks_end_with_one_message_and_nothing_is_written(plays: Plays, later: StandIn) -> None:
    """All in one play, each with its error ignored, for each play takes its time to start."""
    tasks = [{**task, "name": f"task {number}", "ignore_errors": True} for number, task in enumerate(TASKS)]
    done = plays.run(tasks, RESOURCE_SERVER=later.url)
    told = [json.loads(line.partition("=> ")[2]) for line in done.stdout.splitlines() if line.startswith("fatal:")]
    assert [one["msg"] for one in told] == [f"{later.url} {VERSION_2}"] * len(TASKS), done.stdout
    assert {(one["changed"], one["code"]) for one in told} == {(False, "version")}
    assert {line.partition(" ")[0] for line in later.asked} == {"GET"}


def test_play_ends_with_an_error(plays: Plays, later: StandIn) -> None:
    assert plays.refused({"resource.infra.apply": {"documents": [REGION]}}, RESOURCE_SERVER=later.url).endswith(
        VERSION_2
    )
    assert later.asked == ["GET /v1"]


def test_lookup_is_refused_as_well(plays: Plays, later: StandIn) -> None:
    expression = "{{ query('resource.infra.resource', kind='region') }}"
    done = plays.run([{"ansible.builtin.debug": {"msg": expression}}], RESOURCE_SERVER=later.url)
    assert done.returncode == 2
    assert VERSION_2 in " ".join((done.stdout + done.stderr).split())


@pytest.mark.design("N2")
def test_inventory_is_refused_as_well(plays: Plays, later: StandIn) -> None:
    source = plays.folder / "topology.yml"
    source.write_text("plugin: resource.infra.topology\n")
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(source), "--list"]
    environ = {**plays.environ, "RESOURCE_SERVER": later.url}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode != 0
    assert VERSION_2 in done.stderr
