"""PostgreSQL: the change log keeps text, long documents are packed quicker, and resources change in place.

Nothing is ever looked for inside a logged document: parsing and rendering each of them in the
server was a third of what the log costs. Documents of Assignments are just long enough to be
packed, which lz4, where the server has it, does in a fraction of the time. A resource is changed
several times soon after it was made, and a new form on the same page needs no new entries in the
indexes, so pages are not filled up at first. Rows that are there already stay as they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HAS_LZ4 = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE change ALTER COLUMN document TYPE text USING document::text")
    op.execute("ALTER TABLE resource SET (fillfactor = 60)")
    if connection.execute(sa.text(_HAS_LZ4)).scalar():
        op.execute("ALTER TABLE change ALTER COLUMN document SET COMPRESSION lz4")
        op.execute("ALTER TABLE resource ALTER COLUMN document SET COMPRESSION lz4")


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
