"""Nodes have cgroups of their own where the machine lets them; the machine's others are as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.lab import cgroups, node
from controller.lab.cgroups import Cgroups
from controller.lab.lab import Lab
from tests.python.eventually import eventually
from tests.python.integration.lab.conftest import requires_root, settings, traces

pytestmark = requires_root

OURS = ("rs-", "resource-service-test-")
"""How the names of cgroups begin that labs and tests make. A test's own ones have the number of its process."""


@pytest.fixture
def machine() -> Cgroups:
    found = cgroups.machine()
    if reason := found.why_not(f"rs-q{os.getpid()}-probe"):
        pytest.skip(reason)
    return found


def tops(machine: Cgroups) -> set[Path]:
    """Return the machine's cgroups, except for what other runs of the tests and other labs make at the same time."""
    found = {path for tree in machine.trees for path in tree.point.iterdir() if path.is_dir()}
    return {path for path in found if not path.name.startswith(OURS) or str(os.getpid()) in path.name}


def mounted(enter: Callable[..., list[str]]) -> list[str]:
    lines = subprocess.check_output(enter("cat", "/proc/self/mountinfo"), text=True).splitlines()
    return [line for line in lines if " /sys/fs/cgroup" in line]


def of_process(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


@pytest.mark.design("I3")
def test_each_libvirt_is_in_the_cgroup_of_its_node_and_sees_it_as_the_root(machine: Cgroups, lab: Lab) -> None:
    for each in lab.nodes:
        assert node.limits_cpus(each)
        (pid,) = [daemon.pid() for daemon in lab.daemons()[each.name] if daemon.name == "libvirtd"]
        assert pid is not None
        assert len([line for line in of_process(pid).splitlines() if f"/{each.namespace}" in line]) == len(
            machine.trees
        )
        for tree in machine.trees:
            seen = subprocess.check_output(each.enter("cat", f"{tree.point}/cgroup.procs"), text=True)
            leaf = subprocess.check_output(["cat", tree.members(each.namespace) / "cgroup.procs"], text=True)
            assert str(pid) in leaf.split()
            assert set(seen.split()) <= set(leaf.split()), "and nothing of the machine's"
    for tree in machine.trees:
        # So that a tree that was mounted again differs from this one.
        subprocess.run(lab.nodes[0].enter("mount", "-o", "remount,bind,noexec", str(tree.point)), check=True)
    mounts = [mounted(each.enter) for each in lab.nodes]
    lab.up()
    assert [mounted(each.enter) for each in lab.nodes] == mounts


async def test_a_libvirt_that_is_started_again_is_in_its_cgroup(machine: Cgroups, lab: Lab) -> None:
    each = lab.nodes[0]
    (daemon,) = [daemon for daemon in lab.daemons()[each.name] if daemon.name == "libvirtd"]
    old = daemon.pid()
    daemon.kill(signal.SIGKILL)
    await eventually(lambda: daemon.pid() is None)
    lab.ensure_daemons()
    pid = daemon.pid()
    assert pid is not None
    assert pid != old
    assert f"/{each.namespace}" in of_process(pid)


class Unmounted(Cgroups):
    """Nodes go on to see the machine's trees."""

    def mounts(self) -> list[str]:
        return ["true"]


def test_what_a_node_would_not_see_is_found_out_before_one_is_made(machine: Cgroups) -> None:
    before = tops(machine)
    assert "of its own" in Unmounted(machine.trees, machine.hidden).why_not(f"rs-q{os.getpid()}-probe")
    assert tops(machine) == before


def test_only_cgroups_of_the_lab_come_and_go(machine: Cgroups, tmp_path: Path) -> None:
    before, lab = tops(machine), Lab(settings("c", tmp_path, per_rack=1))
    try:
        lab.up()
        wanted = {tree.point / each.namespace for tree in machine.trees for each in lab.nodes}
        assert tops(machine) - before == wanted
    finally:
        lab.down()
    assert tops(machine) == before


def test_a_lab_comes_up_without_them_and_says_why(tmp_path: Path) -> None:
    said: list[str] = []
    lab = Lab(settings("w", tmp_path, per_rack=1), cgroups=lambda: Cgroups(()))
    try:
        lab.up(said.append)
        assert lab.is_up()
        (line,) = [line for line in said if "cannot limit cpu time" in line]
        assert "the cpu controller of cgroups is not mounted" in line
        assert "cgroup_controllers = []" in (lab.nodes[0].root / "etc-libvirt/qemu.conf").read_text()
        assert not node.limits_cpus(lab.nodes[0])
    finally:
        lab.down()
    assert traces(lab) == []


def test_nodes_that_were_created_without_them_stay_so_until_the_lab_is_created_again(
    machine: Cgroups, tmp_path: Path
) -> None:
    made = settings("n", tmp_path, per_rack=1)
    said: list[str] = []
    try:
        Lab(made, cgroups=lambda: Cgroups(())).up()
        pids = Lab(made).status()
        Lab(made).up(said.append)
        assert [line for line in said if "created without cgroups" in line]
        assert Lab(made).status() == pids, "nothing that runs was touched"
        Lab(made).down(keep_state=True)
        said.clear()
        Lab(made).up(said.append)
        assert not [line for line in said if "cpu time" in line]
        assert node.limits_cpus(Lab(made).nodes[0])
    finally:
        Lab(made).down()


def test_a_cgroup_is_not_taken_for_one_whose_name_begins_with_its_own(machine: Cgroups, tmp_path: Path) -> None:
    prefix = f"rs-p{os.getpid()}-"
    handles = [tmp_path / str(number) for number in range(3)]
    try:
        for name, handle in zip(("node10", "node1", "node1"), handles, strict=True):
            machine.make(f"{prefix}{name}", handle)
        assert {path.name for path in tops(machine) if path.name.startswith(prefix)} == {
            f"{prefix}node1",
            f"{prefix}node10",
        }
    finally:
        for handle in handles:
            subprocess.run(["umount", handle], check=False, capture_output=True)
        machine.remove(prefix)
    assert not [path for path in tops(machine) if path.name.startswith(prefix)]


def test_down_kills_what_is_in_the_cgroups_wherever_else_it_is(machine: Cgroups, tmp_path: Path) -> None:
    """A start that was killed may leave a process that has joined, and not yet entered a namespace."""
    lab = Lab(settings("j", tmp_path, per_rack=1))
    try:
        lab.up()
        wait = [sys.executable, "-c", "import sys; print('in', flush=True); sys.stdin.read()"]
        command = machine.join(lab.nodes[0].namespace, *wait)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "in\n"
            lab.down()
            assert process.wait(60) == -signal.SIGKILL
    finally:
        lab.down()
    assert traces(lab) == []
