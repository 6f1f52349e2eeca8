"""Mastership (H2): one master, refused when late, steps down in time, hands over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from controller.clock import VirtualClock
from controller.errors import NotFound, StaleTerm, Unavailable
from controller.model.service_process import ProcessKind, ServiceProcess, ServiceProcessSpec
from controller.process.api_service import ApiServicer
from controller.process.mastership import Mastership
from controller.process.standing import Standing
from controller.store import processes
from controller.store.database import Database, Fence, Tier, Transaction
from tests.python.processes import all_processes

T = TypeVar("T")
KIND = "resource-controller"
LEASE = 15.0


class InlineDatabase(Database):
    """Works in the caller's thread, so that virtual time sees the end of it; away or stuck as told."""

    away = False
    stuck = False

    async def awrite(self, work: Callable[[Transaction], T], *, fence: Fence | None = None) -> T:
        if self.stuck:
            await asyncio.get_running_loop().create_future()
        if self.away:
            raise Unavailable("the database is away")
        return self.write(work, fence=fence)


@dataclass
class Candidate:
    """A process that stands for election, with a clock of its own that can be held (SIGSTOP)."""

    db: InlineDatabase
    name: str
    clock: VirtualClock
    servicer: ApiServicer
    events: list[str] = field(default_factory=list)
    works: int = 0
    error: BaseException | None = None
    api_away: bool = False

    def __post_init__(self) -> None:
        self.mastership = Mastership(
            self.db,
            kind=KIND,
            name=self.name,
            ask=self.ask,
            clock=self.clock,
            lease_seconds=LEASE,
            changed=lambda fence: self.events.append("slave" if fence is None else f"master {fence.term}"),
        )

    async def ask(self, observed_term: int) -> Standing:
        if self.api_away:
            raise Unavailable("the API is away")
        return await self.servicer.reassign(KIND, self.name, observed_term)

    async def work(self, fence: Fence) -> None:
        self.works += 1
        try:
            while True:
                await self.clock.sleep(1)
                if self.error is not None:
                    error, self.error = self.error, None
                    raise error
        finally:
            self.works -= 1

    async def write(self, fence: Fence) -> None:
        spec = ServiceProcessSpec(process_kind=ProcessKind.RESOURCE_CONTROLLER, term=fence.term)
        row = ServiceProcess(name=f"{self.name}-{fence.term}", spec=spec)
        await self.db.awrite(lambda tx: processes.heartbeat(tx, row), fence=fence)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.mastership.run(self.work))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass
class Site:
    """One database, its clock, and two candidates."""

    db: InlineDatabase
    clock: VirtualClock
    a: Candidate
    b: Candidate

    async def advance(self, seconds: float, *held: Candidate) -> None:
        """Move all clocks together, except those of processes that are held."""
        clocks = [self.clock, *(one.clock for one in (self.a, self.b) if one not in held)]
        for _ in range(int(seconds * 4)):
            for clock in clocks:
                await clock.advance(0.25)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = VirtualClock()
    db = InlineDatabase(f"sqlite:///{tmp_path}/root.db", tier=Tier.ROOT, clock=clock)
    db.upgrade()
    servicer = ApiServicer(db, clock=clock, lease_seconds=LEASE)
    a, b = (Candidate(db, name, VirtualClock(), servicer) for name in ("rc-a", "rc-b"))
    yield Site(db, clock, a, b)
    db.close()


@pytest.mark.design("H2", "F4")
async def test_one_is_master_and_stays_it_while_it_renews(site: Site) -> None:
    async with site.a.running():
        await site.advance(1)
        async with site.b.running():
            await site.advance(300)
            assert site.a.events == ["master 1"]
            assert site.b.events == []
            assert site.a.mastership.fence == Fence(KIND, 1)
            assert site.b.mastership.fence is None
            assert (site.a.works, site.b.works) == (1, 0)


@pytest.mark.design("H2")
async def test_a_master_that_stalls_past_its_lease_is_refused_when_it_wakes(site: Site) -> None:
    async with site.a.running():
        await site.advance(1)
        async with site.b.running():
            await site.advance(10)
            old = site.a.mastership.fence
            assert old is not None
            await site.a.write(old)
            # a is stopped: its clock stands still, and it believes in its lease as before.
            await site.advance(LEASE * 2, site.a)
            assert site.a.mastership.fence == old
            new = site.b.mastership.fence
            assert new == Fence(KIND, 2)
            await site.b.write(new)
            with pytest.raises(StaleTerm):
                await site.a.write(old)
            # Its loops report the refusal: it looks at the lease at once and steps down.
            site.a.mastership.doubt()
            await site.a.clock.advance(0)
            assert site.a.mastership.fence is None
            assert site.a.works == 0
            await site.advance(60)
            assert site.a.events == ["master 1", "slave"]
            assert site.b.events == ["master 2"]
            rows = site.db.read(all_processes)
            assert sorted(row.name for row in rows) == ["rc-a-1", "rc-b-2"]


@pytest.mark.design("H2")
async def test_a_master_that_wakes_and_sees_its_own_clock_steps_down_without_a_write(site: Site) -> None:
    async with site.a.running():
        await site.advance(1)
        site.a.clock.shift(LEASE)
        assert site.a.mastership.fence is None


@pytest.mark.parametrize("trouble", ["away", "stuck"])
async def test_a_master_that_cannot_renew_steps_down_before_its_lease_ends(site: Site, trouble: str) -> None:
    async with site.a.running():
        await site.advance(1)
        await site.advance(10)
        setattr(site.db, trouble, True)
        seconds = 0.0
        while site.a.works and seconds < 2 * LEASE:
            await site.advance(0.25)
            seconds += 0.25
        assert site.a.mastership.fence is None
        # Renewed every 5 s for 15 s: it had between 8.5 and 13.5 s left, and used a tenth less.
        assert 8 <= seconds <= 13.75


async def test_a_slave_takes_over_at_once_when_the_master_ends_in_good_order(site: Site) -> None:
    async with site.a.running() as master:
        await site.advance(1)
        async with site.b.running():
            await site.advance(9.5)
            assert (site.a.works, site.b.works) == (1, 0)
            master.cancel()
            # Sooner than the lease would have ended: it was given back.
            await site.advance(LEASE / 3 + 0.5)
            assert site.a.events == ["master 1", "slave"]
            assert site.b.events == ["master 2"]


async def test_the_master_stays_while_the_api_is_away(site: Site) -> None:
    async with site.a.running():
        await site.advance(1)
        site.a.api_away = True
        await site.advance(120)
        assert site.a.events == ["master 1"]
        assert site.a.mastership.fence is not None


async def test_a_candidate_keeps_asking_while_the_api_is_away(site: Site) -> None:
    site.a.api_away = True
    async with site.a.running():
        await site.advance(60)
        assert site.a.events == []
        site.a.api_away = False
        await site.advance(LEASE / 2)
        assert site.a.events == ["master 1"]


async def test_work_that_was_superseded_ends_the_term_and_the_next_begins_after_it(site: Site) -> None:
    async with site.a.running() as task:
        await site.advance(1)
        site.a.error = ExceptionGroup("loops", [ValueError("other"), ExceptionGroup("inner", [StaleTerm("late")])])
        await site.advance(LEASE)
        assert not task.done()
        assert site.a.events == ["master 1", "slave", "master 2"]
        assert site.a.works == 1


async def test_work_that_breaks_is_not_hidden_and_the_lease_is_free(site: Site) -> None:
    async with site.a.running() as task:
        await site.advance(1)
        site.a.error = NotFound("nobody handles this")
        await site.advance(2)
        assert isinstance(task.exception(), NotFound)
    async with site.b.running():
        await site.advance(1)
        assert site.b.events == ["master 2"]


async def test_a_restarted_process_of_the_same_name_fences_its_former_self(site: Site) -> None:
    async with site.a.running():
        await site.advance(1)
        old = site.a.mastership.fence
        assert old is not None
        again = Candidate(site.db, "rc-a", site.a.clock, site.a.servicer)
        async with again.running():
            await site.advance(1)
            assert again.events == ["master 2"]
            with pytest.raises(StaleTerm):
                await site.a.write(old)


async def test_a_candidate_of_a_long_lease_does_not_wait_a_third_of_it_for_an_api_that_starts_later(site: Site) -> None:
    site.a.api_away = True
    site.a.mastership._ttl = 600
    async with site.a.running():
        await site.advance(60)
        site.a.api_away = False
        await site.advance(6)
        assert site.a.events == ["master 1"]
