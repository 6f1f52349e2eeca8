"""Whether this host really runs guests by KVM: proved by booting one.

``/dev/kvm`` proves nothing: there are hosts that have it and on which every kernel hangs. So a
kernel is booted without a disk until it panics for want of a root file system; only then is KVM
used, else QEMU's emulation (TCG). The answer is kept in the state folder and holds for the running
kernel, QEMU and probe kernel; it takes up to ``SECONDS`` to find once.

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


def accelerator(state_folder: Path, kernel: Path | None = None, *, device: Path = Path("/dev/kvm")) -> str:
    """Return ``kvm`` or ``tcg``. Blocks; ``kernel`` defaults to that of the host.

    Raises Unavailable when QEMU cannot be run at all.
    """
    release = os.uname().release
    kernel = kernel or Path(f"/boot/vmlinuz-{release}")
    if not device.exists() or not kernel.exists():
        return "tcg"
    asked = {"host": release, "qemu": _qemu_version(), "kernel": f"{kernel}:{kernel.stat().st_mtime_ns}"}
    memory = state_folder / "accelerator.json"
    try:
        known = json.loads(memory.read_text())
        if known["asked"] == asked:
            return str(known["accelerator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never probed, or half a file from a crash: probe again
    found = "kvm" if boots(kernel, "kvm") else "tcg"
    state_folder.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps({"asked": asked, "accelerator": found}))
    return found


def boots(kernel: Path, accel: str, *, seconds: float = SECONDS) -> bool:
    """Whether ``kernel`` comes as far as looking for its root file system under ``accel``."""
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
