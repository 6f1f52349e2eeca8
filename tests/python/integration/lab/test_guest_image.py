"""The guest image, built (or taken from the cache) and booted by QEMU itself."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from controller.agent import config_drive
from controller.lab.guest import GuestImage, guest_image, tiny_image
from controller.model.compute import ComputeSpec, Interface
from tests.python.eventually import eventually
from tests.python.integration.lab.conftest import requires_root
from tests.python.ports import free_port

pytestmark = [requires_root]

MAC = "52:54:00:12:34:56"


def spec(image: GuestImage) -> ComputeSpec:
    """A machine on the network that QEMU makes for one guest alone."""
    interface = Interface(
        network="user", address=IPv4Address("10.0.2.15"), prefix_length=24, gateway=IPv4Address("10.0.2.2"), mac=MAC
    )
    return ComputeSpec(
        service="web",
        index=0,
        host_name="web-0.default.kanto",
        cluster="tokyo1",
        provider="libvirt",
        sizes={"vcpus": 1, "memory_mib": 128, "disk_gib": 1},
        image=image.spec().model_dump(),
        interfaces=(interface,),
        ssh_keys=("ssh-ed25519 AAAA ops",),
    )


class Machine:
    """A guest under QEMU, without libvirt."""

    def __init__(self, image: GuestImage, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        config_drive.write(folder / "config.iso", "uid-1", spec(image))
        overlay = ["-b", str(image.disk), "-F", "qcow2", str(folder / "disk.qcow2"), "1G"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *overlay], check=True)
        arguments = ["-M", "q35", "-accel", "tcg", "-m", "128", "-no-reboot", "-nodefaults", "-display", "none"]
        arguments += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", image.cmdline]
        arguments += ["-serial", f"file:{folder}/console", "-qmp", f"unix:{folder}/qmp,server,nowait"]
        arguments += ["-drive", f"if=virtio,file={folder}/disk.qcow2"]
        arguments += ["-drive", f"if=virtio,format=raw,readonly=on,file={folder}/config.iso"]
        arguments += ["-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:80"]
        arguments += ["-device", f"virtio-net-pci,netdev=n,mac={MAC}"]
        self.process = subprocess.Popen(["qemu-system-x86_64", *arguments], stdin=subprocess.DEVNULL)

    def console(self) -> str:
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def ready(self) -> bool:
        return "GUEST-READY" in self.console()

    def facts(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/")
            answer: dict[str, Any] = json.load(connection.getresponse())
            return answer
        finally:
            connection.close()

    def press_power_button(self) -> None:
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.connect(str(self.folder / "qmp"))
            stream = qmp.makefile("rw")
            stream.readline()
            for command in ("qmp_capabilities", "system_powerdown"):
                stream.write(json.dumps({"execute": command}))
                stream.flush()
                stream.readline()


@contextmanager
def started(image: GuestImage, folder: Path) -> Iterator[Machine]:
    machine = Machine(image, folder)
    try:
        yield machine
    finally:
        machine.process.kill()
        machine.process.wait()


@pytest.mark.design("B6")
async def test_the_guest_is_what_its_config_drive_says_and_obeys_the_power_button(tmp_path: Path) -> None:
    with started(guest_image(), tmp_path) as machine:
        await eventually(machine.ready, deadline=120)
        facts = machine.facts()
        assert facts["host_name"] == "web-0.default.kanto"
        assert facts["uuid"] == "uid-1"
        assert facts["addresses"] == ["10.0.2.15"]
        assert 0 < facts["uptime"] < 300
        pressed = time.monotonic()
        machine.press_power_button()
        assert await eventually(lambda: machine.process.poll() is not None)
        assert machine.process.returncode == 0, f"after {time.monotonic() - pressed:.1f} s"


async def test_the_tiny_guest_needs_no_disk_and_obeys_the_power_button(tmp_path: Path) -> None:
    with started(tiny_image(), tmp_path) as machine:
        await eventually(machine.ready, deadline=120)
        assert '"hostname": "web-0.default.kanto"' in machine.console()
        machine.press_power_button()
        assert await eventually(lambda: machine.process.poll() is not None)
