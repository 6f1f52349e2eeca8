"""Creates one node of a lab: its mount, UTS and cgroup namespaces, and the libvirtd in them.

The node has the machine's file system, except for what must be its own: libvirt's folders, ``/run``,
``/etc/hosts`` (its own name is in it, else libvirt waits for DNS at every call),
``/etc/resolv.conf`` (empty), and ``/var/lib/resource-service``. These have the same paths on every
node, so that disks can migrate.

With cgroups of its own (see ``cgroups``) its libvirt can limit cpu time. This is decided when its
namespaces are created; the file that keeps the cgroup namespace exists only then.
"""

from __future__ import annotations

import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from controller.lab import cgroups, files, namespaces
from controller.lab.cgroups import Cgroups
from controller.lab.command import run
from controller.lab.daemons import Daemon, bird
from controller.lab.mounts import mounts_below
from controller.lab.settings import ROUTER_AS, LabSettings, Layout, Node
from controller.rendering import render

STATE = Path("/var/lib/resource-service")
"""Folder of a node's state, on real machines as in a lab."""

BOOT_ID = "boot-id"
"""File in the node's state that changes when its namespaces are created again; its agent takes that for a restart."""

_CGROUP = "cgroup"

SERVICE_ROUTE_PROTOCOL = 201
"""Protocol number of the routes that agents set for service addresses."""

_MOUNTED = {
    "etc-libvirt": "/etc/libvirt",
    "lib-libvirt": "/var/lib/libvirt",
    "cache-libvirt": "/var/cache/libvirt",
    "log-libvirt": "/var/log/libvirt",
    "state": str(STATE),
    "hosts": "/etc/hosts",
    "run": "/run",
    "resolv.conf": "/etc/resolv.conf",
}

# Runs inside the node's namespaces and may run again. Copies of mounts below /run, namespaces of
# other labs among them, are unmounted first; else those would exist as long as this one.
_MOUNT = r"""
set -eu
root=$1 host=$2
shift 2
hostname "$host"
if ! [ -e /run/of-a-lab ]; then
  awk 'index($5, "/run/") == 1 { print $5 }' /proc/self/mountinfo | sort -r |
    while read -r point; do umount -l "$point"; done
fi
while [ $# -gt 0 ]; do
  target=$2
  # A link to what only the machine has below /run: the node's file takes its place there.
  if [ -L "$target" ]; then
    target=$(readlink -m "$target")
    mkdir -p "$(dirname "$target")"
    [ -e "$target" ] || : >"$target"
  fi
  # Not: whether anything is mounted there, for on many machines /run is a mount of its own.
  [ "$target" -ef "$root/$1" ] || mount --bind "$root/$1" "$target"
  shift 2
done
"""


def ensure_namespaces(layout: Layout, node: Node, limits: Cgroups | None) -> None:
    """Create the node's namespaces with its own files mounted.

    ``limits``: the cgroups that a new node gets its own from.
    """
    fresh = not all(namespaces.is_kept(node.handles / name) for name in ("mnt", "uts"))
    if fresh:
        _make_namespaces(layout, node, limits)
    _write_files(layout, node, fresh)
    pairs = [part for pair in _MOUNTED.items() for part in pair]
    run(*node.enter("bash", "-c", _MOUNT, "mount", str(node.root), node.name, *pairs))
    if limits_cpus(node):
        run(*cgroups.enter(node.handles / _CGROUP, *node.enter(*cgroups.machine().mounts())))


def limits_cpus(node: Node) -> bool:
    """Return whether the node has cgroups, which its libvirt needs to limit cpu time."""
    return namespaces.is_kept(node.handles / _CGROUP)


def daemons(layout: Layout, node: Node) -> tuple[Daemon, ...]:
    """Return the node's daemons, in the order of starting."""
    run_folder = node.root / "run"
    return (
        Daemon(
            "virtlogd",
            node.namespace,
            run_folder / "virtlogd.pid",
            tuple(node.enter("virtlogd", "--daemon", "-p", "/run/virtlogd.pid")),
        ),
        libvirtd(node),
        bird(node.namespace, node.root / "bird", node.enter()),
    )


def libvirtd(node: Node) -> Daemon:
    """Return the node's libvirtd. Its virtual machines continue to run when it is killed."""
    command = ("libvirtd", "--daemon", "--listen", "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirtd.pid")
    words = node.enter(*command)
    if limits_cpus(node):
        words = cgroups.machine().join(node.namespace, *cgroups.enter(node.handles / _CGROUP, *words))
    return Daemon("libvirtd", node.namespace, node.root / "run" / "libvirtd.pid", tuple(words))


def _make_namespaces(layout: Layout, node: Node, limits: Cgroups | None) -> None:
    keep_handles(layout)
    node.handles.mkdir(exist_ok=True)
    for name in ("mnt", "uts", _CGROUP):
        path = node.handles / name
        if namespaces.is_kept(path):
            run("umount", path)
        path.touch()
    # Before the others, which show that the node is complete.
    if limits is not None:
        limits.make(node.namespace, node.handles / _CGROUP)
    unshare = ("unshare", f"--mount={node.handles}/mnt", f"--uts={node.handles}/uts", "--propagation=private", "true")
    run("nsenter", f"--net=/run/netns/{node.namespace}", *unshare)


def keep_handles(layout: Layout) -> None:
    """Make the lab's folder of namespace files a private mount; a mount namespace cannot be kept on another kind."""
    layout.handles.mkdir(parents=True, exist_ok=True)
    if layout.handles not in mounts_below(layout.handles):
        run("mount", "--bind", layout.handles, layout.handles)
    run("mount", "--make-private", layout.handles)


def entry(settings: LabSettings) -> Path:
    """Return the folder by which a lab keeps ``STATE`` on the machine: a folder that is not empty cannot be removed."""
    return STATE / f".lab-{settings.id}"


def _make_mount_point(settings: LabSettings) -> None:
    own = entry(settings)
    while not own.exists():
        STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another lab has just removed the empty folder
            own.mkdir(exist_ok=True)


def _write_files(layout: Layout, node: Node, fresh: bool) -> None:
    root = node.root
    for name in ("lib-libvirt/images", "cache-libvirt", "log-libvirt", "state", "bird"):
        (root / name).mkdir(parents=True, exist_ok=True)
    _make_mount_point(layout.settings)
    if fresh:
        # Pid files and sockets from before, whose processes do not exist any more.
        shutil.rmtree(root / "run", ignore_errors=True)
        files.write(root / "state" / BOOT_ID, f"{uuid.uuid4()}\n")
    for name in ("libvirt", "lock", "of-a-lab"):
        (root / "run" / name).mkdir(parents=True, exist_ok=True)
    if not (root / "etc-libvirt").exists():
        shutil.rmtree(root / "etc-libvirt.new", ignore_errors=True)
        shutil.copytree("/etc/libvirt", root / "etc-libvirt.new", symlinks=True)
        # The machine's own networks are not the node's.
        shutil.rmtree(root / "etc-libvirt.new/qemu", ignore_errors=True)
        (root / "etc-libvirt.new").rename(root / "etc-libvirt")
    controllers = cgroups.machine().controllers if limits_cpus(node) else ()
    host_uuid = uuid.uuid5(uuid.NAMESPACE_DNS, f"{layout.settings.id}.{node.name}")
    files.write(root / "etc-libvirt/qemu.conf", render("lab/qemu.conf.j2", controllers=controllers))
    files.write(
        root / "etc-libvirt/libvirtd.conf",
        render("lab/libvirtd.conf.j2", address=node.address, uuid=host_uuid, log="/var/log/libvirt/libvirtd.log"),
    )
    names = "".join(f"{other.address} {other.name}\n" for other in layout.nodes)
    # Written in place, because a mount refers to the file and not to its name.
    (root / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
    (root / "resolv.conf").write_text("")
    files.write(
        root / "bird/bird.conf",
        render(
            "bird-node.conf.j2",
            log=root / "bird/bird.log",
            protocol=SERVICE_ROUTE_PROTOCOL,
            services=layout.settings.services,
            interface="eth0",
            address=node.address,
            gateway=node.gateway,
            as_number=node.as_number,
            router_as=ROUTER_AS,
        ),
    )
