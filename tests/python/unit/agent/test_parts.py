"""The agent's parts by themselves: assignments on disk, journal, reports, places, observer, network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from controller.agent.assignments import Assigned, Assignments
from controller.agent.atomic_file import read_or_none, write_durably
from controller.agent.drivers.memory import MemoryDriver
from controller.agent.drivers.memory_world import FolderHypervisors, MemoryHypervisors
from controller.agent.drivers.types import Machine
from controller.agent.journal import Journal, MigrationPhase, MigrationRecord
from controller.agent.machine_decisions import Decision, Step
from controller.agent.network import NetworkKeeper, TapState
from controller.agent.observer import Observer
from controller.agent.reports import Reports, compose
from controller.agent.start_limiter import Places
from controller.clock import VirtualClock
from controller.errors import InvalidInput, TimedOut, Unavailable
from controller.model.envelope import Status
from controller.wire.agent_pb2 import Assignments as Message
from controller.wire.agent_pb2 import ResourceReport
from tests.python.contract.drivers.memory_hosts import MemoryHosts
from tests.python.unit.agent.bench import item


def test_a_durable_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    assert read_or_none(path) is None
    write_durably(path, b"one")
    write_durably(path, b"second")
    assert read_or_none(path) == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["file"]


async def test_assignments_survive_and_know_what_changed(tmp_path: Path) -> None:
    first = Assignments(tmp_path)
    assert not first.known
    assert await first.take(Message(full=True, version=1, items=[item("u0"), item("u1", index=1)])) == {"u0", "u1"}
    assert await first.take(Message(full=True, version=2, items=[item("u0"), item("u1", index=1)])) == set()
    assert await first.take(Message(version=3, items=[item("u0", revision=2)], removed=["u1-1"])) == {"u0", "u1"}
    assert first.confirmed

    second = Assignments(tmp_path)
    second.load()
    assert (second.uids(), second.version, second.known, second.confirmed) == (["u0"], 3, True, False)
    kept = second.of("u0")
    assert kept is not None
    assert kept.item.revision == 2


async def test_what_the_disk_does_not_take_is_not_acted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Assignments(tmp_path)
    await kept.take(Message(full=True, version=1, items=[item("u0")]))
    kept.session_ended()

    def full_disk(path: Path, content: bytes) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("controller.agent.assignments.write_durably", full_disk)
    with pytest.raises(OSError, match="no space"):
        await kept.take(Message(full=True, version=2, items=[item("u1")]))
    assert (kept.uids(), kept.version, kept.confirmed) == (["u0"], 1, False)


async def test_an_unknown_role_changes_nothing() -> None:
    assignments = Assignments()
    await assignments.take(Message(full=True, version=1, items=[item("u0")]))
    with pytest.raises(InvalidInput, match="Guest"):
        await assignments.take(Message(full=True, version=2, items=[item("u1", role="Guest")]))
    assert assignments.uids() == ["u0"]


async def test_an_owner_counts_before_a_leftover() -> None:
    assignments = Assignments()
    both = [item("u0", role="Leaving", name="a"), item("u0", name="b")]
    await assignments.take(Message(full=True, version=1, items=both))
    found = assignments.of("u0")
    assert found is not None
    assert found.item.name == "b"


async def test_the_journal_survives(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.record("u0", MigrationRecord(3, MigrationPhase.SENDING, "why"))
    await journal.booted("boot-1", {"u1": "asked"})
    again = Journal(tmp_path)
    again.load()
    assert again.migration("u0") == MigrationRecord(3, MigrationPhase.SENDING, "why")
    assert (again.boot, again.held("u1"), again.held("u0")) == ("boot-1", "asked", "")
    await again.forget("u0")
    await again.release("u1")
    third = Journal(tmp_path)
    third.load()
    assert (third.migration("u0"), third.held("u1")) == (None, "")


def test_reports_go_out_once_and_goodbyes_too() -> None:
    reports = Reports()
    report = ResourceReport(resource_uid="u0", assignment="a", state="Running")
    reports.say(report)
    reports.say(ResourceReport.FromString(report.SerializeToString()))
    assert reports.take_changed() == [report]
    assert reports.take_changed() == []
    assert not reports.changed.is_set()
    assert reports.take_all() == [report]
    reports.forget("u0")
    (goodbye,) = reports.take_changed()
    assert (goodbye.state, goodbye.assignment) == ("Absent", "")
    assert reports.take_all() == []
    reports.forget("u0")
    assert reports.take_changed() == []


@pytest.mark.parametrize("acting", [Step.REMOVE, Step.WAIT])
def test_absent_under_leaving_is_said_only_when_nothing_is_left_to_do(acting: Step) -> None:
    leaving = Assigned(item("u0", role="Leaving"))
    said = [
        compose("u0", leaving, None, Decision(one, Status.DELETING_SCHEDULED)).state for one in (acting, Step.NOTHING)
    ]
    assert said == ["Stopped", "Absent"]


async def test_a_place_is_given_up_after_a_while(clock: VirtualClock) -> None:
    places = Places(1, 10, clock)
    order: list[str] = []

    async def work(name: str, seconds: float) -> None:
        async with places.take():
            order.append(name)
            await clock.sleep(seconds)

    tasks = [asyncio.create_task(work(*one)) for one in (("slow", 100), ("quick", 1), ("next", 1))]
    await clock.advance(9)
    assert order == ["slow"]
    await clock.advance(1)
    assert order == ["slow", "quick"]
    await clock.advance(1)
    assert order == ["slow", "quick", "next"]
    await clock.advance(100)
    await asyncio.gather(*tasks)
    async with places.take():
        pass


class SlowDriver(MemoryDriver):
    """Counts looks; each takes a second."""

    looks = 0
    hang = False

    async def observe(self) -> list[Machine]:
        self.looks += 1
        if self.hang:
            await asyncio.Event().wait()
        await self._clock.sleep(1)
        return await super().observe()


async def test_looks_are_shared_and_never_older_than_the_call(clock: VirtualClock) -> None:
    driver = SlowDriver(clock=clock)
    observer = Observer(driver, 60)
    first = asyncio.create_task(observer.look())
    await clock.advance(0.5)
    later = [asyncio.create_task(observer.look()) for _ in range(10)]
    await clock.advance(0.6)
    assert first.done()
    assert not any(task.done() for task in later), "they came after that look had begun"
    await clock.advance(2)
    assert all(task.done() for task in later)
    assert driver.looks == 2
    await observer.close()


async def test_a_look_that_hangs_ends_with_the_deadline(clock: VirtualClock) -> None:
    driver = SlowDriver(clock=clock)
    driver.hang = True
    observer = Observer(driver, 0.02)
    with pytest.raises(TimedOut):
        await observer.look()
    assert "no answer" in observer.trouble
    driver.hang = False
    looking = asyncio.create_task(observer.look())
    observer._deadline = 10
    await clock.advance(2)
    assert await looking == {}
    assert observer.trouble == ""


class Recorder:
    """A network that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[list[TapState]] = []
        self.failing = False

    async def sync(self, taps: Sequence[TapState]) -> None:
        if self.failing:
            raise Unavailable("no netlink")
        self.told.append(list(taps))


@pytest.mark.design("B5")
async def test_taps_follow_the_machines_and_only_running_ones_are_announced(
    clock: VirtualClock, world: MemoryHypervisors
) -> None:
    hosts = MemoryHosts(world)
    driver = await hosts.driver()
    assignments = Assignments()
    port = Recorder()
    keeper = NetworkKeeper(port, Observer(driver, 60), assignments, clock=clock)
    task = asyncio.create_task(keeper.run())
    await clock.advance(40)
    assert port.told == [], "before it knows its assignments the agent leaves the network alone"

    await assignments.take(Message(full=True, version=1, items=[item("u0")]))
    found = assignments.of("u0")
    assert found is not None
    await driver.ensure(found.desired, run=True)
    keeper.wake()
    await clock.advance(0)
    (tap,) = port.told[-1]
    assert (str(tap.address), str(tap.gateway), tap.mac, tap.running) == (
        "172.16.10.10",
        "172.16.10.1",
        "52:54:ac:10:0a:0a",
        True,
    )
    await driver.stop("u0", timeout=0)
    port.failing = True
    keeper.wake()
    await clock.advance(0)
    port.failing = False
    await clock.advance(5)
    assert [one.running for one in port.told[-1]] == [False]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("host-*.json")}


async def test_a_folder_world_finishes_an_edit_that_was_decided(tmp_path: Path) -> None:
    """A process that dies between writing the journal and the hosts' files has edited both or none."""
    world = FolderHypervisors(tmp_path)
    hosts = MemoryHosts(world)
    driver = await hosts.driver()
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    decided = files(tmp_path)
    await driver.remove(desired.uid, timeout=0)
    body = ",".join(f'"{name}": {text}' for name, text in decided.items())
    (tmp_path / "journal").write_text("{" + body + "}")
    with FolderHypervisors(tmp_path).edit("memory:server1"):
        pass
    assert world.running(desired.uid) == ["memory:server0"]
    assert not (tmp_path / "journal").exists()
    await driver.close()


async def test_worlds_write_down_a_double_run(tmp_path: Path) -> None:
    for world in (MemoryHypervisors(), FolderHypervisors(tmp_path)):
        hosts = MemoryHosts(world)
        desired = hosts.desired()
        drivers = [await hosts.driver(number) for number in (0, 1)]
        for driver in drivers:
            await driver.ensure(desired, run=True)
            await driver.close()
        assert len(world.double_runs()) == 1
        assert desired.uid in world.double_runs()[0]
