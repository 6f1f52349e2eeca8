"""Unknown tokens: those in flight are bounded, nobody is locked out for long, and known tokens cost nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from controller.clock import VirtualClock
from controller.errors import TooManyRequests, Unavailable
from controller.model.access import TOKEN, Token
from controller.root.api.token_lookups import TokenLookups

KNOWN = TOKEN.model.model_validate({"name": "known", "spec": {"role": "viewer"}})


class Verified:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()
        self.known: Token | None = None
        self.away = False

    async def __call__(self) -> Token | None:
        self.asked += 1
        await self.answers.wait()
        if self.away:
            raise Unavailable("the database is away")
        return self.known


def lookups(clock: VirtualClock, burst: int = 10) -> TokenLookups:
    return TokenLookups(1.0, burst, clock, lambda _: None)


async def outcomes(tasks: list[asyncio.Task[Token | None]]) -> Counter[str]:
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return Counter(type(one).__name__ for one in found)


async def start(made: TokenLookups, verify: Verified, secrets: list[str]) -> list[asyncio.Task[Token | None]]:
    tasks = [asyncio.create_task(made.look_up("a", secret, verify)) for secret in secrets]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize("secrets", [[f"guess{number}" for number in range(4000)], ["same"] * 4000])
async def test_guesses_in_flight_are_bounded_and_lock_nobody_out_for_long(
    clock: VirtualClock, secrets: list[str]
) -> None:
    """4,000 in flight at once were all looked up, and the address was locked out for 3,901 seconds."""
    made, verify = lookups(clock), Verified()
    tasks = await start(made, verify, secrets)
    verify.answers.set()
    assert await outcomes(tasks) == {"NoneType": 10, "TooManyRequests": 3990}
    assert verify.asked == 10
    with pytest.raises(TooManyRequests) as raised:
        await made.look_up("a", "new", verify)
    assert raised.value.retry_after == pytest.approx(1)
    clock.shift(1)
    verify.known = KNOWN
    assert await made.look_up("a", "new", verify) is KNOWN


async def test_a_client_with_many_connections_goes_on_after_a_restart(clock: VirtualClock) -> None:
    made, verify = lookups(clock, burst=1), Verified()
    verify.known = KNOWN
    tasks = await start(made, verify, ["mine"] * 1000)
    verify.answers.set()
    assert await outcomes(tasks) == {KNOWN.__class__.__name__: 1000}
    for number in range(100):
        assert await made.look_up("a", f"other{number}", verify) is KNOWN, "known tokens give their units back"


async def test_one_that_was_accepted_goes_on_and_a_revoked_one_takes_units(clock: VirtualClock) -> None:
    made, verify = lookups(clock, burst=3), Verified()
    verify.answers.set()
    verify.known = KNOWN
    await made.look_up("a", "mine", verify)
    verify.known = None
    assert await outcomes(await start(made, verify, ["x", "y", "z", "w"])) == {"NoneType": 3, "TooManyRequests": 1}
    verify.known = KNOWN
    assert await made.look_up("a", "mine", verify) is KNOWN
    verify.known = None
    assert await made.look_up("a", "mine", verify) is None
    clock.shift(1)
    assert await outcomes(await start(made, verify, ["mine", "mine"])) == {"NoneType": 1, "TooManyRequests": 1}


async def test_a_database_that_is_away_uses_no_units(clock: VirtualClock) -> None:
    made, verify = lookups(clock, burst=2), Verified()
    verify.answers.set()
    verify.away = True
    assert await outcomes(await start(made, verify, [f"x{number}" for number in range(2)])) == {"Unavailable": 2}
    verify.away = False
    assert await outcomes(await start(made, verify, ["x", "y", "z"])) == {"NoneType": 2, "TooManyRequests": 1}
