"""Creates and removes the cgroups of a lab's nodes, which their libvirts need to limit cpu time.

A node has a cgroup of its own and uses it as the root of its tree. A cgroup namespace begins there; a
file keeps it, as it keeps the node's other namespaces. In the node's mounts, trees that begin at that
cgroup replace the machine's. So the libvirts of two nodes never use the same cgroup, and nothing
depends on a process that may be killed: what is left is found by its name.

Supports version 1 and version 2. Only cgroups whose names the caller gives, and what is in them, are
created, written to or removed; the machine's own are only read. So version 2 is usable only where the
machine already delegates the cpu controller. ``why_not`` tries everything before anything depends on it.

Not promised: that a node that was created without cgroups gets some later.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.errors import ResourceError, Unavailable
from controller.lab.command import run

CONTROLLERS = ("cpu", "cpuset")
"""Controllers that a node's libvirt uses if they exist. Without the first one, nodes get no cgroups."""

ROOT = Path("/sys/fs/cgroup")

# Version 2 allows processes only in cgroups that delegate no controllers, and libvirt delegates from the root.
_LEAF = "daemons"

# Version 1: controllers that may be mounted together with ours, and must be named then.
_KNOWN = {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "pids"}

_OURS = frozenset(CONTROLLERS)
_DEADLINE = 10.0

_JOIN = r"""
while [ "$1" != -- ]; do echo $$ >"$1" || exit; shift; done
shift
exec "$@"
"""

# Runs inside the node's namespaces and may run again. A tree that begins at the node's own cgroup has the root "/".
_MOUNT = r"""
set -eu
own() { awk -v "point=$1" '$5 == point { root = $4 } END { exit root != "/" }' /proc/self/mountinfo; }
mounted() { awk -v "point=$1" '$5 == point { found = 1 } END { exit !found }' /proc/self/mountinfo; }
while [ "$1" != -- ]; do
  if mounted "$1"; then umount -l "$1"; fi
  shift
done
shift
while [ $# -gt 0 ]; do
  if ! own "$1"; then
    umount -l "$1"
    mount -t "$2" -o "$3" none "$1"
  fi
  shift 3
done
"""


# Checks what a node would have: the cgroup that this process is in, with a quota of its own.
_CHECK = r"""
tree=$1 quota=$2
shift 2
"$@" || exit
if ! { grep -qx $$ "$tree/cgroup.procs" && test -e "$tree/$quota"; }; then
  echo "a node does not have a $quota of its own in $tree"
  exit 1
fi
"""


@dataclass(frozen=True)
class Tree:
    """A hierarchy of cgroups that has at least one of ``CONTROLLERS``."""

    point: Path
    """Its mount point."""
    controllers: tuple[str, ...]
    """The controllers of ``CONTROLLERS`` that new cgroups in it have, and those that libvirt needs with them."""
    options: str = ""
    """Its mount options; empty for version 2."""

    @property
    def version(self) -> int:
        """Return the version of its cgroups."""
        return 1 if self.options else 2

    def members(self, name: str) -> Path:
        """Return the folder of the cgroup of the node's processes, until libvirt moves them to another."""
        return self.point / name if self.version == 1 else self.point / name / _LEAF


@dataclass(frozen=True)
class Cgroups:
    """The machine's cgroups in which nodes can have their own."""

    trees: tuple[Tree, ...]
    hidden: tuple[Path, ...] = ()
    """Trees of version 2 in addition to those of version 1: libvirt fails on one that has no controllers."""

    @property
    def controllers(self) -> tuple[str, ...]:
        """Return the controllers that libvirt can use in a node's cgroup."""
        return tuple(one for tree in self.trees for one in tree.controllers)

    def why_not(self, name: str) -> str:
        """Return why nodes cannot have cgroups here; empty when they can. Creates and removes one of that name."""
        if not self.trees:
            return f"the cpu controller of cgroups is not mounted below {ROOT}"
        if "cpu" not in self.controllers:
            return f"{self.trees[0].point}/cgroup.subtree_control does not delegate the cpu controller"
        tree = next(tree for tree in self.trees if "cpu" in tree.controllers)
        quota = "cpu.cfs_quota_us" if tree.version == 1 else "cpu.max"
        try:
            self._make(name)
            check = ("sh", "-c", _CHECK, "check", str(tree.point), quota, *self.mounts())
            inside = ("unshare", "--mount", "--propagation=private", "--cgroup", *check)
            run(*_join([tree.point / name for tree in self.trees], inside))
        except ResourceError as error:
            # The first line of a tool's output, without its command line.
            output = re.sub(r".* failed with \d+: ", "", error.message, flags=re.DOTALL)
            return (output.splitlines() or ["a node does not have a cgroup of its own"])[0]
        finally:
            with suppress(ResourceError):
                self._unmake(name)
        return ""

    def make(self, name: str, handle: Path) -> None:
        """Create a node's cgroup again, and keep a namespace that begins there in a file. Raises Unavailable.

        An existing cgroup of that name must have no processes.
        """
        self._make(name)
        handle.touch()
        run(*_join([tree.point / name for tree in self.trees], ("unshare", f"--cgroup={handle}", "true")))

    def mounts(self) -> list[str]:
        """Return the command that mounts the node's own trees; it runs in the node's mount and cgroup namespaces."""
        kinds = {1: "cgroup", 2: "cgroup2"}
        trees = [word for tree in self.trees for word in (str(tree.point), kinds[tree.version], tree.options or "rw")]
        return ["sh", "-c", _MOUNT, "mount", *map(str, self.hidden), "--", *trees]

    def join(self, name: str, *command: str) -> list[str]:
        """Return the command line that runs ``command`` as one of the node's processes. One process."""
        return _join([tree.members(name) for tree in self.trees], command)

    def processes(self, prefix: str) -> set[int]:
        """Return the processes in cgroups whose names begin with ``prefix``, or below them."""
        found: set[int] = set()
        for top in self._tops(prefix):
            for folder in _below(top):
                # Deleted cgroups, and those with threads only: their process is in the folder above.
                with suppress(OSError):
                    found |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
        return found - {0}  # 0 is a process of another process namespace

    def remove(self, prefix: str, *, deadline: float = _DEADLINE) -> None:
        """Remove the cgroups whose names begin with ``prefix``, with all below them. Their processes must have ended.

        Raises Unavailable when one cannot be removed within ``deadline`` seconds.
        """
        for top in self._tops(prefix):
            _remove(top, deadline)

    def _make(self, name: str) -> None:
        self._unmake(name)
        try:
            for tree in self.trees:
                tree.members(name).mkdir(parents=True)
                if tree.version == 1 and "cpuset" in tree.controllers:
                    for file in ("cpuset.cpus", "cpuset.mems"):
                        (tree.point / name / file).write_text((tree.point / file).read_text())
        except OSError as error:
            raise Unavailable(f"{error.filename}: {error.strerror}") from error

    def _unmake(self, name: str) -> None:
        for tree in self.trees:
            _remove(tree.point / name, _DEADLINE)

    def _tops(self, prefix: str) -> Iterator[Path]:
        for tree in self.trees:
            with suppress(FileNotFoundError):
                yield from [path for path in tree.point.iterdir() if path.name.startswith(prefix) and path.is_dir()]


def machine() -> Cgroups:
    """Return the cgroups of this machine. Cheap."""
    return find(Path("/proc/self/mountinfo").read_text())


def find(mountinfo: str, root: Path = ROOT) -> Cgroups:
    """Return the cgroups in a list of mounts, those below ``root`` only."""
    first: dict[str, Tree] = {}
    second: dict[Path, Tree] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point, (kind, _, options) = Path(left.split()[4]), right.split(" ", 2)
        if not point.is_relative_to(root):
            continue
        names = [name for name in options.split(",") if name in _KNOWN]
        if kind == "cgroup" and not _OURS.isdisjoint(names):
            # libvirt refuses to use cpu without cpuacct where both are one tree.
            used = tuple(one for one in (*CONTROLLERS, "cpuacct") if one in names)
            first[",".join(names)] = Tree(point, used, ",".join(names))
        elif kind == "cgroup2":
            second[point] = Tree(point, tuple(one for one in CONTROLLERS if one in _delegated(point)))
    if any("cpu" in tree.controllers for tree in first.values()):
        return Cgroups(tuple(first.values()), tuple(second))
    return Cgroups(tuple(second.values())[:1])


def enter(handle: Path, *command: str) -> list[str]:
    """Return the command line that runs ``command`` with a node's cgroup as the root. One process."""
    return ["nsenter", f"--cgroup={handle}", "--", *command]


def _delegated(point: Path) -> list[str]:
    try:
        return (point / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []


def _join(folders: list[Path], command: tuple[str, ...]) -> list[str]:
    return ["sh", "-c", _JOIN, "join", *(f"{folder}/cgroup.procs" for folder in folders), "--", *command]


def _remove(top: Path, deadline: float) -> None:
    limit = time.monotonic() + deadline
    while top.exists():
        try:
            for folder in _below(top):
                folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            # A killed process leaves its cgroup only at its very end.
            if error.errno != errno.EBUSY or time.monotonic() > limit:
                raise Unavailable(f"{top} cannot be removed: {error.strerror}") from error
            time.sleep(0.02)


def _below(top: Path) -> list[Path]:
    """Return a folder and all folders in it, the innermost first."""
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
