"""The journal of migrations and boots on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.agent.journal import Journal, MigrationPhase, MigrationRecord
from controller.errors import Unavailable


async def test_the_journal_survives(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.record("u0", MigrationRecord(3, MigrationPhase.SENDING, "why"))
    await journal.record_boot("boot-1", {"u1": "asked"})
    again = Journal(tmp_path)
    again.load(again.read())
    assert again.migration("u0") == MigrationRecord(3, MigrationPhase.SENDING, "why")
    assert (again.boot, again.held("u1"), again.held("u0")) == ("boot-1", "asked", "")
    await again.forget("u0")
    await again.release("u1")
    third = Journal(tmp_path)
    third.load(third.read())
    assert (third.migration("u0"), third.held("u1")) == (None, "")


async def test_a_record_that_the_disk_refused_is_written_by_the_next_call(tmp_path: Path) -> None:
    """It counted as written: the step that it describes began without it."""
    refused = True

    def write(path: Path, content: bytes) -> None:
        if refused:
            raise Unavailable("the disk is full")
        path.write_bytes(content)

    journal, record = Journal(tmp_path, write=write), MigrationRecord(3, MigrationPhase.SENDING, "")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await journal.record("u0", record)
    refused = False
    await journal.record("u0", record)
    again = Journal(tmp_path)
    again.load(again.read())
    assert again.migration("u0") == record
