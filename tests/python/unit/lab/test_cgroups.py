"""Which of the machine's cgroups a lab's nodes could use, told by the list of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.lab.cgroups import Cgroups, Tree, find

CPU = "32 31 0:29 / {root}/cpu rw,relatime - cgroup cgroup rw,cpu\n"
CPUSET = "33 31 0:30 / {root}/cpuset rw,relatime shared:9 master:3 - cgroup cgroup rw,cpuset,clone_children\n"
CPUACCT = "40 31 0:37 / {root}/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
TOGETHER = "34 31 0:31 / {root}/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
MEMORY = "35 31 0:32 / {root}/memory rw,relatime - cgroup cgroup rw,memory\n"
SYSTEMD = "36 31 0:33 / {root}/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
UNIFIED = "37 31 0:34 / {root}/unified rw,relatime - cgroup2 cgroup2 rw\n"
SECOND = "38 24 0:35 / {root} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
ELSEWHERE = "39 24 0:36 / /srv/chroot/cgroup/cpu rw - cgroup cgroup rw,cpu\n"


def found(root: Path, *lines: str) -> Cgroups:
    return find("".join(lines).format(root=root), root)


def test_version_1_has_a_tree_per_controller_and_that_of_version_2_is_in_the_way(tmp_path: Path) -> None:
    cgroups = found(tmp_path, MEMORY, CPU, CPUACCT, SYSTEMD, CPUSET, UNIFIED)
    assert cgroups.trees == (
        Tree(tmp_path / "cpu", ("cpu",), "cpu"),
        Tree(tmp_path / "cpuset", ("cpuset",), "cpuset"),
    )
    assert cgroups.hidden == (tmp_path / "unified",)
    assert cgroups.controllers == ("cpu", "cpuset")


def test_a_tree_is_mounted_anew_by_all_of_its_controllers(tmp_path: Path) -> None:
    cgroups = found(tmp_path, TOGETHER)
    assert cgroups.trees == (Tree(tmp_path / "cpu,cpuacct", ("cpu", "cpuacct"), "cpu,cpuacct"),)
    assert cgroups.mounts()[-3:] == [f"{tmp_path}/cpu,cpuacct", "cgroup", "cpu,cpuacct"]
    assert cgroups.controllers == ("cpu", "cpuacct"), "libvirt refuses one without the other where they are one tree"


@pytest.mark.parametrize(("delegated", "controllers"), [("cpuset cpu io", ("cpu", "cpuset")), ("cpu io", ("cpu",))])
def test_version_2_gives_what_it_delegates(tmp_path: Path, delegated: str, controllers: tuple[str, ...]) -> None:
    (tmp_path / "cgroup.subtree_control").write_text(f"{delegated}\n")
    cgroups = found(tmp_path, SECOND)
    assert cgroups.trees == (Tree(tmp_path, controllers),)
    assert cgroups.controllers == controllers
    assert cgroups.hidden == ()


def test_processes_of_version_2_are_in_a_leaf_and_those_of_version_1_at_the_top() -> None:
    assert Tree(Path("/c/cpu"), ("cpu",), "cpu").members("rs-a-node1") == Path("/c/cpu/rs-a-node1")
    assert Tree(Path("/c"), ("cpu",)).members("rs-a-node1") == Path("/c/rs-a-node1/daemons")


def test_what_version_2_does_not_delegate_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("memory pids\n")
    cgroups = found(tmp_path, SECOND)
    assert cgroups.why_not("a") == f"{tmp_path}/cgroup.subtree_control does not delegate the cpu controller"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "memory pids\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cgroup.subtree_control"]


@pytest.mark.parametrize("line", ["", MEMORY, SYSTEMD, CPUSET, ELSEWHERE])
def test_a_machine_without_the_cpu_controller_has_nothing_for_nodes(tmp_path: Path, line: str) -> None:
    cgroups = found(tmp_path, line)
    assert cgroups.trees == ()
    assert "the cpu controller of cgroups is not mounted" in cgroups.why_not("a")


def test_what_cannot_be_made_is_the_reason(tmp_path: Path) -> None:
    """A folder that is no cgroup takes no processes, as one that is mounted read-only takes no folders."""
    cgroups = found(tmp_path, CPU)
    (tmp_path / "cpu").write_text("a file, where the tree should be")
    assert cgroups.why_not("a") == f"{tmp_path}/cpu/a: Not a directory"
