"""Fixtures that every test may use."""

from tests.python.databases import (
    clock,
    cluster_database,
    database,
    databases,
    postgresql_server,
    sqlite_databases,
    sqlite_templates,
)

__all__ = [
    "clock",
    "cluster_database",
    "database",
    "databases",
    "postgresql_server",
    "sqlite_databases",
    "sqlite_templates",
]
