"""Fixtures that every test may use, and the one hypothesis profile.

No test depends on the speed of the machine. Hypothesis therefore has no deadline per example and does not
complain of slow generation; pytest's ``timeout`` in pyproject.toml only ends a test that hangs.
"""

from hypothesis import HealthCheck, settings

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

# A fixture lives as long as the test, not as long as one example: these tests know it.
settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("project")
