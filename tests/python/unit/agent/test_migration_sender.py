"""Two agents and a controller that the test plays: at no instant do two copies run."""

from __future__ import annotations

import pytest

from controller.agent.drivers.memory.failing_drivers import (
    MemoryDriverFailsMigration,
    MemoryDriverFailsMigrationAtFinish,
    MemoryDriverFailsMigrationAtSwitch,
    MemoryDriverHangsAtSwitch,
)
from controller.agent.drivers.types import MachineState
from tests.python.unit.agent.bench import item
from tests.python.unit.agent.pair import SOURCE, TARGET, Pair

pytestmark = pytest.mark.design("E1")


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
    assert pair.world.running("u0") == [], "until the roles are swapped neither side resumes it"
    await pair.swap()
    assert pair.world.running("u0") == [TARGET]
    assert pair.world.read(SOURCE).disks == {}
    assert pair.world.read(TARGET).machines["u0"].boots == 1, "it was never started again"


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
    # The controller gives up: the target cleans up, the source continues under a new number.
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


async def test_a_source_that_hangs_in_its_job_is_repaired_and_runs_on(pair: Pair) -> None:
    await pair.start(MemoryDriverHangsAtSwitch)
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Failed")
    assert "Active/Paused/migration/Sending" in pair.source.states(), "it is not taken for ended while it hangs"
    assert pair.world.running("u0") == [SOURCE]
    assert pair.world.read(SOURCE).machines["u0"].boots == 1, "it was not started again"
    assert not pair.world.read(SOURCE).machines["u0"].migrating


async def test_what_hangs_is_repaired_by_an_agent_that_was_restarted_too(pair: Pair) -> None:
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


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5, 3.5])
async def test_the_source_agent_dies_during_a_migration(pair: Pair, moment: float) -> None:
    await pair.start()
    await pair.send()
    await pair.source.until(lambda: pair.source.report().migration == "Sending")
    await pair.clock.advance(moment)
    await pair.restart_source()
    await pair.source.until(lambda: pair.source.report().migration in ("Failed", "Sent", "Unclear"))
    await pair.clock.advance(100)
    reported = pair.source.report()
    arrived = pair.target.agent.reports.get("u0")
    complete = arrived is not None and (arrived.state, arrived.state_reason) == ("Paused", "user")
    if reported.state == "Running":
        assert pair.world.running("u0") == [SOURCE]
    else:
        assert pair.world.running("u0") == []
        assert complete or reported.state == "Paused"
        if complete:
            await pair.swap()
        else:
            await pair.target.assign(item(role="Leaving", name="u0-2"))
            await pair.source.assign(item(attempt=3))
            await pair.source.until(lambda: pair.world.running("u0") == [SOURCE])


async def test_an_assignment_from_before_does_not_resume_a_sent_machine(pair: Pair) -> None:
    """The disk has the assignment from before the send order; the API is away when the agent is back."""
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


async def test_a_new_number_is_not_reported_while_the_old_one_is_being_sent(pair: Pair) -> None:
    await pair.start(seconds=30)
    await pair.send(2)
    await pair.source.until(lambda: pair.source.report().migration == "Sending")
    await pair.source.assign(item(attempt=3))
    await pair.clock.advance(1)
    await pair.source.agent._report_all()
    assert (pair.source.report().attempt, pair.source.report().migration) == (2, "Sending")
    await pair.source.until(lambda: pair.source.report().attempt == 3)
    assert pair.world.running("u0") == [SOURCE] or pair.world.running("u0") == []
