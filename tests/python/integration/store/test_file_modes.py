"""Files that hold the whole state are readable by their owner only, whatever the umask is and whatever existed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.model.access import PROJECT
from controller.store import backup, resources
from controller.store.database import Database, Tier


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    try:
        yield request.param
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_new_database_is_private(umask: int, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/root.db", tier=Tier.ROOT)
    database.upgrade()
    database.read(lambda tx: resources.find(tx, PROJECT.key("default")))
    found = modes(tmp_path)
    database.close()
    assert found == {"root.db": 0o600, "root.db-wal": 0o600, "root.db-shm": 0o600}


def test_a_database_of_an_older_version_becomes_private(tmp_path: Path) -> None:
    first = Database(f"sqlite:///{tmp_path}/root.db", tier=Tier.ROOT)
    first.upgrade()
    for path in tmp_path.iterdir():
        path.chmod(0o664)
    second = Database(f"sqlite:///{tmp_path}/root.db", tier=Tier.ROOT)
    second.check_schema()
    found = modes(tmp_path)
    second.close()
    first.close()
    assert found == {"root.db": 0o600, "root.db-wal": 0o600, "root.db-shm": 0o600}


def test_a_backup_is_private(umask: int, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/root.db", tier=Tier.ROOT)
    database.upgrade()
    left = tmp_path / "root.backup.part"  # of a backup that was interrupted
    left.touch()
    left.chmod(0o666)
    backup.backup(database, tmp_path / "root.backup")
    database.close()
    assert modes(tmp_path)["root.backup"] == 0o600
