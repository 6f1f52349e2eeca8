"""Probes whether this host can run guests with KVM by booting one, for the libvirt driver and the lab.

``/dev/kvm`` proves nothing: some hosts have it and every kernel hangs on them. So a kernel is
booted without a disk until it panics because it has no root file system. Only then KVM is used, else
QEMU's emulation (TCG). The result is kept in the state folder and is valid for this host kernel,
QEMU and probe kernel; a probe takes up to ``SECONDS``.

Not promised: that a guest of another operating system runs.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from controller.errors import Unavailable

SECONDS = 30.0
PROOF = "Kernel panic"


def accelerator(state_folder: Path | None, kernel: Path | None = None, *, device: Path = Path("/dev/kvm")) -> str:
    """Return ``kvm`` or ``tcg``. Blocks; ``kernel`` defaults to that of the host.

    ``state_folder`` None: the host is probed, and the result is not kept.
    Raises Unavailable when QEMU cannot be run at all.
    """
    release = os.uname().release
    kernel = kernel or Path(f"/boot/vmlinuz-{release}")
    if not device.exists() or not kernel.exists():
        return "tcg"
    probed = {"host": release, "qemu": _qemu_version(), "kernel": f"{kernel}:{kernel.stat().st_mtime_ns}"}
    if state_folder is None:
        return "kvm" if boots(kernel, "kvm") else "tcg"
    cache = state_folder / "accelerator.json"
    try:
        known = json.loads(cache.read_text())
        if known["asked"] == probed:
            return str(known["accelerator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never probed, or a file that a crash left incomplete: probe again
    found = "kvm" if boots(kernel, "kvm") else "tcg"
    state_folder.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps({"asked": probed, "accelerator": found}))
    return found


def boots(kernel: Path, accel: str, *, seconds: float = SECONDS) -> bool:
    """Return whether ``kernel`` boots under ``accel`` as far as mounting its root file system."""
    try:
        done = subprocess.run(
            [
                "qemu-system-x86_64",
                *("-M", "q35", "-accel", accel, "-m", "256", "-smp", "1"),
                *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
                *("-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
            ],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    except OSError as error:
        raise Unavailable(f"QEMU cannot be run: {error}") from error
    return done.returncode == 0 and PROOF.encode() in done.stdout


def _qemu_version() -> str:
    try:
        done = subprocess.run(
            ["qemu-system-x86_64", "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"QEMU cannot be run: {error}") from error
    return done.stdout.partition("\n")[0]
