"""The schema: migrations make the tables, other schemas and tiers are refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, text

from controller.clock import VirtualClock
from controller.errors import InvalidInput, SchemaMismatch, Unavailable
from controller.model.access import PROJECT
from controller.store import resources, schema
from controller.store.database import Database, Tier
from controller.store.tables import metadata
from tests.python.contract.store.samples import key
from tests.python.databases import Databases

pytestmark = pytest.mark.design("G1", "G4")


def test_revisions_are_known_by_their_files_as_alembic_knows_them() -> None:
    folder = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert schema.revisions() == [each.revision for each in folder.walk_revisions()][::-1]


def test_an_empty_database_is_refused_and_says_what_to_do(databases: Databases) -> None:
    url = databases.empty_url()
    if databases.engine == "sqlite":
        Path(url.removeprefix("sqlite:///")).touch()
    db = databases.open(url)
    with pytest.raises(SchemaMismatch, match="run `resourcectl db upgrade`"):
        db.check_schema()
    db.upgrade()
    db.check_schema()


def test_a_database_without_its_file_is_refused_and_says_what_to_do(tmp_path: Path, clock: VirtualClock) -> None:
    db = Database(f"sqlite:///{tmp_path}/none.db", tier=Tier.ROOT, clock=clock)
    with pytest.raises(Unavailable, match=r"is it mounted\? `resourcectl db upgrade` creates a new database"):
        db.check_schema()
    assert not (tmp_path / "none.db").exists()
    db.upgrade()
    db.check_schema()
    db.close()


def test_upgrading_again_changes_nothing(database: Database) -> None:
    project = database.read(lambda tx: resources.get(tx, key("Project", "default")))
    database.upgrade()
    assert database.read(lambda tx: resources.list_all(tx, PROJECT)) == [project]


def test_several_that_upgrade_at_once_all_succeed(databases: Databases) -> None:
    url = databases.empty_url()
    opened = [databases.open(url) for _ in range(3)]
    failed: list[BaseException] = []

    def run(db: Database) -> None:
        try:
            db.upgrade()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(db,)) for db in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert opened[2].read(lambda tx: resources.count(tx, "Project")) == 1


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    with create_engine(database.url, poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize(("stored", "message"), [("9999", "newer than this program"), (None, "no schema yet")])
def test_another_schema_is_refused(databases: Databases, stored: str | None, message: str) -> None:
    url = databases.url()
    with create_engine(url, poolclass=NullPool).begin() as connection:
        if stored is None:
            connection.execute(text("DELETE FROM alembic_version"))
        else:
            connection.execute(text("UPDATE alembic_version SET version_num = :stored"), {"stored": stored})
    db = databases.open(url)
    with pytest.raises(SchemaMismatch, match=message):
        db.check_schema()
    if stored is not None:
        with pytest.raises(SchemaMismatch, match=message):
            db.upgrade()


def test_the_other_tiers_database_is_refused(databases: Databases) -> None:
    url = databases.url(Tier.ROOT)
    wrong = databases.open(url, Tier.CLUSTER)
    with pytest.raises(SchemaMismatch, match="tier 'root', not of 'cluster'"):
        wrong.check_schema()
    with pytest.raises(SchemaMismatch):
        wrong.upgrade()


def test_another_clusters_database_is_refused(databases: Databases) -> None:
    url = databases.empty_url()
    databases.open(url, Tier.CLUSTER, cluster="tokyo1").upgrade()
    databases.open(url, Tier.CLUSTER, cluster="tokyo1").check_schema()
    with pytest.raises(SchemaMismatch, match="of cluster 'tokyo1', not of 'osaka1'"):
        databases.open(url, Tier.CLUSTER, cluster="osaka1").check_schema()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="database"):
        Database(url, tier=Tier.ROOT)
