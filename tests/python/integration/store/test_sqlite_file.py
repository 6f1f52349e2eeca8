"""A database whose file is not at its path any more confirms nothing, and none is created by itself.

A process went on with a deleted file: what it confirmed was lost at its end. A process that started while the disk was
not mounted created an empty database in the host's folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.errors import Unavailable
from controller.store import resources
from controller.store.database import Database, Tier, Transaction
from tests.python.contract.store.samples import make


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/state/root.db", tier=Tier.ROOT)
    made.upgrade()
    yield made
    made.close()


def insert(name: str) -> Callable[[Transaction], object]:
    return lambda tx: resources.insert(tx, [make("Region", name, {})])


def count(tx: Transaction) -> int:
    return len(resources.marks(tx, "Region"))


def delete(folder: Path) -> None:
    folder.rename(folder.with_name("away"))


def replace(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("copy"))
    delete(folder)
    folder.with_name("copy").rename(folder)


@pytest.mark.parametrize(
    ("take", "says"), [(delete, "No such file or directory (is it mounted?"), (replace, "is not the file that this")]
)
def test_nothing_is_confirmed_while_the_file_is_away(
    db: Database, tmp_path: Path, take: Callable[[Path], None], says: str
) -> None:
    db.write(insert("one"))
    state = tmp_path / "state"
    take(state)
    with pytest.raises(Unavailable) as wrote:
        db.write(insert("two"))
    with pytest.raises(Unavailable) as read:
        db.read(count)
    assert says in wrote.value.message
    assert wrote.value.message == read.value.message
    if state.exists():
        shutil.rmtree(state)
    (tmp_path / "away").rename(state)
    db.write(insert("three"))
    assert db.read(count) == 2


def test_a_file_that_goes_during_a_write_takes_nothing_with_it(db: Database, tmp_path: Path) -> None:
    def work(tx: Transaction) -> None:
        insert("one")(tx)
        delete(tmp_path / "state")

    with pytest.raises(Unavailable):
        db.write(work)
    (tmp_path / "away").rename(tmp_path / "state")
    assert db.read(count) == 0


def test_only_an_upgrade_creates_a_database(tmp_path: Path) -> None:
    made = Database(f"sqlite:///{tmp_path}/state/root.db", tier=Tier.ROOT)
    with pytest.raises(Unavailable, match="`resourcectl db upgrade` creates a new database"):
        made.check_schema()
    assert list(tmp_path.iterdir()) == []
    made.upgrade()
    made.check_schema()
    made.close()
