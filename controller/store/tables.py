"""The tables of both tiers, in one schema for SQLite and PostgreSQL.

Documents are JSON text. The documents of resources are ``JSONB`` on PostgreSQL, so that filters run in the database;
they are ``TEXT`` on SQLite and in the change log. All of them are read as ``str``. Times are integers of microseconds
since 1970 UTC, so that both engines compare and dump them alike. Text sorts by bytes on both engines
(``COLLATE "C"``), because pages follow the order of paths.

The unique keys of these tables keep names, uids, claims, addresses and capacity from being given twice; no module
relies on its own checks alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine, UserDefinedType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(at: datetime) -> int:
    """Return a time as it is stored."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Return the time that is stored."""
    return _EPOCH + timedelta(microseconds=value)


class _Jsonb(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSONB"


class JsonText(TypeDecorator[str]):
    """JSON passed as text, so that only the models parse it."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_Jsonb())
        return dialect.type_descriptor(Text())


BinaryText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by bytes."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("key", BinaryText, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts of the database itself: ``tier``, ``cluster``."""

counter = Table(
    "counter",
    metadata,
    Column("name", BinaryText, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""``resource_version``: the last version given out; its row is the writers' lock on PostgreSQL.
``compacted``: changes up to this version are deleted."""

resource = Table(
    "resource",
    metadata,
    Column("kind", BinaryText, primary_key=True),
    Column("path", BinaryText, primary_key=True),
    Column("parent", BinaryText, nullable=False),
    Column("project", BinaryText, nullable=False),
    Column("uid", BinaryText, nullable=False),
    Column("status", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("resource_version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("document", JsonText, nullable=False),
    UniqueConstraint("uid"),
    Index(None, "kind", "parent"),
    postgresql_with={"fillfactor": 60},
)

change = Table(
    "change",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("verb", Text, nullable=False),
    Column("kind", BinaryText, nullable=False),
    Column("path", BinaryText, nullable=False),
    Column("document", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

reference = Table(
    "reference",
    metadata,
    Column("from_kind", BinaryText, primary_key=True),
    Column("from_path", BinaryText, primary_key=True),
    Column("to_kind", BinaryText, primary_key=True),
    Column("to_path", BinaryText, primary_key=True),
    Index(None, "to_kind", "to_path"),
)
"""Which resource names which in its fields; parents and projects have columns of their own."""

revision = Table(
    "revision",
    metadata,
    Column("uid", BinaryText, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("spec", JsonText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", BinaryText, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

claim = Table(
    "claim",
    metadata,
    Column("scope", BinaryText, primary_key=True),
    Column("value", BinaryText, primary_key=True),
    Column("owner", BinaryText, nullable=False),
    Index(None, "owner"),
)

address = Table(
    "address",
    metadata,
    Column("network", BinaryText, primary_key=True),
    Column("value", BigInteger, primary_key=True),
    Column("mac", BinaryText, nullable=False),
    Column("owner_kind", BinaryText, nullable=False),
    Column("owner", BinaryText, nullable=False),
    Column("owner_uid", BinaryText, nullable=False),
    UniqueConstraint("mac"),
    Index(None, "owner_kind", "owner"),
)
"""One row for each NetworkV4Port: the address as an integer, and its owner."""

SIZES = (
    "vcpus_percent",
    "pinned_cpus",
    "memory_mib",
    "hugepages_mib",
    "disk_gib",
    "disk_iops",
    "disk_mibps",
    "network_mbps",
)
"""Return the columns of an amount of capacity; shared cpu time is in hundredths of a hardware thread."""

node_capacity = Table(
    "node_capacity",
    metadata,
    Column("node", BinaryText, primary_key=True),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    *(Column(f"{what}_{size}", BigInteger, nullable=False, default=0) for what in ("total", "taken") for size in SIZES),
    CheckConstraint(" AND ".join(f"taken_{size} >= 0" for size in SIZES), name="taken"),
)
"""A row for the whole node (cell -1), and one for each NUMA cell if the node has several."""

capacity_claim = Table(
    "capacity_claim",
    metadata,
    Column("node", BinaryText, primary_key=True),
    Column("uid", BinaryText, primary_key=True),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    *(Column(size, BigInteger, nullable=False) for size in SIZES),
)

pinned_cpu = Table(
    "pinned_cpu",
    metadata,
    Column("node", BinaryText, primary_key=True),
    Column("cpu", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BinaryText, nullable=False),
    Index("ix_pinned_cpu_node_uid", "node", "uid"),
)
"""The owner of each hardware thread that is assigned singly."""

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("kind", BinaryText, primary_key=True),
    Column("path", BinaryText, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("healthy", Integer, nullable=False),
    Column("message", Text, nullable=False),
)
"""The time of the last heartbeat of each ServiceProcess and Node; not in the change log."""
