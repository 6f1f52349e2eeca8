"""Labs for tests: small, with ids of their own, gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.lab import cgroups, node
from controller.lab.lab import Lab
from controller.lab.namespaces import networks, processes_in, processes_marked
from controller.lab.settings import LabSettings, handles_folder, tokyo_nodes
from tests.python.lab_guard import guarded

requires_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")


def settings(letter: str, folder: Path, racks: int = 1, per_rack: int = 2) -> LabSettings:
    """Return settings with an id that no other test run on this machine has."""
    return LabSettings(id=f"{letter}{os.getpid()}", folder=folder, nodes=tokyo_nodes(racks, per_rack))


def commands() -> list[str]:
    """Return the command lines of the machine's processes. One that ends meanwhile is passed over.

    So is the guard of the tests: it ends with them, and takes down what they leave.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # ESRCH, not only ENOENT, where the process ends between open and read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if f"-m {guarded.__module__} " not in command]


def traces(lab: Lab) -> list[str]:
    """Return everything of a lab that is on the machine: processes, namespaces, mounts, cgroups, files."""
    own = lab.settings.id
    found = [f"process {pid}" for pid in {*processes_in(networks(f"rs-{own}-")), *processes_marked(own)}]
    found += [f"namespace {name}" for name in networks(f"rs-{own}-")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if own in line]
    found += [f"process {command}" for command in commands() if own in command]
    found += [str(path) for tree in cgroups.machine().trees for path in tree.point.glob(f"rs-{own}-*")]
    folders = (lab.settings.state, handles_folder() / own, node.entry(lab.settings))
    return found + [str(path) for path in folders if path.exists()]


UP_AND_DOWN = """
import sys
from controller.lab.lab import Lab
from controller.lab.settings import LabSettings

lab = Lab(LabSettings.model_validate_json(sys.argv[1]))
try:
    lab.up()
    assert lab.is_up()
finally:
    lab.down()
"""


def elsewhere(*command: str) -> list[str]:
    """Return the command line that runs ``command`` in a mount namespace with a ``/run`` of its own."""
    below = "findmnt -rno TARGET | grep ^/run/ | sort -r | xargs -r umount -l"
    tmpfs = f'{below}; mount -t tmpfs run /run && mkdir /run/lock && exec "$@"'
    # On one cpu: each numbers its namespaces by itself, and a mount namespace is only kept in one of a lower number.
    cpu = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    return [*cpu, "unshare", "--mount", "--propagation=private", "sh", "-c", tmpfs, "run", *command]


def up_and_down_elsewhere(made: LabSettings) -> None:
    """Start and remove a lab in a mount namespace with a ``/run`` of its own."""
    command = elsewhere(sys.executable, "-c", UP_AND_DOWN, made.model_dump_json())
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


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
