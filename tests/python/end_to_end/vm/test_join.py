"""The page about joining a node, followed word for word by an operator who has nothing else.

The machine is one of the lab's, bare: its own ``/etc`` and ``/opt``, a libvirtd of Debian's settings, no
agent. What the lab has not is stood in for: systemd (the unit's command line is started by hand), sshd (files are
copied), and packages (they are looked for, not installed).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.agent.host.kvm import accelerator
from controller.client import Client
from controller.lab import files, probe, up
from controller.lab.command import run
from controller.lab.guest import cache_folder, guest_image
from controller.lab.lab import Lab
from controller.lab.plane import CLUSTER, ControlPlane
from controller.lab.settings import LINKS, LabSettings, Node, NodePlan
from controller.model import registry
from tests.python import lab_network
from tests.python.end_to_end.vm.conftest import EXAMPLES
from tests.python.end_to_end.vm.page import Command, File, steps
from tests.python.ports import free_port

pytestmark = [
    pytest.mark.vm,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
CHECKOUT = EXAMPLES.parents[1]
PAGE = CHECKOUT / "docs/operations/join-a-node.md"
RACK = "floor-1-1-1-rack-1-1"
OLD, NEW = f"{RACK}-server1", f"{RACK}-server3"
WEB_0 = registry.get("Compute").key("kanto", "web-0")
NODE = registry.get("Node").key(CLUSTER, NEW)
DEADLINE = 240.0

# The lab's part in the machine: one host has one UUID, and namespaces offer QEMU no cgroups or devices of its own.
_QEMU = 'security_driver = "none"\nnamespaces = []\ncgroup_controllers = []\n'
_BARE = """
set -eu
mount -t tmpfs none /opt
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc
mount --bind "$1/etc-libvirt" /etc/libvirt
mount --bind "$1/hosts" /etc/hosts
"""
_SYSTEMCTL = """#!/bin/sh
set -eu
case "$*" in
  "mask --now libvirtd"*|daemon-reload) ;;
  "restart libvirtd")
    virtlogd --daemon -p /run/virtlogd.pid
    . /etc/default/libvirtd
    libvirtd --daemon $LIBVIRTD_ARGS -p /run/libvirtd.pid ;;
  "restart bird") bird -c /etc/bird/bird.conf -s /run/bird.ctl -P /run/bird.pid ;;
  "enable --now cluster-agent")
    setsid --fork $(sed -n s/^ExecStart=//p /etc/systemd/system/cluster-agent.service) >>"$AGENT_LOG" 2>&1 </dev/null ;;
  *) echo "the page says: systemctl $*" >&2; exit 1 ;;
esac
"""


class Operator:
    """Follows the page: on the machine that joins, and where the control plane is."""

    def __init__(self, plane: ControlPlane, machine: Node, folder: Path) -> None:
        self._plane, self._machine, self._folder = plane, machine, folder
        self.log = folder / "cluster-agent.log"
        self._stand_in("systemctl", _SYSTEMCTL)
        self._stand_in("scp", f'#!/bin/sh\nexec {" ".join(machine.enter())} tee "${{2#*:}}" <"$1" >/dev/null\n')

    def follow(self, step: Command | File) -> str:
        """Do a step; what it printed. Raises AssertionError with its words when it fails."""
        if isinstance(step, File):
            write = 'cat >>"$1"' if step.append else 'cat >"$1"'
            return self._run(self._machine.enter("sh", "-c", write, "sh", step.path), step.text)
        line = step.line.replace("/path/to/resource-service", str(CHECKOUT))
        if line.startswith("apt-get install -y "):
            line = line.replace("apt-get install -y", "dpkg -s")
        elif line.startswith("python3 -m venv /opt/resource-service"):
            line = f"ln -s {sys.prefix} /opt/resource-service"
        elif "/bin/pip install" in line:
            return ""
        enter = {"admin$": [], "node#": self._machine.enter()}[step.prompt]
        return self._run([*enter, "bash", "-euc", line])

    def _run(self, command: list[str], text: str | None = None) -> str:
        environment = {
            "PATH": f"{self._folder}/bin:{sys.prefix}/bin:{os.environ['PATH']}",
            "RESOURCE_SERVER": self._plane.url,
            "RESOURCE_TOKEN_FILE": str(self._plane.token_file),
            "AGENT_LOG": str(self.log),
            # All nodes of the lab are one machine, and must run guests in one way to migrate them.
            "RESOURCE_LIBVIRT__ACCELERATOR": accelerator(cache_folder(), guest_image().kernel),
            "RESOURCE_IMAGES__FOLDERS": json.dumps([str(cache_folder())]),
            "RESOURCE_LIBVIRT__CAPACITY__VCPUS": "8",
            "RESOURCE_LIBVIRT__CAPACITY__MEMORY_MIB": "4096",
        }
        done = subprocess.run(
            command, input=text or "", capture_output=True, text=True, cwd=self._folder, env=environment, timeout=120
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _stand_in(self, name: str, script: str) -> None:
        files.write(self._folder / "bin" / name, script, 0o755)


@pytest.fixture
def plane(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A site of one node and one virtual machine."""
    plans = (NodePlan(name=OLD, rack=RACK),)
    # Not in the folder of the test: its name is long, and paths of sockets are not.
    settings = LabSettings(
        id=f"j{os.getpid()}", folder=tmp_path_factory.mktemp("lab"), api_port=free_port(), nodes=plans
    )
    examples = tmp_path / "tokyo"
    shutil.copytree(EXAMPLES, examples)
    web = (examples / "web.yaml").read_text()
    files.write(examples / "web.yaml", web.replace("replicas: 3", "replicas: 1"))
    try:
        result = up.up(settings, examples)
        assert result.complete, result.machines
        yield ControlPlane(Lab(settings))
    finally:
        up.down(settings)


@pytest.fixture
def machine(plane: ControlPlane) -> Node:
    """One more machine at the router's next port; nothing of ours is on it."""
    settings = plane.lab.settings
    lab = Lab(settings.model_copy(update={"nodes": (*settings.nodes, NodePlan(name=NEW, rack=RACK))}))
    made = lab.nodes[-1]
    lab.up()
    run(*lab.in_router("birdc", "-s", str(lab.layout.router_state / "bird.ctl"), "configure"))
    for daemon in lab.daemons()[NEW]:
        daemon.kill()
    _until(lambda: not any(daemon.pid() for daemon in lab.daemons()[NEW]))
    host = f'host_uuid = "{uuid.uuid4()}"\n'
    files.write(made.root / "etc-libvirt/libvirtd.conf", Path("/etc/libvirt/libvirtd.conf").read_text() + host)
    files.write(made.root / "etc-libvirt/qemu.conf", _QEMU)
    run(*made.enter("bash", "-c", _BARE, "bare", str(made.root)))
    return made


def test_a_machine_joins_by_the_page_alone(plane: ControlPlane, machine: Node, tmp_path: Path) -> None:
    control = plane.lab.layout.control
    names = {
        "10.0.0.0/24": str(LINKS),
        "10.0.0.1": str(control.address),
        "10.0.0.12": str(machine.address),
        "10.0.0.254": str(machine.gateway),
        "65112": str(machine.as_number),
        "/etc/resource-service/pki": f"{plane.folder}/authorities",
    }
    operator = Operator(plane, machine, tmp_path / "operator")
    with Client(plane.url, token=plane.token_file.read_text().strip()) as client:
        boot = _answer(plane, client)["boot_id"]
        for step in steps(PAGE, names):
            if isinstance(step, Command) and step.line.startswith("resourcectl migrate"):
                _until(lambda: client.get(NODE)["state"] == "Up", operator)
            operator.follow(step)
        _until(lambda: _node_of(client) == NEW and client.get(WEB_0)["status"] == "Active", operator)
        _until(lambda: _answer(plane, client).get("boot_id") == boot, operator)
        assert _route_to(plane, client) == str(machine.address)


def _node_of(client: Client) -> str:
    return str(client.get(WEB_0)["observed"].get("node"))


def _answer(plane: ControlPlane, client: Client) -> dict[str, Any]:
    return probe.ask(plane.lab, _address(client)) or {}


def _address(client: Client) -> str:
    return str(client.get(WEB_0)["spec"]["interfaces"][0]["address"])


def _route_to(plane: ControlPlane, client: Client) -> str:
    found = [route for route in lab_network.routes(plane.lab.layout.router) if route["dst"] == _address(client)]
    return str(found[0].get("gateway")) if found else ""


def _until(true: Callable[[], bool], operator: Operator | None = None) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, operator.log.read_text()[-4000:] if operator else "the machine is not bare"
        time.sleep(0.3)
