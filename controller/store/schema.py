"""The schema's version: bringing a database to it, and refusing any other (SchemaMismatch)."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, insert, inspect, select

from controller.errors import SchemaMismatch
from controller.store.tables import counter, meta, metadata

REMEDY = "run `resourcectl db upgrade`"


def upgrade(engine: Engine, tier: str, cluster: str) -> None:
    """Run the missing migrations and record the tier."""
    with engine.connect() as connection, connection.begin():
        metadata.create_all(connection)
        if connection.execute(select(counter.c.name)).first() is None:
            connection.execute(
                insert(counter), [{"name": "resource_version", "value": 0}, {"name": "compacted", "value": 0}]
            )
            connection.execute(insert(meta), [{"key": "tier", "value": tier}, {"key": "cluster", "value": cluster}])
        _check_tier(connection, tier, cluster)


def check(engine: Engine, tier: str, cluster: str) -> None:
    """Raise SchemaMismatch unless the database has this program's schema and is of this tier."""
    with engine.connect() as connection, connection.begin():
        if not inspect(connection).has_table("meta"):
            raise SchemaMismatch(f"the database has no schema yet; {REMEDY}")
        _check_tier(connection, tier, cluster)


def _check_tier(connection: Connection, tier: str, cluster: str) -> None:
    facts = {row.key: row.value for row in connection.execute(select(meta))}
    if facts.get("tier") != tier:
        raise SchemaMismatch(f"this is the database of tier {facts.get('tier')!r}, not of {tier!r}; give another URL")
    if cluster and facts.get("cluster") and facts["cluster"] != cluster:
        raise SchemaMismatch(f"this is the database of cluster {facts['cluster']!r}, not of {cluster!r}")
