"""Capacity in every dimension, per NUMA cell, and whose each pinned cpu is (I1, I3-I5).

What was taken before is kept; nodes report their new totals when their agents next register.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BINARY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
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
_KEPT = {"vcpus_percent": "100 * {}vcpus", "memory_mib": "{}memory_mib", "disk_gib": "{}disk_gib"}


def key(name: str) -> sa.Column[str]:
    return sa.Column(name, BINARY, nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False)


def upgrade() -> None:
    op.rename_table("node_capacity", "old_node_capacity")
    op.rename_table("capacity_claim", "old_capacity_claim")
    if op.get_bind().dialect.name == "postgresql":  # the names of keys stay with the old tables
        op.execute("ALTER TABLE old_node_capacity RENAME CONSTRAINT pk_node_capacity TO old_pk_node_capacity")
        op.execute("ALTER TABLE old_capacity_claim RENAME CONSTRAINT pk_capacity_claim TO old_pk_capacity_claim")
    op.create_table(
        "node_capacity",
        key("node"),
        number("cell"),
        *(number(f"{what}_{size}") for what in ("total", "taken") for size in SIZES),
        sa.PrimaryKeyConstraint("node", "cell", name="pk_node_capacity"),
        sa.CheckConstraint(" AND ".join(f"taken_{size} >= 0" for size in SIZES), name="ck_node_capacity_taken"),
    )
    op.create_table(
        "capacity_claim",
        key("node"),
        key("uid"),
        number("cell"),
        *(number(size) for size in SIZES),
        sa.PrimaryKeyConstraint("node", "uid", "cell", name="pk_capacity_claim"),
    )
    op.create_table(
        "pinned_cpu",
        key("node"),
        number("cpu"),
        key("uid"),
        sa.PrimaryKeyConstraint("node", "cpu", name="pk_pinned_cpu"),
    )
    op.create_index("ix_pinned_cpu_node_uid", "pinned_cpu", ["node", "uid"])
    _copy("node_capacity", ("node",), ("total_", "taken_"))
    _copy("capacity_claim", ("node", "uid"), ("",))
    op.drop_table("old_node_capacity")
    op.drop_table("old_capacity_claim")


def _copy(table: str, keys: tuple[str, ...], prefixes: tuple[str, ...]) -> None:
    """Old rows are of whole nodes (cell -1), with nothing in the new sizes."""
    names = [*keys, "cell", *(f"{prefix}{size}" for prefix in prefixes for size in SIZES)]
    values = [*keys, "-1"]
    values += [_KEPT[size].format(prefix) if size in _KEPT else "0" for prefix in prefixes for size in SIZES]
    op.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM old_{table}")  # noqa: S608


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
