"""One agent makes its machines what the assignments say."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.agent.drivers.memory.failing_drivers import (
    MemoryDriverAway,
    MemoryDriverFailsStart,
    MemoryDriverHangs,
    MemoryDriverIgnoresShutdown,
    MemoryDriverRefusesImage,
)
from controller.agent.drivers.types import Event, MachineState
from controller.agent.machine_reconciler import WorkLimits
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches, item

HERE = "memory:server0"


def running(world: MemoryHypervisors) -> set[str]:
    return world.read(HERE).running()


@pytest.mark.design("A6", "K5")
async def test_an_owner_is_created_and_reported_active(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock, start_seconds=3), clock)
    await bench.assign(item("u0", revision=4))
    await bench.until(lambda: bench.report().status == "Active")
    assert running(world) == {"u0"}
    report = bench.report()
    assert (report.state, report.revision, report.role, report.assignment) == ("Running", 4, "Owner", "u0-1")
    assert b'"172.16.10.10"' in report.observed
    assert b'"memory"' in report.observed
    assert bench.states()[0] == "Creating:Scheduled/Absent"


async def test_a_crashed_machine_is_started_again(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock)
    await bench.assign(item())
    await bench.until(lambda: running(world) == {"u0"})
    world.crash(HERE, "u0")
    await bench.until(lambda: running(world) == {"u0"}, within=2)
    assert world.read(HERE).machines["u0"].boots == 2


async def test_a_machine_that_crashes_at_every_start_is_started_ever_more_slowly(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = MemoryDriver(HERE, world, clock=clock)
    bench = await benches.start(driver, clock)
    driver.events().listeners.append(
        lambda event: world.crash(HERE, event.uid) if event.event is Event.STARTED else None
    )
    await bench.assign(item())
    await clock.advance(300)
    boots = world.read(HERE).machines["u0"].boots
    assert 5 <= boots <= 15
    assert "does not stay" in bench.report().status_reason
    driver.events().listeners.pop()
    await bench.assign(item(reboots=1))
    await bench.until(lambda: running(world) == {"u0"}, within=1)
    await bench.until(lambda: bench.report().status_reason == "")


async def test_power_is_desired_state(benches: Benches, clock: VirtualClock, world: MemoryHypervisors) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock)
    await bench.assign(item(power="Stopped"))
    await bench.until(lambda: bench.report().status == "Active")
    assert bench.report().state == "Stopped"
    await bench.assign(item(power="Running"))
    await bench.until(lambda: bench.report().state == "Running")
    await bench.assign(item(power="Stopped"))
    await bench.until(lambda: bench.report().state == "Stopped")
    assert running(world) == set()


async def test_a_reboot_and_a_new_revision_restart_it_once(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock)
    await bench.assign(item())
    await bench.until(lambda: bench.report().state == "Running")
    await bench.assign(item(reboots=1))
    await bench.until(lambda: world.read(HERE).machines["u0"].boots == 2)
    await bench.assign(item(reboots=1, revision=2))
    await bench.until(lambda: bench.report().revision == 2)
    await clock.advance(200)
    assert world.read(HERE).machines["u0"].boots == 3


@pytest.mark.design("K3")
async def test_leaving_shuts_down_gracefully_and_says_absent_only_at_the_end(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock, shutdown_seconds=20), clock)
    await bench.assign(item())
    await bench.until(lambda: bench.report().state == "Running")
    await bench.assign(item(role="Leaving"))
    await clock.advance(19)
    assert running(world) == {"u0"}
    await bench.until(lambda: bench.report().state == "Absent")
    assert world.read(HERE).machines == {}
    assert world.read(HERE).disks == {}
    assert bench.report().role == "Leaving"
    assert [one.state for one in bench.reported if one.role == "Leaving"] == ["Running", "Absent"]
    await bench.assign()
    await bench.until(lambda: bench.agent.reports.get("u0") is None or not bench.report().assignment)


async def test_absent_is_not_said_while_disks_may_be_left(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = MemoryDriver(HERE, world, clock=clock)
    bench = await benches.start(driver, clock)
    await bench.assign(item(role="Leaving"))
    await bench.until(lambda: bench.report().state == "Absent")
    assert bench.states()[0] == "Deleting:Scheduled/Stopped/removing"


async def test_a_guest_that_ignores_shutdown_is_cut_after_the_timeout(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriverIgnoresShutdown(HERE, world, clock=clock), clock)
    await bench.assign(item(shutdown_timeout=30))
    await bench.until(lambda: bench.report().state == "Running")
    await bench.assign(item(role="Leaving", shutdown_timeout=30))
    await clock.advance(29)
    assert running(world) == {"u0"}
    await bench.until(lambda: bench.report().state == "Absent", within=3)


async def test_a_bad_image_is_an_error_with_its_reason_and_holds_up_nobody(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriverRefusesImage(HERE, world, clock=clock, marker="bad"), clock)
    bad = {"url": "file:///srv/bad.qcow2", "checksum": "sha256:" + "1" * 64}
    await bench.assign(item("u0", image=bad), item("u1", index=1))
    await bench.until(lambda: bench.report("u1").status == "Active")
    await bench.until(lambda: bench.report("u0").status == "Error")
    assert "bad.qcow2" in bench.report("u0").status_reason
    assert bench.states("u0")[-1] == "Error/Absent"
    count = len(bench.states("u0"))
    await clock.advance(300)
    assert len(bench.states("u0")) == count, "the status must not flap at each resync"
    await bench.assign(item("u0"), item("u1", index=1))
    await bench.until(lambda: bench.report("u0").status == "Active")


async def test_a_spec_that_is_not_understood_is_an_error(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock)
    await bench.assign(item("u0", colour="red"), item("u1", index=1))
    await bench.until(lambda: bench.report("u0").status == "Error" and bench.report("u1").status == "Active")
    assert "colour" in bench.report("u0").status_reason


async def test_hung_machines_do_not_hold_up_the_others(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = MemoryDriverHangs(HERE, world, clock=clock, marker="web-1", deadline=90)
    bench = await benches.start(driver, clock, limits=WorkLimits(starts=2, start_patience=10))
    hung = [item(f"h{index}", index=index) for index in (10, 11, 12, 13)]
    await bench.assign(*hung, *(item(f"u{index}", index=index) for index in (2, 3, 4)))
    await bench.until(lambda: running(world) == {"u2", "u3", "u4"}, within=60)
    await bench.until(lambda: "did not answer" in bench.report("h10").status_reason, within=150)


async def test_starts_at_once_are_bounded(benches: Benches, clock: VirtualClock, world: MemoryHypervisors) -> None:
    driver = MemoryDriver(HERE, world, clock=clock, start_seconds=5)
    bench = await benches.start(driver, clock, limits=WorkLimits(starts=2))
    await bench.assign(*(item(f"u{index}", index=index) for index in range(5)))
    for count in (2, 4, 5):
        await clock.advance(5.01)
        assert len(running(world)) == count


async def test_a_passing_error_is_tried_again(benches: Benches, clock: VirtualClock, world: MemoryHypervisors) -> None:
    bench = await benches.start(MemoryDriverFailsStart(HERE, world, clock=clock, failures=3), clock)
    await bench.assign(item())
    await bench.until(lambda: "did not start" in bench.report().status_reason)
    assert bench.report().status == "Creating:Scheduled"
    await bench.until(lambda: bench.report().status == "Active")
    assert bench.report().status_reason == ""


async def test_a_hypervisor_that_is_away_makes_the_node_unhealthy(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = MemoryDriverAway(HERE, world, clock=clock)
    bench = await benches.start(driver, clock)
    assert bench.agent.unhealthy_reason() == "the hypervisor is away"
    driver.away = False
    await clock.advance(10)
    assert bench.agent.unhealthy_reason() == ""
    await bench.assign(item())
    await bench.until(lambda: bench.report().status == "Active")
    driver.away = True
    await bench.assign(item(reboots=1))
    await bench.until(lambda: bench.agent.unhealthy_reason() == "the hypervisor is away")
    assert running(world) == {"u0"}


@pytest.mark.design("A6")
async def test_with_the_api_away_a_restarted_agent_keeps_what_it_has(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors, tmp_path: Path
) -> None:
    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path)
    await bench.assign(item("u0"), item("u1", index=1, role="Leaving"))
    await bench.until(lambda: running(world) == {"u0"})
    await bench.stop()
    assert running(world) == {"u0"}
    successor = await benches.start(MemoryDriver(HERE, world, clock=clock), clock, state=tmp_path)
    world.crash(HERE, "u0")
    await successor.until(lambda: running(world) == {"u0"})
    assert world.read(HERE).machines["u0"].state is MachineState.RUNNING
