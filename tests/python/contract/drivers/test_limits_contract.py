"""What was reserved is what the machine gets: limits are applied, found again and moved along, by every driver.

   host 0                      host 1
shared | pinned             pinned | shared        (``pinning_factory``)
  0    |   1                   0   |   1
  web-0 ----- migration -----> web-0: kept to the cpus that host 1 gave it
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from controller.agent.drivers.base import Driver
from controller.agent.drivers.limits import MBIT_BYTES, Limits
from controller.agent.drivers.types import Desired, Event, MachineState
from controller.errors import NotFound, PermanentError
from controller.model.compute import Interface
from controller.model.flavor import CpuMode, MachineShare
from controller.model.node import NumaCell
from tests.python.contract.drivers.hosts import Hosts, find
from tests.python.eventually import eventually

Factory = Callable[[int], Awaitable[Driver]]

pytestmark = pytest.mark.design("I1", "I3", "I4")

LIMITED = {"cpu_percent": 25, "disk_iops": 50, "disk_mibps": 4, "network_mbps": 9}


def interfaces(count: int) -> tuple[Interface, ...]:
    return tuple(
        Interface(
            network="service",
            address=IPv4Address(f"172.16.250.1{number}"),
            prefix_length=24,
            gateway=IPv4Address("172.16.250.1"),
            mac=f"52:54:ac:10:fa:0{number}",
        )
        for number in range(count)
    )


def limited(hosts: Hosts) -> Desired:
    """A machine with everything limited, two disks and two interfaces."""
    sizes = hosts.sizes(**LIMITED)
    return hosts.desired(sizes=sizes, disks=(hosts.extra_disk("data"),), interfaces=interfaces(2))


def assert_limited(limits: Limits) -> None:
    assert limits.cpu_percent == 25
    assert (limits.disk_iops, limits.disk_mibps) == (50, 4)
    assert limits.nic_bytes == 9 * MBIT_BYTES // 2, "both together have what was asked"


async def cell_of(driver: Driver) -> NumaCell:
    return (await driver.facts()).numa[0]


async def pinned(driver: Driver, hosts: Hosts) -> Desired:
    """A machine on the first cpu that the driver gives one by one."""
    cell = await cell_of(driver)
    desired = hosts.desired(sizes=hosts.sizes(cpu_mode=CpuMode.PINNED))
    return replace(desired, cells=(), cpus=cell.pinned_cpus[:1])


async def crashed(driver: Driver, hosts: Hosts, uid: str, host: int = 0) -> None:
    async def stopped() -> bool:
        machine = await find(driver, uid)
        return machine is not None and machine.state is MachineState.STOPPED

    await hosts.crash(uid, host)
    await eventually(stopped)


async def test_a_plain_machine_has_no_limits(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired(sizes=hosts.sizes(vcpus=2))
    await driver.ensure(desired, run=True)
    limits = await driver.limits(desired.uid)
    assert (limits.cpu_percent, limits.disk_iops, limits.disk_mibps, limits.nic_bytes) == (100, 0, 0, 0)
    assert (len(limits.vcpus), limits.cells, limits.huge_pages) == (2, (), False)


async def test_what_was_asked_is_what_is_there(driver: Driver, driver_factory: Factory, hosts: Hosts) -> None:
    desired = limited(hosts)
    await driver.ensure(desired, run=True)
    assert_limited(await driver.limits(desired.uid))
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert machine.state is MachineState.RUNNING
    await hosts.restart_hypervisor()
    successor = await driver_factory(0)
    assert_limited(await successor.limits(desired.uid))


async def test_limits_hold_again_after_a_crash(driver: Driver, hosts: Hosts) -> None:
    desired = limited(hosts)
    await driver.ensure(desired, run=True)
    await crashed(driver, hosts, desired.uid)
    await driver.ensure(desired, run=True)
    assert_limited(await driver.limits(desired.uid))


async def test_a_machine_takes_its_limits_along(driver: Driver, driver_factory: Factory, hosts: Hosts) -> None:
    other = await driver_factory(1)
    desired = limited(hosts)
    await driver.ensure(desired, run=True)
    await other.prepare_incoming(desired)
    await driver.migrate(desired.uid, hosts.target(1))
    await driver.remove(desired.uid, timeout=0)
    await other.resume(desired)
    assert_limited(await other.limits(desired.uid))
    with pytest.raises(NotFound):
        await driver.limits(desired.uid)


async def test_shared_and_pinned_cpus_are_kept_apart(pinning_factory: Factory, hosts: Hosts) -> None:
    driver = await pinning_factory(0)
    cell = await cell_of(driver)
    shared = hosts.desired("default.kanto.web-1", interfaces=())
    own = await pinned(driver, hosts)
    for desired in (shared, own):
        await driver.ensure(desired, run=True)
    limits = await driver.limits(shared.uid)
    assert limits.vcpus == (cell.cpus,)
    assert set(limits.emulator) <= set(cell.cpus)
    limits = await driver.limits(own.uid)
    assert limits.vcpus == (own.cpus,)
    assert limits.emulator == own.cpus, "its own threads are paid for by itself"


async def test_the_target_keeps_it_to_cpus_of_its_own(pinning_factory: Factory, hosts: Hosts) -> None:
    source, target = await pinning_factory(0), await pinning_factory(1)
    desired = await pinned(source, hosts)
    there = replace(desired, cpus=(await pinned(target, hosts)).cpus)
    assert set(there.cpus).isdisjoint(desired.cpus)
    await source.ensure(desired, run=True)
    await target.prepare_incoming(there)
    await source.migrate(desired.uid, hosts.target(1))
    await source.remove(desired.uid, timeout=0)
    await target.resume(there)
    assert (await target.limits(desired.uid)).vcpus == (there.cpus,)
    machine = await find(target, desired.uid)
    assert machine is not None
    assert (machine.cpus, machine.settled) == (there.cpus, True)
    # What it was on the source is not what it is started as here.
    await crashed(target, hosts, desired.uid, 1)
    await target.ensure(there, run=True)
    assert (await target.limits(desired.uid)).vcpus == (there.cpus,)


async def test_other_cpus_are_given_to_a_running_machine(pinning_factory: Factory, hosts: Hosts) -> None:
    driver = await pinning_factory(0)
    cell = await cell_of(driver)
    # Of the whole machine, so that cpus may be shared ones too: hosts of two cpus give only one.
    sizes = hosts.sizes(machine_share=MachineShare.MACHINE)
    desired = hosts.desired(sizes=sizes)
    await driver.ensure(desired, run=True)
    assert (await driver.limits(desired.uid)).vcpus == (cell.cpus,)
    events: list[Event] = []
    driver.events().listeners.append(lambda event: events.append(event.event))
    wider = replace(desired, cpus=cell.pinned_cpus)
    await driver.ensure(wider, run=True)
    limits = await driver.limits(desired.uid)
    assert limits.vcpus == (tuple(sorted({*cell.cpus, *cell.pinned_cpus})),)
    assert limits.vcpus[0] == limits.emulator
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert (machine.cpus, machine.state) == (cell.pinned_cpus, MachineState.RUNNING)
    assert Event.STOPPED not in events


@pytest.mark.design("I5")
async def test_a_whole_machine_has_all_cpus_and_no_limits(pinning_factory: Factory, hosts: Hosts) -> None:
    driver = await pinning_factory(0)
    cell = await cell_of(driver)
    desired = hosts.desired(sizes=hosts.sizes(vcpus=2, machine_share=MachineShare.MACHINE))
    desired = replace(desired, cpus=cell.pinned_cpus)
    await driver.ensure(desired, run=True)
    limits = await driver.limits(desired.uid)
    every = tuple(sorted({*cell.cpus, *cell.pinned_cpus}))
    assert limits.vcpus == (every, every)
    assert (limits.cpu_percent, limits.disk_iops, limits.nic_bytes) == (100, 0, 0)


async def test_memory_is_kept_to_the_cells(pinning_factory: Factory, hosts: Hosts) -> None:
    source, target = await pinning_factory(0), await pinning_factory(1)
    desired = replace(hosts.desired(), cells=(0,))
    await source.ensure(desired, run=True)
    assert (await source.limits(desired.uid)).cells == (0,)
    await target.prepare_incoming(desired)
    await source.migrate(desired.uid, hosts.target(1))
    await source.remove(desired.uid, timeout=0)
    await target.resume(desired)
    assert (await target.limits(desired.uid)).cells == (0,)


async def test_what_the_host_does_not_have_is_refused(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    sizes = hosts.sizes(cpu_mode=CpuMode.PINNED)
    for wrong, message in (
        (replace(desired, cells=(7,)), "NUMA cell 7"),
        (replace(desired, cpus=(4095,)), "cpu 4095"),
        (replace(hosts.desired(uid=desired.uid, revision=2, sizes=sizes), cpus=()), "0 cpus assigned"),
    ):
        with pytest.raises(PermanentError, match=message):
            await driver.ensure(wrong, run=True)
        with pytest.raises(PermanentError, match=message):
            await driver.prepare_incoming(wrong)
    machine = await find(driver, desired.uid)
    assert machine is not None
    assert machine.state is MachineState.RUNNING, "a wrong change costs no running machine"


async def test_limits_of_what_does_not_run(driver: Driver, hosts: Hosts) -> None:
    with pytest.raises(NotFound):
        await driver.limits("0" * 32)
    desired = hosts.desired()
    await driver.ensure(desired, run=False)
    with pytest.raises(NotFound):
        await driver.limits(desired.uid)
