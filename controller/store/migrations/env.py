"""Alembic's entry: uses the connection, and the transaction, of ``schema.upgrade``."""

from __future__ import annotations

from alembic import context

from controller.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
