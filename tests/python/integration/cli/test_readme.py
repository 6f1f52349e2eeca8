"""The tour of the README, its own code blocks run by a shell, with every process for real and the in-memory driver.

Left out are the blocks that start, stop and kill the lab, and the console, which needs a terminal; tests of the lab
have them. What the README shows of a command's output is compared with what the command prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.site import Site, site
from controller.client import Client
from tests.python.eventually import eventually
from tests.python.integration.cli.conftest import IMAGE, ROOT, TOKYO

README = (ROOT / "README.md").read_text()
NODES = [f"floor-1-1-1-rack-1-{rack}-server{server}" for rack in (1, 2) for server in (1, 2)]
LAB_ONLY = re.compile(r"^(make|export|pkill|resourcectl console)\b", re.MULTILINE)
FOREVER = re.compile(r"^(resourcectl get .*) -w$", re.MULTILINE)
SHOWN = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def blocks() -> list[str]:
    """The code blocks of the tour that a shell can run against any site."""
    tour = README.partition("## A first tour")[2].partition("## Where to read on")[0]
    found = re.findall(r"^```\n(.*?)^```$", tour, re.MULTILINE | re.DOTALL)
    return [block for block in found if "resourcectl" in block or "ansible" in block]


@pytest.fixture
def running() -> Iterator[Site]:
    with site("sqlite", "tokyo1") as made:
        yield made.start("resource-api", "cluster-api", "resource-controller", "cluster-controller")


async def _applied(running: Site, client: Client) -> None:
    """The example as ``make up`` applies it, with the endpoint of this site."""
    documents = [document for file in sorted(TOKYO.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())]
    for document in documents:
        if document["kind"] == "Cluster":
            document["spec"]["endpoint"] = running.cluster_endpoint
    client.apply([*documents, yaml.safe_load(IMAGE)])
    running.simulate_some("simulate", "--names", ",".join(NODES), "--provider", "libvirt")
    await eventually(lambda: [vm["status"] for vm in client.list("Compute")] == ["Active"] * 3, every=0.2)


def _run(running: Site, script: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("RESOURCE_", "ANSIBLE_"))}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}",
        "RESOURCE_SERVER": running.url,
        "RESOURCE_TOKEN": running.token,
        "RESOURCE_CONFIG": f"{running.folder}/config.toml",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "HOME": str(running.folder),
        "COLUMNS": "200",
    }
    command = ["bash", "-e", "-o", "pipefail", "-c", f"cd {ROOT}\n{script}"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.design("A9", "N7")
async def test_the_tour_of_the_readme(running: Site) -> None:
    with running.client() as client:
        await _applied(running, client)
        for block in blocks():
            for command, output in SHOWN.findall(block):
                done = _run(running, command)
                assert done.stdout + done.stderr == output
            if SHOWN.search(block) or LAB_ONLY.search(block):
                continue
            script = FOREVER.sub(r"\1", block).replace("web.yaml", f"{running.folder}/web.yaml")
            done = _run(running, script.replace("topology.yml", f"{running.folder}/topology.yml"))
            assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            assert "[WARNING]" not in done.stderr, done.stderr
            await eventually(lambda: _is_still(client), every=0.2)


def _is_still(client: Client) -> bool:
    """Whether nothing is under way: the next block of a reader comes after a look at the last one's end."""
    services, machines = list(client.list("RegionService")), list(client.list("Compute"))
    moves = [vm for vm in machines if vm["observed"].get("migrating_to")]
    return not moves and {each["status"] for each in (*services, *machines)} <= {"Active"}


def test_the_tour_has_the_blocks_that_are_left_out_and_no_more() -> None:
    """A pattern that took in more would take a command out of the test above."""
    left_out = [block.strip().splitlines()[0] for block in blocks() if LAB_ONLY.search(block)]
    assert left_out == [
        "resourcectl console web-0",
        "pkill -KILL -f 'run cluster-controller --config /var/lib/resource-service-lab/tokyo'",
        "resourcectl delete service web",
    ]
