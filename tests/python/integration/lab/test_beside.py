"""A lab takes nothing away from another one, also when they do not see each other.

::

    the machine's mount namespace        another one, with a /run of its own
      lab: node1, node2                    other lab: up, down
           \\______ /var/lib/resource-service, /sys/fs/cgroup ______/

The test of a lab on a ``/run`` of its own removed the shared folder from below the nodes of a running ``make up``: its
``down`` saw no handles of other labs, and the kernel lets a mount point of another mount namespace be removed. The
agents of the running lab then wrote into the machine's folder.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import Conflict
from controller.lab import mounts, node, up
from controller.lab.lab import Lab
from controller.lab.settings import handles_folder
from tests.python.integration.lab.conftest import elsewhere, requires_root, settings, traces, up_and_down_elsewhere
from tests.python.lab_guard import guarded

pytestmark = requires_root

HOLD = "import sys; print('in', flush=True); sys.stdin.read()"


def write_notes(lab: Lab) -> None:
    for each in lab.nodes:
        subprocess.run(each.enter("sh", "-c", f"echo {each.name} >{node.STATE}/note"), check=True)


def stands(lab: Lab) -> bool:
    """Return whether each node still has its own state folder where its agent looks for it."""
    return all(
        subprocess.run(each.enter("cat", f"{node.STATE}/note"), capture_output=True, text=True).stdout
        == f"{each.name}\n"
        for each in lab.nodes
    )


@pytest.fixture
def marked(lab: Lab) -> Iterator[Lab]:
    write_notes(lab)
    before = lab.status()
    yield lab
    assert lab.status() == before
    assert stands(lab)
    assert not (node.STATE / "note").exists(), "nothing was written into the machine's folder"


def test_a_lab_that_sees_no_other_lab_takes_nothing_away(marked: Lab, tmp_path: Path) -> None:
    other = settings("b", tmp_path, per_rack=1)
    up_and_down_elsewhere(other)
    assert traces(Lab(other)) == []


def test_a_lab_of_an_older_version_has_no_entry_and_keeps_its_folder(marked: Lab, tmp_path: Path) -> None:
    own = node.entry(marked.settings)
    own.rmdir()
    try:
        up_and_down_elsewhere(settings("o", tmp_path, per_rack=1))
        assert node.STATE.exists()
    finally:
        own.mkdir()


def test_a_lab_whose_processes_have_all_ended_keeps_its_folder(
    marked: Lab, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Then only the files below /run show its mount namespaces."""
    quiet = Lab(settings("q", tmp_path_factory.mktemp("quiet"), per_rack=1))
    with guarded(quiet.settings):
        try:
            quiet.up()
            write_notes(quiet)
            for daemons in quiet.daemons().values():
                for daemon in daemons:
                    daemon.kill()
            node.entry(quiet.settings).rmdir()
            assert [use for use in mounts.uses_of(node.STATE) if str(handles_folder() / quiet.settings.id) in use]
            up.down(settings("x", tmp_path))
            assert stands(quiet)
        finally:
            quiet.down()
    assert traces(quiet) == []


def test_down_leaves_state_that_another_mount_namespace_shows(marked: Lab, tmp_path: Path) -> None:
    """Whoever stands on it would go on in a folder that is not there any more."""
    other = Lab(settings("y", tmp_path))
    note = other.settings.state / "nodes/node1/state/note"
    note.parent.mkdir(parents=True)
    note.write_text("kept")
    point = tmp_path / "point"
    point.mkdir()
    shell = f'mount --bind {note.parent} {point} && exec "$@"'
    command = elsewhere("sh", "-c", shell, "sh", sys.executable, "-c", HOLD)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        with pytest.raises(Conflict, match=f"still in use: {point} of process {holder.pid} "):
            other.down()
        assert note.read_text() == "kept"
        holder.communicate("")
    other.down()
    assert traces(other) == []
