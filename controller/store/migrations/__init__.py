"""Alembic's migrations, run by ``schema.upgrade`` inside one transaction."""
