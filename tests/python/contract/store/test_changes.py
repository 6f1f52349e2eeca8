"""The change log and the feed: every change once, in order, to every reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.clock import SystemClock, VirtualClock
from controller.errors import VersionsGone
from controller.model.registry import key_of
from controller.store import changes, resources
from controller.store.changes import Change, Feed
from controller.store.database import Database, Tier
from tests.python.contract.store.samples import make, racks, store
from tests.python.databases import Databases

pytestmark = pytest.mark.design("G1", "H5")


def told(batch: list[Change]) -> list[tuple[int, str, str]]:
    return [(item.version, item.verb, item.path) for item in batch]


def test_each_write_is_logged_with_the_form_after_it(database: Database) -> None:
    (made,) = store(database, *racks("rack-1"))
    (relabelled,) = database.write(
        lambda tx: resources.update(tx, [made.model_copy(update={"labels": {"env": "lab"}})])
    )
    database.write(lambda tx: resources.delete(tx, [key_of(made)]))
    log = database.read(lambda tx: changes.since(tx, 1))
    assert told(log) == [(2, "Created", "tokyo/rack-1"), (3, "Updated", "tokyo/rack-1"), (4, "Deleted", "tokyo/rack-1")]
    assert log[0].resource == made
    assert log[1].resource == relabelled
    assert log[2].resource.labels == {"env": "lab"}
    assert log[2].resource.resource_version == 4
    assert database.read(changes.head) == 4


def test_since_is_bounded_and_filtered_by_kind(database: Database) -> None:
    store(database, *racks("a", "b"), make("Datacenter", "tokyo", {}))
    assert len(database.read(lambda tx: changes.since(tx, 0, limit=2))) == 2
    assert told(database.read(lambda tx: changes.since(tx, 1, kinds=["Datacenter"]))) == [(4, "Created", "tokyo")]


def test_compacted_versions_are_gone(database: Database) -> None:
    store(database, *racks("a", "b", "c"))
    database.write(lambda tx: changes.compact(tx, keep=2))
    assert [item.version for item in database.read(lambda tx: changes.since(tx, 2))] == [3, 4]
    with pytest.raises(VersionsGone, match="list again"):
        database.read(lambda tx: changes.since(tx, 1))
    database.write(lambda tx: changes.compact(tx, keep=100))
    assert database.read(changes.count) == 2


def test_versions_of_another_database_are_gone(database: Database) -> None:
    with pytest.raises(VersionsGone, match="not of this database"):
        database.read(lambda tx: changes.since(tx, 2))


@asynccontextmanager
async def running(db: Database, bound: int = 1000, poll: float | None = None) -> AsyncIterator[Feed]:
    feed = Feed(db, SystemClock(), bound=bound, poll=poll)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_subscribers_get_old_and_new_changes_once_and_in_order(database: Database) -> None:
    store(database, *racks("a", "b"))
    async with running(database) as feed:
        every, some = feed.subscribe(0), feed.subscribe(2, kinds=["Rack"])
        assert told(await anext(every)) == [
            (1, "Created", "default"),
            (2, "Created", "tokyo/a"),
            (3, "Created", "tokyo/b"),
        ]
        assert told(await anext(some)) == [(3, "Created", "tokyo/b")]
        pending = asyncio.ensure_future(anext(some))
        for name in ("c", "d"):
            await database.awrite(lambda tx, name=name: resources.insert(tx, racks(name)))  # type: ignore[misc]
        await database.awrite(lambda tx: resources.insert(tx, [make("Datacenter", "tokyo", {})]))
        seen: list[tuple[int, str, str]] = []
        while len(seen) < 3:
            seen += told(await asyncio.wait_for(anext(every), 60))
        assert [version for version, _, _ in seen] == [4, 5, 6]
        assert told(await asyncio.wait_for(pending, 60))[0] == (4, "Created", "tokyo/c")


async def test_changes_by_another_process_are_seen(databases: Databases, clock: VirtualClock) -> None:
    url = databases.url()
    ours, theirs = (databases.open(url, Tier.ROOT, clock) for _ in range(2))
    async with running(ours, poll=5.0 if databases.engine == "postgresql" else None) as feed:
        subscription = feed.subscribe(1)
        pending = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        await theirs.awrite(lambda tx: resources.insert(tx, racks("a")))
        assert told(await asyncio.wait_for(pending, 60)) == [(2, "Created", "tokyo/a")]


async def test_a_slow_reader_is_told_to_start_again_and_others_are_not_held_up(database: Database) -> None:
    async with running(database, bound=3) as feed:
        slow, quick = feed.subscribe(1), feed.subscribe(1)
        waiting = [asyncio.ensure_future(anext(slow)), asyncio.ensure_future(anext(quick))]
        await database.awrite(lambda tx: resources.insert(tx, racks("a")))
        await asyncio.wait_for(asyncio.gather(*waiting), 60)
        for name in "bcdef":
            await database.awrite(lambda tx, name=name: resources.insert(tx, racks(name)))  # type: ignore[misc]
            assert told(await asyncio.wait_for(anext(quick), 60))[-1][2] == f"tokyo/{name}"
        with pytest.raises(VersionsGone, match="too far behind"):
            await anext(slow)


async def test_a_compaction_past_the_feed_tells_every_reader(database: Database) -> None:
    async with running(database) as feed:
        reader = feed.subscribe(1)
        pending = asyncio.ensure_future(anext(reader))
        await database.awrite(lambda tx: resources.insert(tx, racks("a")))
        await asyncio.wait_for(pending, 60)

        def write_and_compact(tx: object) -> None:
            resources.insert(tx, racks("b", "c"))  # type: ignore[arg-type]
            changes.compact(tx, keep=1)  # type: ignore[arg-type]

        await database.awrite(write_and_compact)
        with pytest.raises(VersionsGone):
            await asyncio.wait_for(anext(reader), 60)
        assert told(await asyncio.wait_for(anext(feed.subscribe(3)), 60)) == [(4, "Created", "tokyo/c")]


async def test_what_a_process_knows_already_is_passed_over(database: Database) -> None:
    """Only what was told to be passed over, wherever in the log it is; stepped by hand, since it is at best only."""
    feed = Feed(database, SystemClock())
    await feed._step()
    subscription = feed.subscribe(1)
    store(database, *racks("zero"))
    assert told(await asyncio.wait_for(anext(subscription), 60)) == [(2, "Created", "tokyo/zero")]
    pending = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    store(database, *racks("a", "b", "c", "d", "e", "f", "g"))
    for versions in (range(4, 6), range(6, 7), range(8, 9)):
        feed.skip(versions)
    while await feed._step():
        pass
    seen = told(await asyncio.wait_for(pending, 60))
    while len(seen) < 3:
        seen += told(await asyncio.wait_for(anext(subscription), 60))
    assert seen == [(version, "Created", f"tokyo/{name}") for version, name in ((3, "a"), (7, "e"), (9, "g"))]
    assert feed.position == 9
