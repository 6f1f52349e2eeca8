"""The list of disks that are kept aside: an error or a disk that hangs leaves the list of before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from controller.agent import quarantine_listing
from controller.agent.drivers.types import Quarantined
from controller.agent.quarantine_listing import QuarantineListing
from controller.errors import Unavailable

DISK = Quarantined(key="k", uid="u", name="web-0", at=datetime(2026, 1, 1, tzinfo=UTC), size_bytes=7)


class Folder:
    """A quarantine that answers, fails or hangs."""

    def __init__(self) -> None:
        self.calls = 0
        self.failing = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> Sequence[Quarantined]:
        self.calls += 1
        await self.answers.wait()
        if self.failing:
            raise Unavailable("input/output error")
        return [DISK] * self.calls


async def test_what_cannot_be_listed_leaves_the_last_list() -> None:
    folder = Folder()
    listing = QuarantineListing(folder)
    await listing.refresh()
    folder.failing = True
    await listing.refresh()
    assert (list(listing.kept), listing.size_bytes) == ([DISK], 7)


async def test_a_disk_that_hangs_holds_one_call_and_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine_listing, "LIST_SECONDS", 0)
    folder = Folder()
    folder.answers.clear()
    listing = QuarantineListing(folder)
    for _ in range(3):
        await listing.refresh()
    assert (folder.calls, listing.size_bytes) == (1, 0)
    folder.answers.set()
    await asyncio.sleep(0)
    await listing.refresh()
    assert listing.size_bytes == 7
