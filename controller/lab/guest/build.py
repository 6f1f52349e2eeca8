"""Builds the files of the guest: kernel, initrd, root disk.

Packages come through the machine's own apt, from the sources it is set up with, so the guest is
of the machine's Debian release. They are unpacked, not installed: nothing of them runs here but
the guest's own Python, in a chroot, to compile what it will need at boot.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from controller.errors import PermanentError, Unavailable
from controller.lab.command import run, succeeds
from controller.lab.guest import kernel

Say = Callable[[str], None]

PACKAGES = (
    "base-files",
    "busybox-static",
    "dropbear-bin",
    "libc-bin",
    "libpython3-stdlib",
    "netbase",
    "python3-minimal",
)
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon", "virtio_rng", "isofs", "evdev", "button")
DISK_SIZE = "256M"
BUSYBOX = Path("/bin/busybox")
FILES = Path(__file__).with_name("files")

_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian")


def recipe_digest() -> str:
    """Return the digest of everything here that decides what is built."""
    digest = hashlib.sha256()
    sources = [Path(__file__), Path(kernel.__file__), *sorted(path for path in FILES.iterdir() if path.is_file())]
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def build(work: Path, say: Say) -> None:
    """Make ``vmlinux``, ``initrd``, ``disk.qcow2`` and ``empty.qcow2`` in ``work``; leaves scratch folders there."""
    if os.geteuid() != 0:
        raise PermanentError("the guest image can be built by root only")
    say("guest image: kernel")
    unpacked, version = kernel.unpack(work / "kernel")
    kernel.extract_vmlinux(unpacked / "boot" / f"vmlinuz-{version}", work / "vmlinux")
    say("guest image: initial RAM disk")
    _initrd(work, unpacked, version)
    say("guest image: root disk")
    root = _root(work)
    raw = work / "scratch" / "disk.raw"
    raw.parent.mkdir()
    run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-L", "root", "-d", root, raw, DISK_SIZE)
    run("qemu-img", "convert", "-O", "qcow2", raw, work / "disk.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", work / "empty.qcow2", "1M")


def _initrd(work: Path, unpacked: Path, version: str) -> None:
    tree = work / "initrd-tree"
    for name in ("bin", "dev", "proc", "sys", "modules", "newroot", "etc/acpi/PWRF", "tmp", "run", "config"):
        (tree / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin" / "busybox")
    _install("initrd-init", tree / "init")
    _install("power-button", tree / "etc/acpi/PWRF/00000080")
    # The order of loading is in the names: a module's dependencies come before it.
    for number, module in enumerate(kernel.modules_in_order(unpacked, version, MODULES)):
        shutil.copy(module, tree / "modules" / f"{number:02}-{module.name}")
    listing = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    # cpio's output is binary, so it goes to a file.
    run("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-D", tree, "-F", work / "initrd", input=listing)


def _root(work: Path) -> Path:
    root, archives = work / "root", work / "archives"
    _download(archives)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted(archives.glob("*.deb")):
        tarball = work / "package.tar"
        with tarball.open("wb") as output:
            kernel.pipe(["dpkg-deb", "--fsys-tarfile", str(package)], output)
        # Without the flag, the package's own /bin folder would replace the symbolic link.
        run("tar", "-x", "--keep-directory-symlink", "-C", root, "-f", tarball)
        tarball.unlink()
    for unused in _UNUSED:
        shutil.rmtree(root / unused, ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "etc/acpi/PWRF", "etc/dropbear", "opt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "root").chmod(0o700)
    (root / "etc/passwd").write_text("root::0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    _install("inittab", root / "etc/inittab", mode=0o644)
    _install("boot", root / "etc/init.d/boot")
    _install("power-button", root / "etc/acpi/PWRF/00000080")
    _install("guest.py", root / "opt/guest.py", mode=0o644)
    run("chroot", root, "/bin/busybox", "--install", "-s", "/usr/sbin")
    for link in ("bin/sh", "sbin/init"):
        (root / "usr" / link).unlink(missing_ok=True)
        (root / "usr" / link).symlink_to("/bin/busybox")
    run("ldconfig", "-r", root)
    # Emulated CPUs are slow: the modules that the guest imports are compiled here, once.
    run("chroot", root, "/usr/bin/python3", "-S", "/opt/guest.py", "--import-only")
    return root


def _download(archives: Path) -> None:
    """Fetch ``PACKAGES`` and all they depend on, as apt would for an empty machine."""
    (archives / "partial").mkdir(parents=True)
    (archives / "status").touch()
    options = {
        "Dir::State::status": archives / "status",
        "Dir::State::extended_states": archives / "extended_states",
        "Dir::Cache::archives": archives,
        # The machine's own caches were made from its own status: leave them alone.
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
    }
    arguments = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    fetch = ["apt-get", "-q", "-y", *arguments, "--download-only", "--no-install-recommends", "install", *PACKAGES]
    try:
        run(*fetch, timeout=600)
    except Unavailable:
        if not succeeds("apt-get", "-q", "update", timeout=600):
            raise
        run(*fetch, timeout=600)


def _install(name: str, target: Path, mode: int = 0o755) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((FILES / name).read_bytes())
    target.chmod(mode)
