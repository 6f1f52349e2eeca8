"""Cgroups of a lab's nodes: what the libvirts in them limit cpu time by.

A node has a cgroup of its own and takes it for the root of all. A cgroup namespace begins there, kept
by a file as the node's other namespaces are, and in the node's mounts the machine's trees make way for
those that begin at that cgroup. So libvirts of two nodes never meet in one, and nothing depends on a
process that may be killed: what is left is found by its name.

Version 1 and version 2. Nothing is made, written to or removed but cgroups whose names the caller
gives, and what is in them; the machine's own are only read. So version 2 is of use only where the cpu
controller is handed down to them already. ``why_not`` tries it all out before anything depends on it.

Not promised: that a node made without cgroups gets some while it lives.
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
"""Controllers that a node's libvirt uses, where they are there. Without the first there are no cgroups for nodes."""

ROOT = Path("/sys/fs/cgroup")

# Version 2 allows processes only in cgroups that hand no controllers on, and libvirt hands them on from the root.
_LEAF = "daemons"

# Version 1: controllers that may be mounted together with ours, and have to be named then.
_KNOWN = {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "pids"}

_OURS = frozenset(CONTROLLERS)
_DEADLINE = 10.0

_JOIN = r"""
while [ "$1" != -- ]; do echo $$ >"$1" || exit; shift; done
shift
exec "$@"
"""

# Run inside the node's namespaces; may be run again. A tree that begins at the node's own cgroup has "/" for its root.
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


# A look at what a node would see: the cgroup that we are in, with a quota of its own.
_LOOK = r"""
tree=$1 quota=$2
shift 2
"$@" || exit
if ! { grep -qx $$ "$tree/cgroup.procs" && test -e "$tree/$quota"; }; then
  echo "a node does not see a $quota of its own in $tree"
  exit 1
fi
"""


@dataclass(frozen=True)
class Tree:
    """A hierarchy of cgroups that has controllers of ours."""

    point: Path
    """Where it is mounted."""
    controllers: tuple[str, ...]
    """Those of ours that cgroups made in it have, and what libvirt wants to use with them."""
    options: str = ""
    """What it is mounted by; version 2 needs nothing."""

    @property
    def version(self) -> int:
        """Of its cgroups."""
        return 1 if self.options else 2

    def members(self, name: str) -> Path:
        """Folder of the cgroup that processes of the node are in, until libvirt gives them another."""
        return self.point / name if self.version == 1 else self.point / name / _LEAF


@dataclass(frozen=True)
class Cgroups:
    """The machine's cgroups, as far as nodes can have some of their own."""

    trees: tuple[Tree, ...]
    hidden: tuple[Path, ...] = ()
    """Trees of version 2 beside those of version 1: libvirt stumbles over one that has no controllers."""

    @property
    def controllers(self) -> tuple[str, ...]:
        """Those that libvirt can use in a node's cgroup."""
        return tuple(one for tree in self.trees for one in tree.controllers)

    def why_not(self, name: str) -> str:
        """Why nodes cannot have cgroups here; empty when they can. Tried out with one of that name, gone afterwards."""
        if not self.trees:
            return f"no cpu controller of cgroups is mounted below {ROOT}"
        if "cpu" not in self.controllers:
            return f"{self.trees[0].point}/cgroup.subtree_control does not hand the cpu controller down"
        tree = next(tree for tree in self.trees if "cpu" in tree.controllers)
        quota = "cpu.cfs_quota_us" if tree.version == 1 else "cpu.max"
        try:
            self._make(name)
            look = ("sh", "-c", _LOOK, "look", str(tree.point), quota, *self.mounts())
            inside = ("unshare", "--mount", "--propagation=private", "--cgroup", *look)
            run(*_join([tree.point / name for tree in self.trees], inside))
        except ResourceError as error:
            # Of a tool, the first line of what it said, without its command line.
            said = re.sub(r".* failed with \d+: ", "", error.message, flags=re.DOTALL)
            return (said.splitlines() or ["a node does not see its own"])[0]
        finally:
            with suppress(ResourceError):
                self._unmake(name)
        return ""

    def make(self, name: str, handle: Path) -> None:
        """Make a node's cgroup anew, and keep a namespace that begins there by a file. Raises Unavailable.

        No process may be left in one of that name.
        """
        self._make(name)
        handle.touch()
        run(*_join([tree.point / name for tree in self.trees], ("unshare", f"--cgroup={handle}", "true")))

    def mounts(self) -> list[str]:
        """Return the command that gives a node's mounts its own trees, run in its mount and cgroup namespaces."""
        kinds = {1: "cgroup", 2: "cgroup2"}
        trees = [word for tree in self.trees for word in (str(tree.point), kinds[tree.version], tree.options or "rw")]
        return ["sh", "-c", _MOUNT, "mount", *map(str, self.hidden), "--", *trees]

    def join(self, name: str, *command: str) -> list[str]:
        """Return the command line that runs ``command`` as one of the node's processes. One process."""
        return _join([tree.members(name) for tree in self.trees], command)

    def processes(self, prefix: str) -> set[int]:
        """Return the processes in cgroups whose names begin so, or below them."""
        found: set[int] = set()
        for top in self._tops(prefix):
            for folder in _below(top):
                # What is gone, and threads that libvirt has set apart: their process is in the folder above.
                with suppress(OSError):
                    found |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
        return found - {0}  # what stands for one of another process namespace

    def remove(self, prefix: str, *, deadline: float = _DEADLINE) -> None:
        """Remove the cgroups whose names begin so, with all below them. Their processes must be at their end.

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
    """Return the cgroups of the machine that we are on. Cheap."""
    return find(Path("/proc/self/mountinfo").read_text())


def find(mountinfo: str, root: Path = ROOT) -> Cgroups:
    """Return the cgroups that a list of mounts tells of; in ``root`` they are looked for."""
    first: dict[str, Tree] = {}
    second: dict[Path, Tree] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point, (kind, _, options) = Path(left.split()[4]), right.split(" ", 2)
        if not point.is_relative_to(root):
            continue
        words = [word for word in options.split(",") if word in _KNOWN]
        if kind == "cgroup" and not _OURS.isdisjoint(words):
            # libvirt refuses to use cpu without cpuacct where both are one tree.
            used = tuple(one for one in (*CONTROLLERS, "cpuacct") if one in words)
            first[",".join(words)] = Tree(point, used, ",".join(words))
        elif kind == "cgroup2":
            second[point] = Tree(point, tuple(one for one in CONTROLLERS if one in _handed_down(point)))
    if any("cpu" in tree.controllers for tree in first.values()):
        return Cgroups(tuple(first.values()), tuple(second))
    return Cgroups(tuple(second.values())[:1])


def enter(handle: Path, *command: str) -> list[str]:
    """Return the command line that runs ``command`` where a node's cgroup is the root. One process."""
    return ["nsenter", f"--cgroup={handle}", "--", *command]


def _handed_down(point: Path) -> list[str]:
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
            # A process that was killed leaves its cgroup last of all.
            if error.errno != errno.EBUSY or time.monotonic() > limit:
                raise Unavailable(f"{top} cannot be removed: {error.strerror}") from error
            time.sleep(0.02)


def _below(top: Path) -> list[Path]:
    """Return a folder and all in it, the innermost first."""
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
