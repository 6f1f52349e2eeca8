"""The libvirt implementation in the driver contract suite: two private hosts with a link.

Starting a libvirtd costs more than a test, so all tests of a process share one pair of hosts, which
``close`` empties.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from controller.agent.drivers.libvirt.names import domain_uuid
from controller.agent.drivers.libvirt.settings import Accelerator, LibvirtSettings
from controller.agent.drivers.types import MigrationTarget
from controller.agent.host.facts import CapacitySettings
from controller.lab.guest import tiny_image
from controller.model.image import ImageFormat, ImageSpec
from tests.python.contract.drivers.hosts import Hosts
from tests.python.hosted_driver import HostedDriver
from tests.python.libvirt_host import PrivateHost, connect

_shared: LibvirtHosts | None = None


async def libvirt_hosts(_folder: Path) -> LibvirtHosts:
    """The pair, started when first asked for."""
    global _shared
    if _shared is None:
        _shared = LibvirtHosts()
        atexit.register(_shared.stop)
        # In this thread, which lives as long as the process: the hosts end with the thread that started them.
        _shared.start()
    return _shared


class LibvirtHosts(Hosts):
    """Two libvirtds."""

    provider = "libvirt"

    def __init__(self) -> None:
        # Not in the test's folder: it outlives the test, and socket paths must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="rs-libvirt-", dir="/var/tmp"))
        self.state = self.folder / "state"
        self.hosts = [PrivateHost(self.folder, f"host{number}", self.state) for number in (0, 1)]
        self.addresses = ("", "")
        self.guest = tiny_image()

    def start(self) -> None:
        for host in self.hosts:
            host.start()
        self.addresses = connect(*self.hosts)

    def stop(self) -> None:
        for host in self.hosts:
            host.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def settings(self) -> LibvirtSettings:
        return LibvirtSettings(state_folder=self.state, accelerator=Accelerator.TCG)

    async def pinning_driver(self, host: int = 0) -> HostedDriver:
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            pytest.skip("pinning needs two cpus")
        return await self.driver(host, CapacitySettings(pinned_cpus=str(cpus[-1 if host == 0 else 0])))

    async def restart_hypervisor(self, host: int = 0) -> None:
        self.hosts[host].kill_libvirtd()
        self.hosts[host].start_libvirtd()

    async def driver(self, host: int = 0, capacity: CapacitySettings | None = None) -> HostedDriver:
        settings = self.settings().model_copy(update={"capacity": capacity or CapacitySettings()})
        driver = HostedDriver(self.hosts[host], settings)
        await driver.open()
        return driver

    def target(self, host: int) -> MigrationTarget:
        return MigrationTarget(node=f"host{host}", address=self.addresses[host])

    def image(self, *, other: bool = False) -> ImageSpec:
        spec = self.guest.spec()
        # The guest reads no disk, so any bytes are a second image.
        return (
            spec.model_copy(
                update={
                    "format": ImageFormat.RAW,
                    "url": f"file://{self.guest.initrd}",
                    "checksum": self.guest.initrd_checksum,
                }
            )
            if other
            else spec
        )

    def bad_image(self) -> ImageSpec:
        return self.image().model_copy(update={"checksum": "sha256:" + "f" * 64})

    async def crash(self, uid: str, host: int = 0) -> None:
        pids = [
            pid
            for pid, line in self.hosts[host].processes().items()
            if "qemu-system" in line[0] and domain_uuid(uid) in line
        ]
        assert pids, "no QEMU runs the machine"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    async def root_disk(self, uid: str, host: int = 0) -> str | None:
        disk = self.hosts[host].path(self.state / "machines" / uid / "root.qcow2")
        return f"{host}-{disk.stat().st_ino}" if disk.exists() else None

    async def close(self) -> None:
        for number, host in enumerate(self.hosts):
            host.ensure_libvirtd()
            driver = await self.driver(number)
            for machine in await driver.observe():
                await driver.remove(machine.uid, timeout=0)
            await driver.close()
            assert not [line for line in host.processes().values() if "qemu-system" in line[0]]
            for folder in ("machines", "quarantine"):
                shutil.rmtree(host.path(self.state / folder), ignore_errors=True)
