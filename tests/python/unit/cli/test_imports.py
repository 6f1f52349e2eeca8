"""What a command imports: its start is most of what a command costs, so no command pays for another's needs.

The modules are listed rather than the time measured, in a process of their own.
"""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "alembic",
    "asyncio",
    "controller.model",
    "controller.store",
    "cryptography",
    "fastapi",
    "google.protobuf",
    "grpc",
    "importlib.metadata",
    "jinja2",
    "libvirt",
    "numpy",
    "ortools",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pydantic_core",
    "pygments",
    "pynetbox",
    "pyroute2",
    "requests",
    "rich.console",
    "scipy",
    "sqlalchemy",
    "starlette",
    "structlog",
    "tomllib",
    "typer.rich_utils",
    "uvicorn",
    "websockets",
    "yaml",
)
"""What a command that reads must not import. ``asyncio`` is for consoles, ``rich`` for help and progress."""

HTTPX_COMMAND = ["pygments", "rich.console"]
"""What httpx imports for its own command line. ``resourcectl`` does without it."""


def imported(code: str) -> list[str]:
    """Return those of the heavy modules that a fresh interpreter has imported after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        env={"RESOURCE_CONFIG": "/nonexistent"},
    )
    return done.stdout.split()


def test_get_imports_nothing_heavy() -> None:
    """The whole command runs: it parses its options, opens the client, and finds nobody at the address."""
    code = (
        "from controller.cli.main import app\n"
        "try: app(['get', 'computes', '--server', 'unix:/nonexistent/api.sock'])\n"
        "except SystemExit as end: assert end.code == 6, end.code\n"
        "else: raise AssertionError('no exit code')"
    )
    assert imported(code) == []


def test_the_client_alone_imports_no_models() -> None:
    assert imported("from controller.client import Client; Client('http://127.0.0.1:9')") in ([], HTTPX_COMMAND)


def test_starting_a_process_imports_no_tables_and_no_client() -> None:
    code = (
        "import sys; from controller.cli import main; import typer;"
        "root = typer.main.get_command(main.app);"
        "root.get_command(typer.Context(root), 'run');"
        "print([m for m in ('httpx', 'controller.model', 'controller.store', 'rich.table') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
