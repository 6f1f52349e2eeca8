"""Limits measured: what a busy guest really gets, beside one without limits in the same run.

The guests are told what to do over their consoles. The figures come from outside of the guest: cpu
time from the kernel's accounting of the QEMU process, disk requests from QEMU's own counters, bytes
from the host's end of the connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.agent.drivers.limits import MBIT_BYTES
from controller.agent.drivers.types import Desired, MachineState
from controller.errors import PermanentError
from controller.model.flavor import CpuMode
from tests.python.contract.drivers.hosts import find
from tests.python.contract.drivers.libvirt_hosts import LibvirtHosts
from tests.python.eventually import eventually
from tests.python.hosted_driver import HostedDriver
from tests.python.libvirt_host import PrivateHost, enter

pytestmark = [pytest.mark.vm, pytest.mark.design("I1")]

TICKS = os.sysconf("SC_CLK_TCK")
READ = "while :; do dd if=/dev/{} of=/dev/null bs=4k iflag=direct 2>/dev/null; done & "
FREE, CAPPED = "default.kanto.free-0", "default.kanto.capped-0"


async def tell(driver: HostedDriver, hosts: LibvirtHosts, desired: Desired, command: str) -> None:
    """Type a command on the guest's console, once it has booted."""
    log = hosts.hosts[0].path(hosts.state / "machines" / desired.uid / "console.log")
    await eventually(lambda: log.exists() and "GUEST-READY" in log.read_text(errors="replace"), deadline=120)
    console = await driver.console(desired.uid)
    # The guest's answer, not the echo of what was typed.
    await console.write(f"{command} echo TOLD-$((40+2))\n".encode())
    await eventually(lambda: "TOLD-42" in log.read_text(errors="replace"))
    await console.close()


def cpu_seconds(host: PrivateHost, name: str) -> float:
    """Cpu time that all threads of the machine's QEMU have had."""
    (pid,) = host.qemu(name)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]


@pytest.fixture
def host(hosts: LibvirtHosts) -> Iterator[PrivateHost]:
    """Host 0, whose machines come before whatever else this machine does: what they lack is their limits' doing."""
    hosts.hosts[0].weigh(65536)
    yield hosts.hosts[0]
    hosts.hosts[0].weigh(1024)


@pytest.mark.design("I3")
@pytest.mark.parametrize(("vcpus", "percent"), [(1, 25), (2, 20)])
async def test_a_capped_machine_gets_its_share_and_no_more(
    driver: HostedDriver, hosts: LibvirtHosts, host: PrivateHost, vcpus: int, percent: int
) -> None:
    """Of the whole process: a guest that also reads its disk keeps more of QEMU's threads busy than its vcpus'."""
    if not host.limits_cpus:
        pytest.skip(host.cannot_limit)
    free = hosts.desired(FREE, interfaces=())
    capped = hosts.desired(CAPPED, interfaces=(), sizes=hosts.sizes(vcpus=vcpus, cpu_percent=percent))
    for desired in (capped, free):
        await driver.ensure(desired, run=True)
    loop = "while :; do :; done & "
    for desired, loops in ((capped, vcpus), (free, 1)):
        await tell(driver, hosts, desired, f"{READ.format('vda')}{loop * loops}")
    share = vcpus * percent / 100
    began, total = time.monotonic(), cpu_seconds(host, capped.name)
    had, others = 0.0, 0.0
    while time.monotonic() < began + 30:
        start, before = time.monotonic(), (cpu_seconds(host, capped.name), cpu_seconds(host, free.name))
        await asyncio.sleep(4)
        seconds = time.monotonic() - start
        had = max(had, (cpu_seconds(host, capped.name) - before[0]) / seconds)
        others = max(others, (cpu_seconds(host, free.name) - before[1]) / seconds)
        if had > 0.85 * share and others > 1.5 * share and time.monotonic() > began + 8:
            break
    average = (cpu_seconds(host, capped.name) - total) / (time.monotonic() - began)
    assert average < 1.07 * share, f"{average:.3f} cpus, of {share:.2f}"
    assert had > 0.7 * share, f"at best {had:.3f} cpus, of {share:.2f}"
    assert others > 1.3 * share, f"inconclusive: the guest without a limit had {others:.3f} cpus only"


@pytest.mark.design("I3")
async def test_a_pinned_machine_stays_on_its_cpu(hosts: LibvirtHosts, host: PrivateHost) -> None:
    driver = await hosts.pinning_driver(0)
    try:
        (cell,) = (await driver.facts()).numa
        own = hosts.desired(CAPPED, interfaces=(), sizes=hosts.sizes(cpu_mode=CpuMode.PINNED))
        own = Desired(own.uid, own.name, own.revision, own.spec, (), cell.pinned_cpus)
        shared = hosts.desired(FREE, interfaces=())
        for desired in (own, shared):
            await driver.ensure(desired, run=True)
        for desired, allowed in ((own, cell.pinned_cpus), (shared, cell.cpus)):
            (pid,) = host.qemu(desired.name)
            assert {cpu for thread in threads(pid) for cpu in os.sched_getaffinity(thread)} == set(allowed)
    finally:
        await driver.close()


@pytest.mark.design("I4")
async def test_disks_share_one_limit(driver: HostedDriver, hosts: LibvirtHosts, host: PrivateHost) -> None:
    limit, seconds = 40, 8.0
    disks = (hosts.extra_disk("data"),)
    free = hosts.desired(FREE, interfaces=(), disks=disks)
    capped = hosts.desired(CAPPED, interfaces=(), disks=disks, sizes=hosts.sizes(disk_iops=limit))
    for desired in (capped, free):
        await driver.ensure(desired, run=True)
        await tell(driver, hosts, desired, READ.format("vda") + READ.format("vdb"))
    await asyncio.sleep(2)  # the burst that the limit lets through at first
    before = {desired.name: requests(host, desired.name) for desired in (capped, free)}
    start = time.monotonic()
    await asyncio.sleep(seconds)
    rates = {name: (requests(host, name) - count) / (time.monotonic() - start) for name, count in before.items()}
    assert 0.5 * limit <= rates[capped.name] <= 1.15 * limit, rates
    assert rates[free.name] > 2 * limit, f"the guest beside shows that it is the limit that holds: {rates}"


def requests(host: PrivateHost, name: str) -> int:
    total = 0
    for target in ("vda", "vdb"):
        words = host.run("virsh", "-c", "qemu:///system", "domblkstat", name, target).split()
        total += int(words[words.index("rd_req") + 1])
    return total


@pytest.mark.design("I4")
async def test_the_network_is_limited_each_way(driver: HostedDriver, hosts: LibvirtHosts, host: PrivateHost) -> None:
    """guest 172.16.250.10 ---- tap ---- 172.16.250.1 host; the guest sends, then receives."""
    mbps, seconds = 8, 6.0
    desired = hosts.desired(CAPPED, sizes=hosts.sizes(network_mbps=mbps))
    await driver.ensure(desired, run=True)
    machine = await find(driver, desired.uid)
    assert machine is not None
    (tap,) = machine.taps
    host.run("ip", "address", "add", "172.16.250.1/24", "dev", tap)
    host.run("ip", "link", "set", tap, "up")
    up = "ip link set eth0 up; ip address add 172.16.250.10/24 dev eth0"
    both = "(while :; do nc 172.16.250.1 7001 </dev/zero; sleep 1; done) & (nc 172.16.250.1 7002 >/dev/null) &"
    with sockets(host, 7001, 7002) as (receiver, sender):
        await tell(driver, hosts, desired, f"{up}; {both}")
        sent = await asyncio.to_thread(receive, receiver, seconds)
        received = await asyncio.to_thread(send, sender, seconds)
    limit = mbps * MBIT_BYTES
    assert 0.3 * limit < sent < 1.1 * limit, f"from the guest: {sent / limit:.2f} of the limit"
    assert 0.3 * limit < received < 1.1 * limit, f"to the guest: {received / limit:.2f} of the limit"


@contextmanager
def sockets(host: PrivateHost, *ports: int) -> Iterator[list[socket.socket]]:
    """Listening sockets in the host's network namespace."""
    made: list[socket.socket] = []

    def make() -> None:
        enter(host.pid)
        for port in ports:
            made.append(socket.create_server(("0.0.0.0", port)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    for one in made:
        one.settimeout(60)
    try:
        yield made
    finally:
        for one in made:
            one.close()


def receive(server: socket.socket, seconds: float) -> float:
    """Bytes per second that come over one connection."""
    connection, _ = server.accept()
    with connection:
        return rate(lambda: len(connection.recv(1 << 16)), connection, seconds)


def send(server: socket.socket, seconds: float) -> float:
    """Bytes per second that go over one connection."""
    connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        return rate(lambda: connection.send(bytes(1 << 14)), connection, seconds)


def rate(step: Callable[[], int], connection: socket.socket, seconds: float) -> float:
    """Bytes per second of ``step``, once the burst that is let through at first is over."""
    connection.settimeout(60)
    burst = time.monotonic() + 3
    while time.monotonic() < burst:
        step()
    count, start = 0, time.monotonic()
    while time.monotonic() < start + seconds:
        count += step()
    return count / (time.monotonic() - start)


@pytest.mark.design("I3")
async def test_a_host_that_cannot_limit_cpu_time_says_so(tmp_path: Path, hosts: LibvirtHosts) -> None:
    bare = PrivateHost(hosts.folder, "bare", hosts.state, cpu_limits=False)
    bare.start()
    driver = HostedDriver(bare, hosts.settings())
    try:
        await driver.open()
        plain = hosts.desired(FREE, interfaces=())
        await driver.ensure(plain, run=True)
        assert (await driver.limits(plain.uid)).cpu_percent == 100
        capped = hosts.desired(CAPPED, interfaces=(), sizes=hosts.sizes(cpu_percent=50))
        with pytest.raises(PermanentError, match="does not have the cpu cgroup controller"):
            await driver.ensure(capped, run=True)
        assert bare.qemu(capped.name) == []
        changed = hosts.desired(FREE, uid=plain.uid, revision=2, interfaces=(), sizes=hosts.sizes(cpu_percent=50))
        with pytest.raises(PermanentError, match="does not have the cpu cgroup controller"):
            await driver.ensure(changed, run=True)
        machine = await find(driver, plain.uid)
        assert machine is not None
        assert (machine.state, machine.revision) == (MachineState.RUNNING, 1), "a wrong change costs nothing"
    finally:
        await driver.close()
        bare.stop()


@pytest.mark.design("I3", "D6")
async def test_a_host_that_cannot_bind_what_arrives_to_its_cells_refuses_it_before_it_is_sent(
    hosts: LibvirtHosts, other: HostedDriver
) -> None:
    """Its memory would be anywhere, and it would wait, paused, on a host that cannot take it into use."""
    bare = PrivateHost(hosts.folder, "bare", hosts.state, cpu_limits=False)
    bare.start()
    driver = HostedDriver(bare, hosts.settings())
    try:
        await driver.open()
        (cell,) = (await driver.facts()).numa
        free = hosts.desired(FREE, interfaces=())
        await driver.prepare_incoming(free)
        bound = replace(hosts.desired(CAPPED, interfaces=()), cells=(cell.cell,))
        with pytest.raises(
            PermanentError, match=r"cannot be bound to NUMA cells 0 .* does not have the cpuset cgroup controller"
        ):
            await driver.prepare_incoming(bound)
        disk = bare.path(hosts.state / "machines" / bound.uid)
        assert not disk.exists()
        assert not [line for line in bare.processes().values() if "qemu-system" in line[0]], (
            "nothing is left of the look"
        )
        if hosts.hosts[1].limits_cpus:
            await other.prepare_incoming(bound)
            assert await other.observe() == []
    finally:
        await driver.close()
        bare.stop()
