"""A lab with its real router, BIRDs and libvirtds."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import libvirt
import pytest

from controller.lab.lab import Lab
from controller.lab.node import SERVICE_ROUTE_PROTOCOL
from controller.lab.settings import LabSettings
from tests.python.eventually import eventually
from tests.python.integration.lab.conftest import requires_root, settings, traces, up_and_down_elsewhere
from tests.python.lab_network import routes

pytestmark = requires_root


def machine_links() -> str:
    return subprocess.check_output(["ip", "-o", "link"], text=True)


def test_up_again_changes_nothing_and_down_leaves_nothing(tmp_path: Path) -> None:
    before = machine_links()
    lab = Lab(settings("u", tmp_path))
    try:
        assert not lab.is_up()
        lab.up()
        assert lab.is_up()
        assert traces(lab)
        assert machine_links() == before, "the machine's own network namespace is not touched"
        first = lab.status()
        lab.up()
        assert lab.status() == first
    finally:
        lab.down()
    assert traces(lab) == []
    lab.down()


def test_the_state_is_kept_when_asked(tmp_path: Path) -> None:
    lab = Lab(settings("k", tmp_path, per_rack=1))
    try:
        lab.up()
        note = lab.nodes[0].state / "note"
        note.write_text("kept")
        lab.down(keep_state=True)
        lab.up()
        assert note.read_text() == "kept"
        seen = subprocess.check_output(lab.nodes[0].enter("cat", "/var/lib/resource-service/note"), text=True)
        assert seen == "kept"
    finally:
        lab.down()


def test_nodes_reach_each_other_and_the_control_namespace_through_the_router(lab: Lab) -> None:
    one, two = lab.nodes
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 16509), 5)"
    for source in (two.enter, lab.in_control, lab.in_router):
        subprocess.run(source(sys.executable, "-c", connect, str(one.address)), check=True)
    assert f"via {two.gateway}" in subprocess.check_output(
        two.enter("ip", "route", "get", str(one.address)), text=True
    ), "nodes have no link but the one to the router"


async def test_a_service_address_on_a_node_is_announced_and_withdrawn(lab: Lab) -> None:
    node = lab.nodes[1]
    address = "172.16.10.77"

    def gateway() -> str | None:
        found = [route.get("gateway") for route in routes(lab.layout.router) if route["dst"] == address]
        return str(found[0]) if found else None

    def route(verb: str, protocol: int, target: str = address) -> None:
        subprocess.run(
            ["ip", "-n", node.namespace, "route", verb, f"{target}/32", "dev", "lo", "proto", str(protocol)], check=True
        )

    route("add", SERVICE_ROUTE_PROTOCOL)
    assert await eventually(gateway) == str(node.address)
    route("add", 202, "172.16.10.78")
    route("add", SERVICE_ROUTE_PROTOCOL, "192.0.2.1")
    route("del", SERVICE_ROUTE_PROTOCOL)
    await eventually(lambda: gateway() is None)
    taken = {route["dst"] for route in routes(lab.layout.router) if route.get("protocol") == "bird"}
    assert taken == {"172.16.0.0/16"}, "only service addresses of the agent's protocol are announced"


def test_each_node_has_a_libvirt_of_its_own(lab: Lab) -> None:
    names, uuids = set(), set()
    for node in lab.nodes:
        connection = libvirt.open(node.libvirt_uri)
        names.add(connection.getHostname())
        uuids.add(connection.getCapabilities().split("<uuid>")[1].split("<")[0])
        assert connection.listAllNetworks() == []
        connection.close()
    assert names == {node.name for node in lab.nodes}
    assert len(uuids) == len(lab.nodes)


@pytest.mark.parametrize("name", ["libvirtd", "virtlogd", "bird"])
async def test_a_daemon_that_was_killed_is_started_again(lab: Lab, name: str) -> None:
    node = lab.nodes[0].name
    daemon = next(each for each in lab.daemons()[node] if each.name == name)
    old = daemon.pid()
    daemon.kill(signal.SIGKILL)
    await eventually(lambda: daemon.pid() is None)
    lab.ensure_daemons()
    assert daemon.pid() not in (None, old)


def test_two_labs_live_side_by_side(lab: Lab, tmp_path: Path) -> None:
    other = Lab(settings("s", tmp_path, per_rack=1))
    before = lab.status()
    try:
        other.up()
    finally:
        other.down()
    assert traces(other) == []
    assert lab.status() == before


def test_nodes_have_a_run_folder_of_their_own_where_the_machines_is_a_mount(tmp_path: Path) -> None:
    """As on a systemd host. What is mounted there was taken for the node's: its daemons wrote to the machine's."""
    made = settings("r", tmp_path, per_rack=1)
    up_and_down_elsewhere(made)
    assert traces(Lab(made)) == []


KILLED_UP = """
import os, signal, subprocess, sys
from pathlib import Path
from pyroute2 import netns
from pyroute2.iproute.linux import RTNL_API
from controller.lab.lab import Lab
from controller.lab.settings import LabSettings

left = int(sys.argv[2])

def counted(owner, name):
    real = getattr(owner, name)

    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    setattr(owner, name, call)

# Tools that are run, and requests to the kernel.
for owner, name in (subprocess, "run"), (netns, "create"), *((RTNL_API, name) for name in ("link", "addr", "route")):
    counted(owner, name)
Lab(LabSettings.model_validate_json(sys.argv[1])).up()
"""


@pytest.mark.parametrize("calls", [4, 11, 32, 34, 39, 42, 43, 48, 52, 54])
@pytest.mark.parametrize("repair", ["down", "up"])
def test_a_lab_that_was_killed_half_way_is_cleaned_or_finished(tmp_path: Path, calls: int, repair: str) -> None:
    lab = Lab(settings("h", tmp_path))
    try:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_UP, lab.settings.model_dump_json(), str(calls)], capture_output=True
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        if repair == "up":
            lab.up()
            assert lab.is_up()
    finally:
        lab.down()
    assert traces(lab) == []


HOLDING = """
import sys
from controller.lab.lab import Lab
from controller.lab.settings import LabSettings
from tests.python.lab_guard import guarded

made = LabSettings.model_validate_json(sys.argv[1])
with guarded(made):
    Lab(made).up()
    print("up", flush=True)
    sys.stdin.read()
"""


def run_that_holds(made: LabSettings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDING, made.model_dump_json()]
    root = Path(__file__).parents[4]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)


async def test_a_run_that_is_killed_leaves_no_lab(tmp_path: Path) -> None:
    made = settings("g", tmp_path, per_rack=1)
    lab, run = Lab(made), run_that_holds(made)
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        assert traces(lab)
        run.kill()
        run.communicate()
        await eventually(lambda: traces(lab) == [])
    finally:
        run.kill()
        lab.down()
