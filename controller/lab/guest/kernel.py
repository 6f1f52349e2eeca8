"""The guest's kernel: Debian's kernel for clouds, fetched, unpacked, and its ELF image taken out.

The uncompressed ELF has the PVH note, so QEMU enters it directly: a second less to boot than the
compressed image where the CPU is emulated.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from controller.errors import PermanentError, Unavailable
from controller.lab.command import run, succeeds

META_PACKAGE = "linux-image-cloud-amd64"

_COMPRESSIONS = (
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x1f\x8b\x08", "gzip"),
)


def unpack(folder: Path) -> tuple[Path, str]:
    """Fetch the kernel that the meta package names; return the unpacked tree and the kernel's version.

    Raises Unavailable when apt cannot fetch it.
    """
    folder.mkdir()
    try:
        _download(folder)
    except Unavailable:
        # Lists that are missing, or older than what the mirror still has.
        if not succeeds("apt-get", "-q", "update", timeout=600):
            raise
        _download(folder)
    tree = folder / "tree"
    run("dpkg-deb", "-x", next(folder.glob("*.deb")), tree)
    version = next(iter((tree / "boot").glob("vmlinuz-*"))).name.removeprefix("vmlinuz-")
    run("depmod", "-b", tree, version)
    return tree, version


def _download(folder: Path) -> None:
    depends = run("apt-cache", "depends", "--no-recommends", "--no-suggests", META_PACKAGE)
    names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
    if not names:
        raise Unavailable(f"apt does not know {META_PACKAGE}")
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", names[0], cwd=folder, timeout=600)


def extract_vmlinux(vmlinuz: Path, vmlinux: Path) -> None:
    """Write the ELF that is compressed inside ``vmlinuz``. Raises PermanentError when none is found."""
    data = vmlinuz.read_bytes()
    for magic, tool in _COMPRESSIONS:
        position = data.find(magic)
        while position >= 0:
            # What follows the payload makes the tool complain: only what it wrote counts.
            try:
                done = subprocess.run([tool, "-dc"], input=data[position:], capture_output=True, check=False)
            except FileNotFoundError:
                break
            if done.stdout.startswith(b"\x7fELF"):
                vmlinux.write_bytes(done.stdout)
                return
            position = data.find(magic, position + 1)
    raise PermanentError(f"found no kernel inside {vmlinuz}")


def modules_in_order(tree: Path, version: str, wanted: Iterable[str]) -> list[Path]:
    """Return the files of the wanted modules and of all they need, each after what it needs."""
    files: list[Path] = []
    for module in wanted:
        for line in run("modprobe", "-S", version, "-d", tree, "--show-depends", module).splitlines():
            words = line.split()
            if words[0] == "insmod" and Path(words[1]) not in files:
                files.append(Path(words[1]))
    return files


def pipe(command: Sequence[str], output: IO[bytes]) -> None:
    """Run a tool whose output is binary into a file. Raises Unavailable when it fails."""
    try:
        subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=True)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{command[0]} failed: {error.stderr.decode(errors='replace').strip()}") from error
