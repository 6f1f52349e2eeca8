"""The contract of ``controller.agent.drivers.base.Driver``, held against every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Event, Machine, MachineState, PauseReason, Quarantined
from controller.errors import Conflict, ImageInvalid, NotFound, ResourceError
from tests.python.contract.drivers.hosts import Hosts, find
from tests.python.eventually import eventually

Factory = Callable[[int], Awaitable[Driver]]

pytestmark = pytest.mark.design("D6", "E1")


async def state_of(driver: Driver, uid: str) -> MachineState | None:
    machine = await find(driver, uid)
    return machine.state if machine else None


async def running(driver: Driver, hosts: Hosts, uid: str) -> Machine:
    async def check() -> bool:
        return await state_of(driver, uid) is MachineState.RUNNING

    await eventually(check)
    machine = await find(driver, uid)
    assert machine is not None
    return machine


async def stopped(driver: Driver, hosts: Hosts, uid: str) -> None:
    async def check() -> bool:
        return await state_of(driver, uid) is MachineState.STOPPED

    await eventually(check)


async def test_facts_say_what_there_is(driver: Driver) -> None:
    facts = await driver.facts()
    assert facts.capacity.vcpus >= 1
    assert facts.capacity.memory_mib >= 64
    assert facts.accelerator in ("kvm", "tcg", "memory")


async def test_a_new_host_has_no_machines(driver: Driver) -> None:
    assert await driver.observe() == []


async def test_ensure_makes_and_runs_a_machine(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired(revision=3)
    await driver.ensure(desired, run=True)
    machine = await running(driver, hosts, desired.uid)
    assert (machine.uid, machine.name, machine.revision) == (desired.uid, desired.name, 3)
    assert machine.pause_reason is PauseReason.NONE
    assert machine.persistent
    assert not machine.migrating
    assert len(machine.taps) == len(desired.spec.interfaces)
    assert await hosts.root_disk(desired.uid) is not None


async def test_ensure_twice_changes_nothing(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    disk = await hosts.root_disk(desired.uid)
    events: list[Event] = []
    driver.events().listeners.append(lambda event: events.append(event.event))
    await driver.ensure(desired, run=True)
    await running(driver, hosts, desired.uid)
    assert await hosts.root_disk(desired.uid) == disk
    assert len(await driver.observe()) == 1
    assert Event.STOPPED not in events


async def test_ensure_without_run_only_defines(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=False)
    assert await state_of(driver, desired.uid) is MachineState.STOPPED
    assert await hosts.root_disk(desired.uid) is not None


async def test_ensure_stops_what_is_not_to_run_and_starts_it_again(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    disk = await hosts.root_disk(desired.uid)
    await driver.ensure(desired, run=False)
    await stopped(driver, hosts, desired.uid)
    await driver.ensure(desired, run=True)
    await running(driver, hosts, desired.uid)
    assert await hosts.root_disk(desired.uid) == disk


async def test_ensure_starts_a_crashed_machine_on_its_old_disk(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    disk = await hosts.root_disk(desired.uid)
    await hosts.crash(desired.uid)
    await stopped(driver, hosts, desired.uid)
    await driver.ensure(desired, run=True)
    await running(driver, hosts, desired.uid)
    assert await hosts.root_disk(desired.uid) == disk


async def test_a_new_revision_keeps_the_disk_of_the_same_image(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired(revision=1)
    await driver.ensure(desired, run=True)
    disk = await hosts.root_disk(desired.uid)
    second = hosts.desired(revision=2, uid=desired.uid, disks=(hosts.extra_disk("data"),))
    await driver.ensure(second, run=True)
    assert (await running(driver, hosts, desired.uid)).revision == 2
    assert await hosts.root_disk(desired.uid) == disk


async def test_a_new_image_makes_the_root_disk_anew(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired(revision=1)
    await driver.ensure(desired, run=True)
    disk = await hosts.root_disk(desired.uid)
    second = hosts.desired(revision=2, uid=desired.uid, image=hosts.image(other=True))
    await driver.ensure(second, run=True)
    assert (await running(driver, hosts, desired.uid)).revision == 2
    assert await hosts.root_disk(desired.uid) not in (None, disk)


async def test_a_root_disk_that_an_older_revision_replaces_is_kept_aside(driver: Driver, hosts: Hosts) -> None:
    """A database that was restored asks for an image of before."""
    newer = hosts.desired(revision=2)
    await driver.ensure(newer, run=False)
    disk = await hosts.root_disk(newer.uid)
    older = hosts.desired(revision=1, uid=newer.uid)
    await driver.ensure(older, run=False)
    assert await hosts.root_disk(newer.uid) == disk, "the image is the same"
    await driver.ensure(newer, run=False)
    other = hosts.desired(revision=1, uid=newer.uid, image=hosts.image(other=True))
    await driver.ensure(other, run=False)
    assert await hosts.root_disk(newer.uid) not in (None, disk)
    assert [one.name for one in await driver.quarantined() if one.uid == newer.uid] == [newer.name]


async def test_a_reboot_is_carried_out_once(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    assert (await running(driver, hosts, desired.uid)).reboots == 0
    again = hosts.desired(uid=desired.uid, reboots=2)
    await driver.ensure(again, run=True)
    assert (await running(driver, hosts, desired.uid)).reboots == 2
    events: list[Event] = []
    driver.events().listeners.append(lambda event: events.append(event.event))
    await driver.ensure(again, run=True)
    assert Event.STOPPED not in events


async def test_a_restarted_agent_finds_its_machines(driver: Driver, driver_factory: Factory, hosts: Hosts) -> None:
    desired = hosts.desired(revision=7)
    await driver.ensure(desired, run=True)
    await driver.close()
    successor = await driver_factory(0)
    machine = await running(successor, hosts, desired.uid)
    assert (machine.name, machine.revision) == (desired.name, 7)
    await successor.ensure(desired, run=True)
    assert len(await successor.observe()) == 1


async def test_machines_side_by_side(driver: Driver, hosts: Hosts) -> None:
    wanted = [hosts.desired(f"default.kanto.web-{index}", interfaces=()) for index in range(3)]
    await asyncio.gather(*(driver.ensure(desired, run=True) for desired in wanted))
    for desired in wanted:
        await running(driver, hosts, desired.uid)
    assert {machine.name for machine in await driver.observe()} == {desired.name for desired in wanted}


@pytest.mark.design("K5")
async def test_a_bad_image_raises_and_leaves_nothing(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired(image=hosts.bad_image())
    with pytest.raises(ImageInvalid):
        await driver.ensure(desired, run=True)
    assert await find(driver, desired.uid) is None
    assert await hosts.root_disk(desired.uid) is None


async def test_stop_at_once(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await driver.stop(desired.uid, timeout=0)
    await stopped(driver, hosts, desired.uid)
    assert await hosts.root_disk(desired.uid) is not None


async def test_stop_of_what_is_not_there(driver: Driver) -> None:
    with pytest.raises(NotFound):
        await driver.stop("0" * 32, timeout=0)


async def test_remove_takes_machine_and_disks_away(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await driver.remove(desired.uid, timeout=0)
    assert await find(driver, desired.uid) is None
    assert await hosts.root_disk(desired.uid) is None
    await driver.remove(desired.uid, timeout=0)


async def kept(driver: Driver, uid: str) -> list[Quarantined]:
    return [one for one in await driver.quarantined() if one.uid == uid]


async def test_quarantine_takes_a_running_machine_away_and_keeps_its_disks(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await driver.quarantine(desired.uid)
    assert await find(driver, desired.uid) is None
    assert await hosts.root_disk(desired.uid) is None
    [one] = await kept(driver, desired.uid)
    assert one.name == desired.name
    assert one.at.tzinfo is not None
    await driver.quarantine(desired.uid)
    assert await kept(driver, desired.uid) == [one], "a repeated call keeps one copy"

    await driver.purge(one.key)
    assert await kept(driver, desired.uid) == []
    await driver.purge(one.key)


async def test_a_machine_that_comes_again_gets_new_disks_and_may_be_kept_aside_again(
    driver: Driver, driver_factory: Factory, hosts: Hosts
) -> None:
    desired = hosts.desired()
    for _ in range(2):
        await driver.ensure(desired, run=False)
        await driver.quarantine(desired.uid)
    found = await kept(driver, desired.uid)
    assert len({one.key for one in found}) == 2
    assert await kept(await driver_factory(0), desired.uid) == found, "a restarted agent lists them too"


async def test_quarantine_keeps_what_a_migration_prepared(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.prepare_incoming(desired)
    await driver.quarantine(desired.uid)
    assert await hosts.root_disk(desired.uid) is None
    assert len(await kept(driver, desired.uid)) == 1


async def test_quarantine_of_what_does_not_exist(driver: Driver) -> None:
    await driver.quarantine("0" * 32)
    assert await kept(driver, "0" * 32) == []


async def test_events_tell_of_start_and_crash(driver: Driver, hosts: Hosts) -> None:
    events: list[tuple[Event, str]] = []
    driver.events().listeners.append(lambda event: events.append((event.event, event.uid)))
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await eventually(lambda: (Event.STARTED, desired.uid) in events)
    await hosts.crash(desired.uid)
    await eventually(lambda: (Event.STOPPED, desired.uid) in events)


async def test_prepare_incoming_defines_nothing(driver: Driver, hosts: Hosts) -> None:
    desired = hosts.desired()
    await driver.prepare_incoming(desired)
    await driver.prepare_incoming(desired)
    assert await find(driver, desired.uid) is None
    assert await hosts.root_disk(desired.uid) is not None
    await driver.remove(desired.uid, timeout=0)
    assert await hosts.root_disk(desired.uid) is None


async def test_a_migrated_machine_arrives_paused_and_is_gone_here(
    driver: Driver, driver_factory: Factory, hosts: Hosts
) -> None:
    other = await driver_factory(1)
    desired = hosts.desired(disks=(hosts.extra_disk("data"),))
    await driver.ensure(desired, run=True)
    await running(driver, hosts, desired.uid)
    await other.prepare_incoming(desired)
    await driver.migrate(desired.uid, hosts.target(1))

    assert await state_of(driver, desired.uid) in (None, MachineState.STOPPED)
    arrived = await find(other, desired.uid)
    assert arrived is not None
    assert (arrived.state, arrived.pause_reason) == (MachineState.PAUSED, PauseReason.USER)
    assert (arrived.name, arrived.revision, arrived.migrating) == (desired.name, desired.revision, False)

    await other.ensure(desired, run=True)
    assert await state_of(other, desired.uid) is MachineState.PAUSED, "only resume may set it going"
    await driver.remove(desired.uid, timeout=0)
    await other.resume(desired)
    machine = await running(other, hosts, desired.uid)
    assert machine.persistent
    assert await hosts.root_disk(desired.uid, 0) is None
    assert await hosts.root_disk(desired.uid, 1) is not None


async def test_there_and_back(driver: Driver, driver_factory: Factory, hosts: Hosts) -> None:
    other = await driver_factory(1)
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await running(driver, hosts, desired.uid)
    for source, target, number in ((driver, other, 1), (other, driver, 0)):
        await target.prepare_incoming(desired)
        await source.migrate(desired.uid, hosts.target(number))
        await source.remove(desired.uid, timeout=0)
        await target.resume(desired)
        await running(target, hosts, desired.uid)
    assert await find(other, desired.uid) is None


async def test_migration_to_an_unprepared_host_leaves_the_source_running(
    driver: Driver, driver_factory: Factory, hosts: Hosts
) -> None:
    other = await driver_factory(1)
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    await running(driver, hosts, desired.uid)
    with pytest.raises(ResourceError):
        await driver.migrate(desired.uid, hosts.target(1))
    assert await state_of(driver, desired.uid) is MachineState.RUNNING
    assert await state_of(other, desired.uid) is not MachineState.RUNNING


async def test_resume_of_what_is_not_there(driver: Driver, hosts: Hosts) -> None:
    with pytest.raises(NotFound):
        await driver.resume(hosts.desired())


async def test_console_is_for_one_at_a_time(driver: Driver, hosts: Hosts) -> None:
    with pytest.raises(NotFound):
        await driver.console("0" * 32)
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    console = await driver.console(desired.uid)
    with pytest.raises(Conflict):
        await driver.console(desired.uid)
    async with asyncio.timeout(60):
        assert await console.read()
    await console.write(b"\r\n")
    await console.close()
    await (await driver.console(desired.uid)).close()
