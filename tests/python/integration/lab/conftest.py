"""Labs for tests: small, with ids of their own, gone afterwards whatever happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.lab import cgroups
from controller.lab.lab import Lab
from controller.lab.namespaces import networks, processes_in, processes_marked
from controller.lab.settings import LabSettings, handles_folder, tokyo_nodes
from tests.python.lab_guard import guarded

requires_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")


def settings(letter: str, folder: Path, racks: int = 1, per_rack: int = 2) -> LabSettings:
    """Return settings with an id that no other test run on this machine has."""
    return LabSettings(id=f"{letter}{os.getpid()}", folder=folder, nodes=tokyo_nodes(racks, per_rack))


def traces(lab: Lab) -> list[str]:
    """Return everything of a lab that is on the machine: processes, namespaces, mounts, cgroups, files."""
    own = lab.settings.id
    found = [f"process {pid}" for pid in {*processes_in(networks(f"rs-{own}-")), *processes_marked(own)}]
    found += [f"namespace {name}" for name in networks(f"rs-{own}-")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if own in line]
    found += [line for line in subprocess.check_output(["lsns", "-n"], text=True).splitlines() if own in line]
    found += [str(path) for tree in cgroups.machine().trees for path in tree.point.glob(f"rs-{own}-*")]
    return found + [str(path) for path in (lab.settings.state, handles_folder() / own) if path.exists()]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of two nodes that is up."""
    made = Lab(settings("m", tmp_path_factory.mktemp("lab")))
    with guarded(made.settings):
        try:
            made.up()
            yield made
        finally:
            made.down()
