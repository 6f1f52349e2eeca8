"""The schema's version: upgrades a database to it, and refuses any other version (SchemaMismatch).

An upgrade is one transaction, also on SQLite. If two processes upgrade at the same time, the second one waits and finds
nothing to do.

Alembic is loaded by an upgrade only: each process checks its database at its start, and knows the revisions by the
names of their files (``versions/r0002_capacity.py`` is 0002).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Lock
from uuid import uuid4

from sqlalchemy import Connection, Engine, delete, insert, inspect, select, text, update

from controller.errors import SchemaMismatch
from controller.model.access import Project
from controller.store.tables import change, counter, meta, resource, to_microseconds

REMEDY = "run `resourcectl db upgrade`"
_MIGRATIONS = Path(__file__).parent / "migrations"
_alembic = Lock()  # its context is global to the process
_UPGRADE_LOCK = 7_310_001  # any number; no other advisory lock is used


def upgrade(engine: Engine, tier: str, cluster: str, now: datetime) -> None:
    """Run the missing migrations, record the tier, and create the project ``default`` in a root's database.

    Raises SchemaMismatch for a newer database, or that of another tier.
    """
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
        _refuse_newer(connection)
        migrate(connection, "head")
        if connection.execute(select(meta.c.key).where(meta.c.key == "tier")).first() is None:
            connection.execute(insert(meta), [{"key": "tier", "value": tier}, {"key": "cluster", "value": cluster}])
            if tier == "root":
                _make_default_project(connection, now)
        _check_tier(connection, tier, cluster)
        if tier == "root" and connection.execute(select(meta.c.key).where(meta.c.key == "site")).first() is None:
            connection.execute(insert(meta), {"key": "site", "value": uuid4().hex})
        if tier == "cluster" and not epoch(connection):
            begin_epoch(connection)


def migrate(connection: Connection, revision: str) -> None:
    """Run the missing migrations up to ``revision``, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, revision)


def check(engine: Engine, tier: str, cluster: str) -> None:
    """Raise SchemaMismatch unless the database has this program's schema and is of this tier."""
    head = revisions()[-1]
    with engine.connect() as connection, connection.begin():
        _refuse_newer(connection)
        found = current(connection)
        if found is None:
            raise SchemaMismatch(f"the database has no schema yet; {REMEDY}")
        if found != head:
            raise SchemaMismatch(f"the database has schema {found}, this program needs {head}; {REMEDY}")
        _check_tier(connection, tier, cluster)


def site(connection: Connection) -> str:
    """Return the identity of a root's database, which stays the same through backup and restore."""
    found: str = connection.execute(select(meta.c.value).where(meta.c.key == "site")).scalar_one()
    return found


def epoch(connection: Connection) -> str:
    """Return the epoch of a cluster's database: it changes when the database is restored. Empty: none yet."""
    found: str | None = connection.execute(select(meta.c.value).where(meta.c.key == "epoch")).scalar_one_or_none()
    return found or ""


def begin_epoch(connection: Connection) -> None:
    """Begin a new epoch."""
    connection.execute(delete(meta).where(meta.c.key == "epoch"))
    connection.execute(insert(meta), {"key": "epoch", "value": uuid4().hex})


def current(connection: Connection) -> str | None:
    """Return the database's revision; None without a schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def revisions() -> list[str]:
    """Return this program's revisions, the oldest first."""
    return sorted(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("r[0-9][0-9][0-9][0-9]_*.py"))


def _refuse_newer(connection: Connection) -> None:
    found, known = current(connection), revisions()
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database has schema {found}, which is newer than this program "
            f"({known[-1]}); run the newer program, or restore a backup"
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
    """Create the first project: every resource belongs to a project."""
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
