"""The schema's version: bringing a database to it, and refusing any other (SchemaMismatch).

An upgrade is one transaction, also on SQLite; of two processes that upgrade at once the second
waits and finds nothing to do.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Lock
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from controller.errors import SchemaMismatch
from controller.model.access import Project
from controller.store.tables import change, counter, meta, resource, to_microseconds

REMEDY = "run `resourcectl db upgrade`"
_MIGRATIONS = Path(__file__).parent / "migrations"
_alembic = Lock()  # its context is global to the process
_UPGRADE_LOCK = 7_310_001  # any number; no other advisory lock is used


def upgrade(engine: Engine, tier: str, cluster: str, now: datetime) -> None:
    """Run the missing migrations, record the tier, and make the project ``default`` of a root.

    Raises SchemaMismatch for a newer database, or another tier's.
    """
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
        _refuse_newer(connection, ScriptDirectory.from_config(_config()))
        migrate(connection, "head")
        if connection.execute(select(meta.c.key).where(meta.c.key == "tier")).first() is None:
            connection.execute(insert(meta), [{"key": "tier", "value": tier}, {"key": "cluster", "value": cluster}])
            if tier == "root":
                _make_default_project(connection, now)
        _check_tier(connection, tier, cluster)
        if tier == "root" and connection.execute(select(meta.c.key).where(meta.c.key == "site")).first() is None:
            connection.execute(insert(meta), {"key": "site", "value": uuid4().hex})


def migrate(connection: Connection, revision: str) -> None:
    """Run the migrations that are missing up to ``revision``, in the connection's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, revision)


def check(engine: Engine, tier: str, cluster: str) -> None:
    """Raise SchemaMismatch unless the database has this program's schema and is of this tier."""
    script = ScriptDirectory.from_config(_config())
    with engine.connect() as connection, connection.begin():
        _refuse_newer(connection, script)
        found = current(connection)
        if found is None:
            raise SchemaMismatch(f"the database has no schema yet; {REMEDY}")
        if found != script.get_current_head():
            raise SchemaMismatch(
                f"the database has schema {found}, this program needs {script.get_current_head()}; {REMEDY}"
            )
        _check_tier(connection, tier, cluster)


def site(connection: Connection) -> str:
    """Identity of a root's database, made with it and kept through backup and restore."""
    found: str = connection.execute(select(meta.c.value).where(meta.c.key == "site")).scalar_one()
    return found


def current(connection: Connection) -> str | None:
    """The database's revision; None without a schema."""
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _refuse_newer(connection: Connection, script: ScriptDirectory) -> None:
    found = current(connection)
    known = {revision.revision for revision in script.walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database has schema {found}, which is newer than this program "
            f"({script.get_current_head()}); run the newer program, or restore a backup"
        )


def _check_tier(connection: Connection, tier: str, cluster: str) -> None:
    if not inspect(connection).has_table("meta"):
        raise SchemaMismatch(f"the database has no schema yet; {REMEDY}")
    facts = {row.key: row.value for row in connection.execute(select(meta))}
    if facts.get("tier") != tier:
        raise SchemaMismatch(
            f"this is the database of tier {facts.get('tier')!r}, not of {tier!r}; give this process its own URL"
        )
    if cluster and facts.get("cluster") and facts["cluster"] != cluster:
        raise SchemaMismatch(
            f"this is the database of cluster {facts['cluster']!r}, not of {cluster!r}; give this process its own URL"
        )


def _make_default_project(connection: Connection, now: datetime) -> None:
    """Every resource belongs to a project; this one is there from the start."""
    version = connection.execute(
        update(counter)
        .where(counter.c.name == "resource_version")
        .values(value=counter.c.value + 1)
        .returning(counter.c.value)
    ).scalar_one()
    made = Project(name="default", uid=uuid4().hex, resource_version=version, created_at=now, updated_at=now)
    common = {"kind": "Project", "path": made.name, "document": made.model_dump_json()}
    connection.execute(
        insert(resource),
        {
            **common,
            "parent": "",
            "project": made.project,
            "uid": made.uid,
            "status": made.status,
            "state": made.state,
            "resource_version": version,
            "created_at": to_microseconds(now),
        },
    )
    connection.execute(insert(change), {**common, "version": version, "verb": "Created", "at": to_microseconds(now)})
