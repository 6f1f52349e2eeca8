"""BatchLoop: all due keys in one call; a bad key alone pays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.clock import VirtualClock
from controller.errors import Conflict, InternalError, StaleTerm, Unavailable
from controller.loop import Backoff, BatchLoop, BatchResult, Outcome, Verdict

STEADY = Backoff(first=1.0, factor=2.0, cap=8.0, jitter=0.0)


@asynccontextmanager
async def running(loop: BatchLoop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_burst_becomes_one_batch_and_wakes_during_it_the_next() -> None:
    clock = VirtualClock()
    batches: list[tuple[float, frozenset[str]]] = []

    async def work(keys: frozenset[str]) -> None:
        batches.append((clock.monotonic(), keys))
        await clock.sleep(1)

    loop = BatchLoop("test", work, clock=clock, gather=0.5)
    async with running(loop):
        loop.wake("a")
        await clock.advance(0.25)
        loop.wake("b", "a")
        await clock.advance(0.5)
        loop.wake("a", "c")
        await clock.advance(10)
    assert batches == [(0.5, frozenset("ab")), (2.0, frozenset("ac"))]


async def test_a_batch_is_no_larger_than_its_bound() -> None:
    clock = VirtualClock()
    sizes: list[int] = []

    async def work(keys: frozenset[str]) -> None:
        sizes.append(len(keys))

    loop = BatchLoop("test", work, clock=clock, max_batch=4)
    loop.wake(*map(str, range(10)))
    async with running(loop):
        await clock.advance(1)
    assert sizes == [4, 4, 2]


async def test_a_bad_key_is_found_by_halving_and_does_not_hold_up_the_others() -> None:
    clock = VirtualClock()
    done: set[str] = set()
    outcomes: list[Outcome] = []
    calls = 0

    async def work(keys: frozenset[str]) -> None:
        nonlocal calls
        calls += 1
        if "13" in keys:
            raise Conflict("13 is bad")
        done.update(keys)

    loop = BatchLoop("test", work, clock=clock, report=outcomes.append)
    loop.wake(*map(str, range(64)))
    async with running(loop):
        await clock.advance(60)
    assert done == set(map(str, range(64))) - {"13"}
    assert [outcome.key for outcome in outcomes if outcome.verdict is Verdict.REFUSED] == ["13"]
    assert len(outcomes) == 64
    assert calls == 13


async def test_a_passing_error_backs_all_keys_off_without_halving_and_is_told_once() -> None:
    clock = VirtualClock()
    calls: list[float] = []
    outcomes: list[Outcome] = []

    async def work(keys: frozenset[str]) -> None:
        calls.append(clock.monotonic())
        if len(calls) < 3:
            raise Unavailable("database away")

    loop = BatchLoop("test", work, clock=clock, gather=0, backoff=STEADY, report=outcomes.append)
    loop.wake("a", "b", "c")
    async with running(loop):
        await clock.advance(60)
    assert calls == [0, 1, 3]
    assert [outcome.repeated for outcome in outcomes[:3]] == [False, True, True]


async def test_a_stale_term_is_not_halved_and_waits_for_a_wake() -> None:
    clock = VirtualClock()
    calls = 0

    async def work(keys: frozenset[str]) -> None:
        nonlocal calls
        calls += 1
        raise StaleTerm("term 3 was superseded")

    loop = BatchLoop("test", work, clock=clock)
    loop.wake("a", "b", "c", "d")
    async with running(loop):
        await clock.advance(60)
    assert calls == 1


async def test_single_keys_may_fail_or_ask_to_be_seen_again() -> None:
    clock = VirtualClock()
    batches: list[tuple[float, set[str]]] = []

    async def work(keys: frozenset[str]) -> BatchResult:
        batches.append((clock.monotonic(), set(keys)))
        return {"later": 30.0, "away": Unavailable("node away")} if len(batches) == 1 else {}

    loop = BatchLoop("test", work, clock=clock, gather=0, backoff=STEADY)
    loop.wake("fine", "later", "away")
    async with running(loop):
        await clock.advance(60)
    assert batches == [(0, {"fine", "later", "away"}), (1, {"away"}), (30, {"later"})]


async def test_stop_lets_the_batch_under_way_finish() -> None:
    clock = VirtualClock()
    done: list[frozenset[str]] = []

    async def work(keys: frozenset[str]) -> None:
        await clock.sleep(5)
        done.append(keys)

    loop = BatchLoop("test", work, clock=clock, gather=0)
    loop.wake("a")
    async with running(loop) as task:
        await clock.advance(1)
        loop.wake("b")
        loop.stop()
        await clock.advance(10)
        assert task.done()
    assert done == [frozenset("a")]


async def test_a_cancelled_batch_is_taken_up_when_run_again() -> None:
    clock = VirtualClock()
    done: list[frozenset[str]] = []

    async def work(keys: frozenset[str]) -> None:
        await clock.sleep(5)
        done.append(keys)

    loop = BatchLoop("test", work, clock=clock, gather=0)
    loop.wake("a", "b")
    async with running(loop):
        await clock.advance(1)
    async with running(loop):
        await clock.advance(10)
    assert done == [frozenset("ab")]


async def test_a_key_at_which_a_peer_meets_an_unforeseen_error_stands_alone_too() -> None:
    """The peer's error was taken for an outage: all keys of the batch were retried together forever."""
    clock = VirtualClock()
    done: set[str] = set()
    tries: list[float] = []
    outcomes: list[Outcome] = []

    async def work(keys: frozenset[str]) -> None:
        if "3" in keys:
            if len(keys) == 1:
                tries.append(clock.monotonic())
            raise InternalError("internal error")
        done.update(keys)

    loop = BatchLoop("test", work, clock=clock, backoff=STEADY, gather=0.0, report=outcomes.append)
    loop.wake(*map(str, range(8)))
    async with running(loop):
        await clock.advance(8)
    assert done == set(map(str, range(8))) - {"3"}
    assert tries == [0.0, 1.0, 3.0, 7.0], "with growing pauses"
    assert {outcome.key for outcome in outcomes if outcome.verdict is Verdict.BROKEN} == {"3"}


async def test_where_everything_meets_an_unforeseen_error_few_keys_are_tried_in_a_round() -> None:
    clock = VirtualClock()
    rounds: dict[float, int] = {}
    reported: list[Outcome] = []

    async def work(keys: frozenset[str]) -> None:
        rounds[clock.monotonic()] = rounds.get(clock.monotonic(), 0) + 1
        raise InternalError("internal error")

    loop = BatchLoop("test", work, clock=clock, gather=0, backoff=STEADY, resync=1000, report=reported.append)
    loop.wake(*map(str, range(1000)))
    async with running(loop):
        await clock.advance(10)
    assert list(rounds) == [0.0, 1.0, 3.0, 7.0], "all back off together"
    assert max(rounds.values()) <= 8 + 4 * 10, "1,000 keys cost what few cost"
    assert {each.key for each in reported} == set(map(str, range(1000)))
    assert {each.verdict for each in reported} == {Verdict.BROKEN}
    assert sum(not each.repeated for each in reported) == 8 * len(rounds)


async def test_a_good_key_among_many_broken_ones_is_found() -> None:
    clock = VirtualClock()
    done: set[str] = set()

    async def work(keys: frozenset[str]) -> None:
        if keys - {"3", "77"}:
            raise InternalError("internal error")
        done.update(keys)

    loop = BatchLoop("test", work, clock=clock, gather=0, backoff=STEADY, resync=10_000, report=lambda _: None)
    loop.wake(*map(str, range(100)))
    async with running(loop):
        await clock.advance(2000)
    assert done == {"3", "77"}
