"""Loop: one key never twice at once, back-off, refusals, resync, stopping."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import pytest

from controller.clock import VirtualClock
from controller.errors import InvalidInput, Problem, Unavailable
from controller.loop import Backoff, Loop, Outcome, Verdict

STEADY = Backoff(first=1.0, factor=2.0, cap=8.0, jitter=0.0)


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Recorder:
    """Work that notes when each key was tried, and fails as told."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.tries: list[tuple[float, str]] = []
        self.errors: dict[str, Exception] = {}
        self.outcomes: list[Outcome] = []

    async def __call__(self, key: str) -> float | None:
        self.tries.append((self.clock.monotonic(), key))
        if key in self.errors:
            raise self.errors[key]
        return None

    def times(self, key: str) -> list[float]:
        return [at for at, tried in self.tries if tried == key]


def keys_of(*keys: str) -> Callable[[], Awaitable[Iterable[str]]]:
    async def listed() -> Iterable[str]:
        return keys

    return listed


async def test_wakes_before_the_run_and_during_it_are_worked_on() -> None:
    clock = VirtualClock()
    work = Recorder(clock)
    loop = Loop("test", work, clock=clock)
    loop.wake("early")
    async with running(loop):
        await clock.advance(1)
        loop.wake("late", "later")
        await clock.advance(0)
    assert work.tries == [(0.0, "early"), (1.0, "late"), (1.0, "later")]


async def test_one_key_never_runs_twice_at_once_and_a_wake_meanwhile_is_not_lost() -> None:
    clock = VirtualClock()
    inside: dict[str, int] = {}
    most: dict[str, int] = {}
    starts: list[float] = []

    async def work(key: str) -> None:
        starts.append(clock.monotonic())
        inside[key] = inside.get(key, 0) + 1
        most[key] = max(most.get(key, 0), inside[key])
        await clock.sleep(5)
        inside[key] -= 1

    loop = Loop("test", work, clock=clock)
    async with running(loop):
        loop.wake("a")
        await clock.advance(1)
        loop.wake("a")
        loop.wake("a")
        await clock.advance(20)
    assert most == {"a": 1}
    assert starts == [0.0, 5.0]


async def test_keys_run_beside_each_other_up_to_the_bound() -> None:
    clock = VirtualClock()
    inside = 0
    most = 0

    async def work(_: str) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await clock.sleep(1)
        inside -= 1

    loop = Loop("test", work, clock=clock, concurrency=3)
    loop.wake(*(f"key-{index}" for index in range(9)))
    async with running(loop):
        await clock.advance(3)
    assert most == 3
    assert inside == 0


async def test_a_passing_error_backs_off_to_the_cap_and_starts_anew_after_success() -> None:
    clock = VirtualClock()
    work = Recorder(clock)
    work.errors["a"] = Unavailable("away")
    loop = Loop("test", work, clock=clock, backoff=STEADY, report=work.outcomes.append)
    loop.wake("a")
    async with running(loop):
        await clock.advance(30)
        assert work.times("a") == [0, 1, 3, 7, 15, 23]
        del work.errors["a"]
        await clock.advance(1)
        work.errors["a"] = Unavailable("away again")
        loop.wake("a")
        await clock.advance(1)
    assert work.times("a")[-3:] == [31, 31, 32]
    assert [outcome.retry_in for outcome in work.outcomes[:5]] == [1, 2, 4, 8, 8]


async def test_waking_a_failing_key_without_end_does_not_make_a_busy_loop() -> None:
    clock = VirtualClock()
    work = Recorder(clock)
    work.errors["a"] = Unavailable("away")
    # A controller that writes the failure down is woken by its own write.
    loop = Loop("test", work, clock=clock, backoff=STEADY, report=lambda outcome: loop.wake(outcome.key))
    loop.wake("a")
    async with running(loop):
        await clock.advance(10)
    assert work.times("a") == [float(second) for second in range(11)]


async def test_a_refusal_is_told_once_and_tried_again_only_at_a_wake_or_the_resync() -> None:
    clock = VirtualClock()
    work = Recorder(clock)
    work.errors["a"] = InvalidInput([Problem("spec.image", "no such image")])
    loop = Loop("test", work, clock=clock, keys=keys_of("a", "b"), resync=100, report=work.outcomes.append)
    async with running(loop):
        await clock.advance(80)
        assert work.times("a") == [0.0]
        loop.wake("a")
        await clock.advance(0)
        assert work.times("a") == [0.0, 80.0]
        await clock.advance(40)
        assert len(work.times("a")) == 3
        work.errors["a"] = InvalidInput([Problem("spec.image", "wrong checksum")])
        loop.wake("a")
        await clock.advance(1)
    refusals = [outcome for outcome in work.outcomes if outcome.verdict is Verdict.REFUSED]
    assert [outcome.repeated for outcome in refusals] == [False, True, True, False]


async def test_an_unforeseen_error_is_reported_and_does_not_end_the_loop() -> None:
    clock = VirtualClock()
    work = Recorder(clock)
    work.errors["a"] = ZeroDivisionError("oops")
    loop = Loop("test", work, clock=clock, backoff=STEADY, report=work.outcomes.append)
    loop.wake("a", "b")
    async with running(loop):
        await clock.advance(1)
    assert work.times("a") == [0, 1]
    assert work.times("b") == [0]
    assert {outcome.key: outcome.verdict for outcome in work.outcomes} == {"a": Verdict.BROKEN, "b": Verdict.DONE}


async def test_the_resync_comes_at_about_the_interval_and_survives_a_failing_list() -> None:
    clock = VirtualClock()
    work = Recorder(clock)
    fail = True

    async def listed() -> Iterable[str]:
        if fail:
            raise Unavailable("database away")
        return ["a"]

    loop = Loop("test", work, clock=clock, keys=listed, resync=100, backoff=STEADY, report=work.outcomes.append)
    async with running(loop):
        await clock.advance(2)
        assert work.tries == []
        fail = False
        await clock.advance(400)
    gaps = [later - earlier for earlier, later in itertools.pairwise(work.times("a"))]
    assert work.times("a")[0] == 3
    assert len(gaps) in (3, 4)
    assert all(90 <= gap <= 110 for gap in gaps)
    assert len(set(gaps)) > 1


async def test_work_may_ask_to_look_again() -> None:
    clock = VirtualClock()
    tries: list[float] = []

    async def work(_: str) -> float | None:
        tries.append(clock.monotonic())
        return 7.0 if len(tries) < 3 else None

    loop = Loop("test", work, clock=clock)
    loop.wake("a")
    async with running(loop):
        await clock.advance(100)
    assert tries == [0, 7, 14]


async def test_stop_lets_what_is_under_way_finish_and_begins_nothing() -> None:
    clock = VirtualClock()
    ended: list[str] = []

    async def work(key: str) -> None:
        await clock.sleep(5)
        ended.append(key)

    loop = Loop("test", work, clock=clock, concurrency=1)
    loop.wake("a", "b")
    async with running(loop) as task:
        await clock.advance(1)
        loop.stop()
        await clock.advance(0)
        assert not task.done()
        await clock.advance(10)
        assert task.done()
    assert ended == ["a"]


async def test_a_cancelled_loop_cancels_its_work_and_takes_it_up_when_run_again() -> None:
    clock = VirtualClock()
    events: list[str] = []

    async def work(key: str) -> None:
        try:
            await clock.sleep(5)
            events.append(f"{key} done")
        except asyncio.CancelledError:
            events.append(f"{key} cut")
            raise

    loop = Loop("test", work, clock=clock)
    loop.wake("a")
    async with running(loop):
        await clock.advance(1)
    assert events == ["a cut"]
    async with running(loop):
        await clock.advance(6)
    assert events == ["a cut", "a done"]


@pytest.mark.parametrize("failures", [1, 2, 5, 500])
def test_backoff_grows_to_its_cap_with_jitter_that_only_shortens(failures: int) -> None:
    delay = Backoff(first=0.5, cap=30, jitter=0.2).delay(failures, random.Random(failures))
    whole = min(30.0, 0.5 * 2 ** (failures - 1))
    assert whole * 0.8 <= delay <= whole
