"""What a process does not load: it starts sooner and stays smaller, and a node needs no library of another driver."""

from __future__ import annotations

import subprocess
import sys

import pytest

from controller.cli.commands.run import Role

TERMINALS = {"rich", "pygments"}
DATABASES = {"sqlalchemy", "alembic", "psycopg", "controller.store.database"}
LIBVIRT = {"libvirt", "pyroute2", "pycdlib"}


def loaded(role: Role) -> set[str]:
    """The modules that ``resourcectl run ROLE`` has loaded once its settings are read."""
    program = (
        "import sys\n"
        "from controller.cli.commands.run import Role, load\n"
        "try:\n"
        f"    load(Role('{role}'), None)\n"
        "except Exception:\n"  # settings are missing: they are read after the modules are loaded
        "    pass\n"
        "print(*(name for name, module in sys.modules.items() if module is not None))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.design("A9")
def test_an_agent_loads_no_database_and_no_library_of_a_driver_that_it_does_not_run() -> None:
    found = loaded(Role.CLUSTER_AGENT)
    assert "controller.agent.agent_process" in found
    assert not found & (TERMINALS | DATABASES | LIBVIRT)


@pytest.mark.design("A9")
@pytest.mark.parametrize("role", [Role.RESOURCE_API, Role.CLUSTER_CONTROLLER])
def test_a_process_with_a_database_on_sqlite_loads_no_other_database_and_no_migrations(role: Role) -> None:
    found = loaded(role)
    assert "controller.store.database" in found
    assert not found & (TERMINALS | {"alembic", "psycopg"})
