"""Two agents and a hand-played controller: at no instant do two copies run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.agent.drivers.memory import MemoryDriver
from controller.agent.drivers.memory_failures import (
    MemoryDriverFailsMigration,
    MemoryDriverFailsMigrationAtFinish,
    MemoryDriverFailsMigrationAtSwitch,
    MemoryDriverHangsAtSwitch,
    MemoryDriverRefusesImage,
    MemoryDriverRollsBackAtFinish,
)
from controller.agent.drivers.memory_world import MemoryHypervisors
from controller.agent.drivers.types import MachineState
from controller.clock import VirtualClock
from controller.wire.agent_pb2 import AssignmentItem
from tests.python.unit.agent.bench import Bench, Benches, item

SOURCE, TARGET = "memory:server0", "memory:server1"

pytestmark = pytest.mark.design("E1")


class Pair:
    """A source that runs u0, and a target."""

    def __init__(self, benches: Benches, clock: VirtualClock, world: MemoryHypervisors, folder: Path) -> None:
        self.benches, self.clock, self.world, self.folder = benches, clock, world, folder
        self.source: Bench
        self.target: Bench

    async def start(self, kind: type[MemoryDriver] = MemoryDriver, *, seconds: float = 3) -> None:
        driver = kind(SOURCE, self.world, clock=self.clock, migration_seconds=seconds)
        self.source = await self.benches.start(driver, self.clock, state=self.folder / "source")
        await self.start_target()
        await self.source.assign(item())
        await self.target.assign()
        await self.source.until(lambda: self.world.running("u0") == [SOURCE])

    async def start_target(self, kind: type[MemoryDriver] = MemoryDriver) -> None:
        driver = kind(TARGET, self.world, clock=self.clock)
        self.target = await self.benches.start(driver, self.clock, node="server1", state=self.folder / "target")

    async def restart_source(self) -> None:
        await self.source.stop()
        driver = MemoryDriver(SOURCE, self.world, clock=self.clock)
        self.source = await self.benches.start(driver, self.clock, state=self.folder / "source")

    def sending(self, attempt: int = 2, *, ready: bool = True) -> AssignmentItem:
        return item(migrate_to="server1", migrate_address=TARGET, migrate_ready=ready, attempt=attempt)

    async def prepare(self, attempt: int = 2) -> None:
        await self.target.assign(item(role="Incoming", name=f"u0-{attempt}", attempt=attempt))
        await self.target.until(lambda: self.target.report().migration == "Prepared")

    async def send(self, attempt: int = 2) -> None:
        await self.source.assign(item(migrate_to="server1", attempt=attempt))
        await self.prepare(attempt)
        await self.source.assign(
            item(migrate_to="server1", migrate_address=TARGET, migrate_ready=True, attempt=attempt)
        )

    async def swap(self, attempt: int = 2) -> None:
        await self.source.assign(item(role="Leaving"))
        await self.target.assign(item(role="Owner", name=f"u0-{attempt}", attempt=attempt))
        await self.source.until(lambda: self.source.report().state == "Absent")
        await self.target.until(lambda: self.target.report().state == "Running")


@pytest.fixture
async def pair(benches: Benches, clock: VirtualClock, world: MemoryHypervisors, tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(benches, clock, world, tmp_path)
    yield pair
    assert world.double_runs() == []


async def test_a_migration_from_end_to_end(pair: Pair) -> None:
    await pair.start()
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Sent")
    assert pair.source.report().state == "Absent"
    assert pair.source.report().attempt == 2
    assert "Active/Running/Sending" in pair.source.states()
    await pair.target.until(lambda: pair.target.report().state_reason == "user")
    assert pair.target.report().state == "Paused"
    await pair.clock.advance(120)
    assert pair.world.running("u0") == [], "until the roles are swapped neither side sets it going"
    await pair.swap()
    assert pair.world.running("u0") == [TARGET]
    assert pair.world.read(SOURCE).disks == {}
    assert pair.world.read(TARGET).machines["u0"].boots == 1, "it was never started anew"


async def test_there_and_back_again(pair: Pair) -> None:
    await pair.start()
    await pair.send(2)
    await pair.source.until(lambda: pair.source.report().migration == "Sent")
    await pair.swap(2)
    await pair.source.assign(item(role="Incoming", name="u0-3", attempt=3))
    await pair.source.until(lambda: pair.source.report().migration == "Prepared")
    await pair.target.assign(
        item(name="u0-2", migrate_to="server0", migrate_address=SOURCE, migrate_ready=True, attempt=3)
    )
    await pair.target.until(lambda: pair.target.report().migration == "Sent")
    await pair.target.assign(item(role="Leaving", name="u0-2"))
    await pair.source.assign(item(name="u0-3"))
    await pair.source.until(lambda: pair.world.running("u0") == [SOURCE])


async def test_a_migration_is_tried_once_per_number(pair: Pair) -> None:
    await pair.start(MemoryDriverFailsMigration)
    await pair.send(2)
    await pair.source.until(lambda: pair.source.report().migration == "Failed")
    assert pair.source.report().state == "Running"
    assert "broke off" in pair.source.report().status_reason
    await pair.clock.advance(300)
    assert pair.source.states().count("Active/Running/Sending") == 1
    await pair.restart_source()
    await pair.clock.advance(100)
    assert pair.world.running("u0") == [SOURCE]
    assert pair.source.report().migration == "Failed"
    # The controller gives up: the target cleans up, the source goes on under a new number.
    await pair.target.assign(item(role="Leaving", name="u0-2"))
    await pair.source.assign(item(attempt=3))
    await pair.target.until(lambda: pair.target.report().state == "Absent")
    await pair.source.until(lambda: pair.source.report().attempt == 3)
    assert pair.world.read(TARGET).disks == {}


async def test_broken_at_the_finish_waits_for_the_controller_which_finishes_it(pair: Pair) -> None:
    await pair.start(MemoryDriverFailsMigrationAtFinish)
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Unclear")
    report = pair.source.report()
    assert (report.state, report.state_reason) == ("Paused", "migration")
    await pair.target.until(lambda: pair.target.report().state_reason == "user")
    await pair.clock.advance(300)
    assert pair.world.running("u0") == []
    await pair.swap()
    assert pair.world.running("u0") == [TARGET]


async def test_a_source_that_hangs_in_its_job_is_mended_and_runs_on(pair: Pair) -> None:
    await pair.start(MemoryDriverHangsAtSwitch)
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Failed")
    assert "Active/Paused/migration/Sending" in pair.source.states(), "nobody takes it for ended while it hangs"
    assert pair.world.running("u0") == [SOURCE]
    assert pair.world.read(SOURCE).machines["u0"].boots == 1, "it was not started anew"
    assert not pair.world.read(SOURCE).machines["u0"].migrating


async def test_what_hangs_is_mended_by_an_agent_that_was_restarted_too(pair: Pair) -> None:
    await pair.start(MemoryDriverHangsAtSwitch)
    driver = MemoryDriverHangsAtSwitch(SOURCE, pair.world, clock=pair.clock)
    await pair.send()
    await pair.source.until(lambda: pair.world.read(SOURCE).machines["u0"].state is MachineState.PAUSED)
    await pair.source.stop()
    pair.source = await pair.benches.start(driver, pair.clock, state=pair.folder / "source")
    await pair.source.assign(pair.sending())
    await pair.source.until(lambda: pair.source.report().migration == "Failed")
    assert pair.world.running("u0") == [SOURCE]


async def test_broken_at_the_switch_is_resumed_when_the_controller_says_so(pair: Pair) -> None:
    await pair.start(MemoryDriverFailsMigrationAtSwitch)
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Unclear")
    await pair.target.until(lambda: pair.target.report().state_reason == "incoming")
    await pair.clock.advance(300)
    assert pair.world.running("u0") == []
    await pair.target.assign(item(role="Leaving", name="u0-2"))
    await pair.target.until(lambda: pair.target.report().state == "Absent")
    await pair.source.assign(item(attempt=3))
    await pair.source.until(lambda: pair.world.running("u0") == [SOURCE])
    assert pair.world.read(SOURCE).machines["u0"].boots == 1


async def test_a_definition_left_on_the_target_is_removed_by_the_next_try(pair: Pair) -> None:
    await pair.start(MemoryDriverRollsBackAtFinish)
    await pair.send(2)
    await pair.source.until(lambda: pair.source.report().migration == "Failed")
    assert pair.world.running("u0") == [SOURCE]
    pair.source.agent.driver.failures = 0  # type: ignore[attr-defined]
    await pair.send(3)
    await pair.source.until(lambda: pair.source.report().migration == "Sent")
    await pair.swap(3)


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5, 3.5])
async def test_the_source_agent_dies_during_a_migration(pair: Pair, moment: float) -> None:
    await pair.start()
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Sending")
    await pair.clock.advance(moment)
    await pair.restart_source()
    await pair.source.until(lambda: pair.source.report().migration in ("Failed", "Sent", "Unclear"))
    await pair.clock.advance(100)
    told = pair.source.report()
    arrived = pair.target.agent.reports.last("u0")
    complete = arrived is not None and (arrived.state, arrived.state_reason) == ("Paused", "user")
    if told.state == "Running":
        assert pair.world.running("u0") == [SOURCE]
    else:
        assert pair.world.running("u0") == []
        assert complete or told.state == "Paused"
        if complete:
            await pair.swap()
        else:
            await pair.target.assign(item(role="Leaving", name="u0-2"))
            await pair.source.assign(item(attempt=3))
            await pair.source.until(lambda: pair.world.running("u0") == [SOURCE])


async def test_a_word_from_before_does_not_set_a_sent_machine_going(pair: Pair) -> None:
    """The agent died before it learnt of the send order on disk; its API is away when it is back."""
    await pair.start(MemoryDriverFailsMigrationAtSwitch)
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Unclear")
    stale = pair.folder / "source" / "assignments"
    from controller.wire.agent_pb2 import Assignments

    stale.write_bytes(Assignments(full=True, version=1, items=[item()]).SerializeToString())
    await pair.restart_source()
    await pair.clock.advance(300)
    assert pair.world.running("u0") == []
    await pair.source.assign(item())
    await pair.source.until(lambda: pair.world.running("u0") == [SOURCE])


async def test_a_new_number_is_not_said_while_the_old_one_is_being_sent(pair: Pair) -> None:
    await pair.start(seconds=30)
    await pair.send(2)
    await pair.source.until(lambda: pair.source.report().migration == "Sending")
    await pair.source.assign(item(attempt=3))
    await pair.clock.advance(1)
    await pair.source.agent._picture()
    assert (pair.source.report().attempt, pair.source.report().migration) == (2, "Sending")
    await pair.source.until(lambda: pair.source.report().attempt == 3)
    assert pair.world.running("u0") == [SOURCE] or pair.world.running("u0") == []


async def test_a_target_that_cannot_prepare_says_so(pair: Pair) -> None:
    await pair.start()
    await pair.target.stop()
    await pair.start_target(MemoryDriverRefusesImage)
    await pair.target.assign(item(role="Incoming", name="u0-2", attempt=2))
    await pair.target.until(lambda: pair.target.report().migration == "Failed")
    assert pair.target.report().status == "Error"
    assert "guest.qcow2" in pair.target.report().status_reason


async def test_an_incoming_assignment_never_runs_anything(pair: Pair) -> None:
    await pair.start()
    await pair.prepare()
    await pair.clock.advance(300)
    assert pair.world.running("u0") == [SOURCE]
    assert pair.world.read(TARGET).machines == {}
    await pair.target.assign()
    await pair.target.until(lambda: pair.world.read(TARGET).disks == {})
