"""Many callers' entries, written together: what one of them costs the others, and what is lost when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from controller.clock import VirtualClock
from controller.errors import Conflict, InternalError, InvalidInput, Problem, ResourceError, TemporaryError, Unavailable
from controller.store.batch_writer import BatchWriter
from tests.python.eventually import eventually

pytestmark = pytest.mark.design("A5")

REFUSED = InvalidInput([Problem("", "the database refuses the value")])


class Table:
    """What was written, batch by batch; refuses items that are ``bad``."""

    def __init__(self) -> None:
        self.batches: list[dict[str, str]] = []
        self.away: list[TemporaryError] = []
        self.held: asyncio.Event | None = None
        self.begun = 0

    async def write(self, items: Mapping[str, str]) -> set[str]:
        self.begun += 1
        if self.held is not None:
            await self.held.wait()
        if self.away:
            raise self.away.pop()
        if "bad" in items.values():
            raise REFUSED
        self.batches.append(dict(items))
        return set(items)

    @property
    def rows(self) -> dict[str, str]:
        return {key: item for batch in self.batches for key, item in batch.items()}


@pytest.fixture
def table() -> Table:
    return Table()


async def stopped(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_entries_of_a_period_are_one_batch_and_the_newest_of_a_key_counts(
    table: Table, clock: VirtualClock
) -> None:
    writer = BatchWriter(table.write, clock, gather=1.0)
    running = asyncio.create_task(writer.run())
    writer.add("a", "old")
    await clock.advance(0.5)
    writer.add("b", "1")
    writer.add("a", "new")
    assert table.batches == []
    await clock.advance(0.5)
    assert table.batches == [{"a": "new", "b": "1"}]
    await clock.advance(10.0)
    assert table.begun == 1  # nothing came, nothing is written
    await stopped(running)


async def test_a_refused_entry_is_found_by_halves_and_replaced(table: Table, clock: VirtualClock) -> None:
    said: list[tuple[str, str, ResourceError]] = []

    def refused(key: str, item: str, error: ResourceError) -> str | None:
        said.append((key, item, error))
        return "instead" if key == "k3" else None

    writer = BatchWriter(table.write, clock, refused=refused)
    for number in range(8):
        writer.add(f"k{number}", "bad" if number in (3, 6) else "good")
    assert await writer.flush()
    assert table.rows == {f"k{number}": "good" for number in range(8) if number not in (3, 6)}
    assert sorted(said, key=lambda each: each[0]) == [("k3", "bad", REFUSED), ("k6", "bad", REFUSED)]
    await writer.flush()
    assert table.batches[-1] == {"k3": "instead"}


async def test_after_a_temporary_error_the_newest_of_each_key_is_retried(table: Table, clock: VirtualClock) -> None:
    late: list[tuple[int, TemporaryError]] = []
    writer = BatchWriter(table.write, clock, postponed=lambda number, error: late.append((number, error)))
    away = Unavailable("away")
    table.away = [away]
    table.held = asyncio.Event()
    writer.add("a", "1")
    writer.add("b", "1")
    writing = asyncio.create_task(writer.flush())
    await eventually(lambda: table.begun)
    writer.add("a", "2")  # while the older is on its way
    table.held.set()
    assert not await writing
    assert late == [(2, away)]
    assert await writer.flush()
    assert table.batches == [{"a": "2", "b": "1"}]


async def test_it_waits_before_it_retries(table: Table, clock: VirtualClock) -> None:
    table.away = [Unavailable("away")]
    writer = BatchWriter(table.write, clock, gather=1.0, retry=5.0)
    running = asyncio.create_task(writer.run())
    writer.add("a", "1")
    await clock.advance(6.5)
    assert (table.begun, table.batches) == (1, [])
    await clock.advance(0.5)
    assert table.batches == [{"a": "1"}]
    await stopped(running)


async def test_a_caller_that_waits_gets_the_error_of_its_own_entry(table: Table, clock: VirtualClock) -> None:
    writer = BatchWriter(table.write, clock)
    running = asyncio.create_task(writer.run())
    items = {"a": "good", "b": "bad", "c": "good"}
    outcomes = await asyncio.gather(
        *(writer.add_and_wait(key, item) for key, item in items.items()), return_exceptions=True
    )
    written, refused, other = outcomes
    assert isinstance(written, set)
    assert "a" in written
    assert refused is REFUSED
    assert isinstance(other, set)
    assert "c" in other
    await stopped(running)


async def test_two_callers_of_one_key_wait_for_the_same_write(table: Table, clock: VirtualClock) -> None:
    writer = BatchWriter(table.write, clock)
    both = asyncio.gather(writer.add_and_wait("a", "1"), writer.add_and_wait("a", "2"))
    await asyncio.sleep(0)
    await writer.flush()
    assert tuple(await both) == ({"a"}, {"a"})
    assert table.batches == [{"a": "2"}]


async def test_a_caller_that_waits_gets_a_temporary_error_and_nothing_is_retried(
    table: Table, clock: VirtualClock
) -> None:
    late: list[int] = []
    writer = BatchWriter(table.write, clock, postponed=lambda number, _error: late.append(number))
    table.away = [Unavailable("away")]
    waiting = asyncio.create_task(writer.add_and_wait("a", "1"))
    await asyncio.sleep(0)
    assert await writer.flush()
    with pytest.raises(Unavailable):
        await waiting
    await writer.flush()
    assert (table.batches, late) == ([], [])


async def test_a_caller_that_was_cancelled_holds_nobody_up(table: Table, clock: VirtualClock) -> None:
    writer = BatchWriter(table.write, clock)
    first, other = (asyncio.create_task(writer.add_and_wait(key, "1")) for key in "ab")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await writer.flush()
    assert "b" in await other


async def test_what_was_being_written_when_it_was_cancelled_is_written_by_the_last_flush(
    table: Table, clock: VirtualClock
) -> None:
    table.held = asyncio.Event()
    writer = BatchWriter(table.write, clock)
    running = asyncio.create_task(writer.run())
    writer.add("a", "1")
    waiting = asyncio.create_task(writer.add_and_wait("b", "1"))
    await eventually(lambda: table.begun)
    writer.add("a", "2")
    await stopped(running)
    with pytest.raises(Unavailable, match="stopping"):
        await waiting
    table.held.set()
    await writer.flush()
    assert table.batches == [{"a": "2"}]


async def test_stop_writes_what_is_there_and_ends(table: Table, clock: VirtualClock) -> None:
    writer = BatchWriter(table.write, clock, gather=60.0)
    writer.add("a", "1")
    writer.stop()
    await writer.run()
    assert table.batches == [{"a": "1"}]
    idle = BatchWriter(table.write, clock, gather=60.0)
    running = asyncio.create_task(idle.run())
    await asyncio.sleep(0)
    idle.stop()
    await running


async def test_an_unforeseen_error_of_one_entry_costs_no_other(clock: VirtualClock) -> None:
    """It ended the writer, and with it the process; each restart met the same entry again."""
    written: list[str] = []
    refused: list[tuple[str, str]] = []

    async def broken(items: Mapping[str, str]) -> None:
        if "b" in items or "d" in items:
            raise ZeroDivisionError
        written.extend(items)

    def note(key: str, _item: str, error: ResourceError) -> None:
        refused.append((key, error.code))

    writer = BatchWriter(broken, clock, refused=note)
    for key in "abc":
        writer.add(key, "1")
    waits = asyncio.create_task(writer.add_and_wait("d", "1"))
    await asyncio.sleep(0)
    assert await writer.flush()
    assert (written, refused) == (["a", "c"], [("b", "internal")])
    with pytest.raises(InternalError, match="ZeroDivisionError"):
        await waits


async def test_a_conflict_of_two_entries_is_resolved_by_halves(clock: VirtualClock) -> None:
    """Each of them alone can be written; only together they cannot."""
    written: list[str] = []

    async def write(items: Mapping[str, str]) -> None:
        if {"a", "b"} <= set(items):
            raise Conflict("both")
        written.extend(items)

    writer = BatchWriter(write, clock)
    for key in "abcd":
        writer.add(key, "1")
    await writer.flush()
    assert sorted(written) == ["a", "b", "c", "d"]


async def test_while_the_database_is_away_so_many_keys_wait_and_known_ones_stay_fresh(
    table: Table, clock: VirtualClock
) -> None:
    writer = BatchWriter(table.write, clock, gather=1.0, most=3)
    for number in range(10):
        writer.add(f"key-{number}", "old")
    writer.add("key-1", "new")
    await writer.flush()
    assert table.rows == {"key-0": "old", "key-1": "new", "key-2": "old"}
    writer.add("key-9", "later")
    await writer.flush()
    assert table.rows["key-9"] == "later"
