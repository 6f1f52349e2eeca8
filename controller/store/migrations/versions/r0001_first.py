"""The first schema.

Written out by hand, not made from ``store.tables``: a revision must stay what it was when the
tables go on. A test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BINARY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def key(name: str) -> sa.Column[str]:
    return sa.Column(name, BINARY, nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False)


def words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def json(name: str) -> sa.Column[str]:
    return sa.Column(name, JSON, nullable=False)


def upgrade() -> None:
    op.create_table("meta", key("key"), words("value"), sa.PrimaryKeyConstraint("key", name="pk_meta"))
    op.create_table("counter", key("name"), number("value"), sa.PrimaryKeyConstraint("name", name="pk_counter"))
    op.create_table(
        "resource",
        key("kind"),
        key("path"),
        key("parent"),
        key("project"),
        key("uid"),
        words("status"),
        words("state"),
        number("resource_version"),
        number("created_at"),
        json("document"),
        sa.PrimaryKeyConstraint("kind", "path", name="pk_resource"),
        sa.UniqueConstraint("uid", name="uq_resource_uid"),
    )
    op.create_index("ix_resource_kind_parent", "resource", ["kind", "parent"])
    op.create_table(
        "change",
        number("version"),
        words("verb"),
        key("kind"),
        key("path"),
        json("document"),
        number("at"),
        sa.PrimaryKeyConstraint("version", name="pk_change"),
    )
    op.create_table(
        "reference",
        key("from_kind"),
        key("from_path"),
        key("to_kind"),
        key("to_path"),
        sa.PrimaryKeyConstraint("from_kind", "from_path", "to_kind", "to_path", name="pk_reference"),
    )
    op.create_index("ix_reference_to_kind_to_path", "reference", ["to_kind", "to_path"])
    op.create_table(
        "revision",
        key("uid"),
        sa.Column("revision", sa.Integer(), nullable=False),
        json("spec"),
        number("created_at"),
        sa.PrimaryKeyConstraint("uid", "revision", name="pk_revision"),
    )
    op.create_table(
        "lease",
        key("name"),
        words("holder"),
        number("term"),
        number("expires_at"),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "claim",
        key("scope"),
        key("value"),
        key("owner"),
        sa.PrimaryKeyConstraint("scope", "value", name="pk_claim"),
    )
    op.create_index("ix_claim_owner", "claim", ["owner"])
    op.create_table(
        "address",
        key("network"),
        number("value"),
        key("mac"),
        key("owner_kind"),
        key("owner"),
        key("owner_uid"),
        sa.PrimaryKeyConstraint("network", "value", name="pk_address"),
        sa.UniqueConstraint("mac", name="uq_address_mac"),
    )
    op.create_index("ix_address_owner_kind_owner", "address", ["owner_kind", "owner"])
    op.create_table(
        "node_capacity",
        key("node"),
        number("total_vcpus"),
        number("total_memory_mib"),
        number("total_disk_gib"),
        number("taken_vcpus"),
        number("taken_memory_mib"),
        number("taken_disk_gib"),
        sa.PrimaryKeyConstraint("node", name="pk_node_capacity"),
        sa.CheckConstraint(
            "taken_vcpus >= 0 AND taken_memory_mib >= 0 AND taken_disk_gib >= 0", name="ck_node_capacity_taken"
        ),
    )
    op.create_table(
        "capacity_claim",
        key("node"),
        key("uid"),
        number("vcpus"),
        number("memory_mib"),
        number("disk_gib"),
        sa.PrimaryKeyConstraint("node", "uid", name="pk_capacity_claim"),
    )
    op.create_table(
        "heartbeat",
        key("kind"),
        key("path"),
        number("at"),
        sa.Column("healthy", sa.Integer(), nullable=False),
        words("message"),
        sa.PrimaryKeyConstraint("kind", "path", name="pk_heartbeat"),
    )
    op.bulk_insert(
        sa.table("counter", sa.column("name"), sa.column("value")),
        [{"name": "resource_version", "value": 0}, {"name": "compacted", "value": 0}],
    )


def downgrade() -> None:
    """There is nothing older; a backup is the way back."""
    raise NotImplementedError("the first schema has none before it; restore a backup instead")
