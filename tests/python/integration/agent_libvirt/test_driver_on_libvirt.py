"""What only a real libvirtd shows: half-made machines, the guest's view, a libvirtd that dies or hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime

import pytest

from controller.agent.drivers.libvirt.quarantine import QuarantineFolder
from controller.agent.drivers.types import Event, MachineState
from controller.errors import PermanentError, TemporaryError, TimedOut, Unavailable
from controller.model.flavor import Sizes
from tests.python.contract.drivers.hosts import find
from tests.python.contract.drivers.libvirt_hosts import LibvirtHosts
from tests.python.eventually import eventually
from tests.python.hosted_driver import HostedDriver

pytestmark = [pytest.mark.vm, pytest.mark.design("E1")]


def console_log(hosts: LibvirtHosts, uid: str, host: int = 0) -> str:
    path = hosts.hosts[host].path(hosts.state / "machines" / uid / "console.log")
    return path.read_text(errors="replace") if path.exists() else ""


async def booted(hosts: LibvirtHosts, uid: str, host: int = 0, times: int = 1) -> str:
    await eventually(lambda: console_log(hosts, uid, host).count("GUEST-READY") >= times, deadline=90)
    return console_log(hosts, uid, host)


@pytest.mark.design("B6")
async def test_the_guest_reads_its_config_drive(driver: HostedDriver, hosts: LibvirtHosts) -> None:
    desired = hosts.desired(ssh_keys=("ssh-ed25519 AAAA somebody",))
    await driver.ensure(desired, run=True)
    log = await booted(hosts, desired.uid)
    assert "web-0.default.kanto" in log
    assert "ssh-ed25519 AAAA somebody" in log


async def test_a_guest_that_obeys_is_shut_down_by_acpi(driver: HostedDriver, hosts: LibvirtHosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await booted(hosts, desired.uid)
    await driver.stop(desired.uid, timeout=60)
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert machine.state is MachineState.STOPPED
    # "reboot: Power down" is the kernel's last line; a machine whose power is cut does not print it.
    assert "Power down" in console_log(hosts, desired.uid)


async def test_a_quarantine_that_was_cut_off_is_completed_or_taken_back(
    driver: HostedDriver, hosts: LibvirtHosts
) -> None:
    """The agent was killed when the files were moved and the domain was still defined."""
    desired = hosts.desired()
    await driver.ensure(desired, run=False)
    quarantine = QuarantineFolder(hosts.hosts[0].path(hosts.state))

    def cut_off() -> None:
        folder = hosts.hosts[0].path(hosts.state / "machines" / desired.uid)
        quarantine.keep(folder, desired.uid, desired.name, datetime(2026, 1, 1, tzinfo=UTC))

    cut_off()
    await driver.quarantine(desired.uid)
    [one] = [one for one in await driver.quarantined() if one.uid == desired.uid]
    assert await find(driver, desired.uid) is None
    await driver.purge(one.key)

    await driver.ensure(desired, run=False)
    disk = await hosts.root_disk(desired.uid)
    cut_off()
    await driver.ensure(desired, run=True)
    assert await hosts.root_disk(desired.uid) == disk
    await booted(hosts, desired.uid)


async def test_a_domain_without_its_disk_gets_one(driver: HostedDriver, hosts: LibvirtHosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=False)
    hosts.hosts[0].path(hosts.state / "machines" / desired.uid / "root.qcow2").unlink()
    await driver.ensure(desired, run=True)
    await booted(hosts, desired.uid)


async def test_a_change_that_needs_no_new_domain_does_not_stop_the_machine(
    driver: HostedDriver, hosts: LibvirtHosts
) -> None:
    desired = hosts.desired(revision=1)
    await driver.ensure(desired, run=True)
    before = hosts.hosts[0].qemu(desired.name)
    await driver.ensure(hosts.desired(uid=desired.uid, revision=2, shutdown_timeout=5), run=True)
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert machine.revision == 2
    assert before
    assert hosts.hosts[0].qemu(desired.name) == before


async def test_a_disk_grows_and_never_shrinks(driver: HostedDriver, hosts: LibvirtHosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=False)
    larger = hosts.desired(uid=desired.uid, revision=2, sizes=Sizes(vcpus=1, memory_mib=128, disk_gib=2))
    await driver.ensure(larger, run=True)
    with pytest.raises(PermanentError, match="cannot shrink"):
        await driver.ensure(desired, run=True)
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert (machine.revision, machine.state) == (2, MachineState.RUNNING), "a wrong change costs no running machine"


async def test_machines_live_through_the_death_of_libvirtd(driver: HostedDriver, hosts: LibvirtHosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    events: list[Event] = []
    driver.events().listeners.append(lambda event: events.append(event.event))
    hosts.hosts[0].kill_libvirtd()
    try:
        await eventually(lambda: Event.LOST in events)
        with pytest.raises(Unavailable):
            await driver.observe()
        events.clear()
    finally:
        hosts.hosts[0].start_libvirtd()
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert machine.state is MachineState.RUNNING
    await eventually(lambda: Event.LOST in events)
    await hosts.crash(desired.uid)
    await eventually(lambda: Event.STOPPED in events)


async def test_a_hung_libvirtd_stalls_nobody(hosts: LibvirtHosts) -> None:
    settings = hosts.settings().model_copy(update={"call_timeout": 1.0, "keepalive_interval": 1})
    driver = HostedDriver(hosts.hosts[0], settings)
    await driver.open()
    desired = hosts.desired()
    await driver.ensure(desired, run=False)
    libvirtd = next(pid for pid, line in hosts.hosts[0].processes().items() if "libvirtd" in line[0])
    os.kill(libvirtd, signal.SIGSTOP)
    try:
        began, turns = time.monotonic(), 0
        calls = [asyncio.ensure_future(driver.observe()) for _ in range(50)]
        while not all(call.done() for call in calls):
            await asyncio.sleep(0.01)
            turns += 1
        assert all(isinstance(call.exception(), TimedOut | Unavailable) for call in calls)
        assert time.monotonic() - began < 30, "50 calls of one second each waited for each other"
        assert turns >= 5, "the event loop waited for libvirtd"
        with pytest.raises(TemporaryError):
            await driver.ensure(desired, run=True)
    finally:
        os.kill(libvirtd, signal.SIGCONT)

    async def answers() -> bool:
        try:
            return bool(await driver.observe())
        except TemporaryError:
            return False

    await eventually(answers)
    await driver.close()


async def test_a_stuck_machine_holds_up_no_other(driver: HostedDriver, hosts: LibvirtHosts) -> None:
    stuck, fine = hosts.desired("default.kanto.web-0"), hosts.desired("default.kanto.web-1", interfaces=())
    for desired in (stuck, fine):
        await driver.ensure(desired, run=True)
    (qemu,) = hosts.hosts[0].qemu(stuck.name)
    os.kill(qemu, signal.SIGSTOP)
    try:
        # Something that waits for the machine's monitor, as a broken migration does.
        waiting = asyncio.ensure_future(driver.stop(stuck.uid, timeout=120))
        began = time.monotonic()
        for _ in range(8):
            states = {machine.uid: machine.state for machine in await driver.observe()}
            assert states[fine.uid] is MachineState.RUNNING
            assert states[stuck.uid] in (MachineState.RUNNING, MachineState.UNKNOWN)
        assert time.monotonic() - began < 60
    finally:
        os.kill(qemu, signal.SIGCONT)
        waiting.cancel()
    await driver.remove(stuck.uid, timeout=0)
    assert await find(driver, stuck.uid) is None
