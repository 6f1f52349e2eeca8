"""Databases for tests: an upgraded, empty one on SQLite or on a private PostgreSQL.

The PostgreSQL server is started once per session as a non-root user, listens on a unix socket in
a temporary folder only, and ends with the session, also when the session is killed. Upgraded databases
are copies of a template, and are emptied and lent again: quicker than migrating or copying each.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from controller.clock import Clock, VirtualClock
from controller.store.database import Database, Tier
from controller.store.tables import metadata

_BINARIES = Path("/usr/lib/postgresql/15/bin")
_START_SECONDS = 120.0
_TABLES = [*(f'"{table.name}"' for table in metadata.sorted_tables), "alembic_version"]


class PostgresqlServer:
    """A private server; ``stop`` removes it and its data."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="resource-pg-", dir="/tmp"))
        self._as_user: list[str] = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            user = _unprivileged_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_user += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = self.folder / "data"
        subprocess.run(
            [
                *self._as_user,
                _BINARIES / "initdb",
                f"--pgdata={data}",
                "--auth=trust",
                "--username=resource",
                "--encoding=UTF8",
                "--locale-provider=icu",  # sorts as some servers do, past punctuation: our columns must not
                "--icu-locale=en-US-u-ka-shifted",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*self._as_user, _BINARIES / "postgres", "-D", data, *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self._wait()
        self._number = 0
        self._templates: dict[Tier, str] = {}
        self._free: dict[Tier, list[str]] = {}

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database of this server."""
        return f"postgresql+psycopg://resource@/{database}?host={self.folder}"

    def new(self, template: str = "template1") -> str:
        """Make a database and return its name."""
        self._number += 1
        name = f"test{self._number}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def lend(self, tier: Tier) -> str:
        """Name of an upgraded database that holds nothing else."""
        free = self._free.setdefault(tier, [])
        return free.pop() if free else self.new(self._template(tier))

    def take_back(self, tier: Tier, name: str) -> None:
        """Bring a lent database back to how it was lent."""
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
        with self.connect(name) as connection, connection.transaction():
            for table in _TABLES:
                connection.execute(
                    f"DELETE FROM public.{table}; INSERT INTO public.{table} SELECT * FROM pristine.{table}"
                )
        self._free[tier].append(name)

    def _template(self, tier: Tier) -> str:
        if tier not in self._templates:
            name = self.new()
            upgraded = Database(self.url(name), tier=tier, clock=VirtualClock())
            upgraded.upgrade()
            upgraded.close()
            with self.connect(name) as connection:
                connection.execute("CREATE SCHEMA pristine")
                for table in _TABLES:
                    connection.execute(f"CREATE TABLE pristine.{table} AS TABLE public.{table}")
            self._templates[tier] = name
        return self._templates[tier]

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        """A connection of the server's owner; each statement is its own transaction."""
        return psycopg.connect(host=str(self.folder), user="resource", dbname=name, autocommit=True)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    log = (self.folder / "log").read_text()
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from error
                time.sleep(0.05)


class Databases:
    """Makes databases of one engine for one test, and removes them with it."""

    def __init__(self, folder: Path, templates: Path, server: PostgresqlServer | None) -> None:
        self.engine = "sqlite" if server is None else "postgresql"
        self._folder = folder
        self._templates = templates
        self._server = server
        self._open: list[Database] = []
        self._number = 0
        self._made: list[str] = []
        self._lent: list[tuple[Tier, str]] = []

    def empty_url(self) -> str:
        """URL of a new database without any schema."""
        if self._server is not None:
            self._made.append(self._server.new())
            return self._server.url(self._made[-1])
        return f"sqlite:///{self._file('empty')}"

    def url(self, tier: Tier = Tier.ROOT) -> str:
        """URL of an upgraded, empty database: for processes that open it by themselves."""
        if self._server is not None:
            self._lent.append((tier, self._server.lend(tier)))
            return self._server.url(self._lent[-1][1])
        template = self._templates / f"{tier}.db"
        if not template.exists():
            upgraded = Database(f"sqlite:///{template}", tier=tier, clock=VirtualClock())
            upgraded.upgrade()
            upgraded.close()
        return f"sqlite:///{shutil.copy(template, self._file(tier.value))}"

    def open(self, url: str, tier: Tier = Tier.ROOT, clock: Clock | None = None, cluster: str = "") -> Database:
        """Open a database; it is closed with the test."""
        database = Database(url, tier=tier, clock=clock, cluster=cluster)
        self._open.append(database)
        return database

    def new(self, tier: Tier = Tier.ROOT, clock: Clock | None = None, cluster: str = "") -> Database:
        """A new upgraded database, open."""
        return self.open(self.url(tier), tier, clock, cluster)

    def close(self) -> None:
        for database in self._open:
            database.close()
        if self._server is not None:
            for tier, name in self._lent:
                self._server.take_back(tier, name)
            for name in self._made:
                self._server.drop(name)

    def _file(self, word: str) -> Path:
        self._number += 1
        return self._folder / f"{word}{self._number}.db"


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no unprivileged user to run PostgreSQL as")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """The session's private PostgreSQL."""
    server = PostgresqlServer()
    yield server
    server.stop()


@pytest.fixture
def clock() -> VirtualClock:
    """The test's clock; it stands still until moved."""
    return VirtualClock()


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of upgraded SQLite files to copy."""
    return tmp_path_factory.mktemp("sqlite-templates")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def databases(request: pytest.FixtureRequest, tmp_path: Path, sqlite_templates: Path) -> Iterator[Databases]:
    """Maker of databases; the test runs once per engine."""
    server = request.getfixturevalue("postgresql_server") if request.param == "postgresql" else None
    made = Databases(tmp_path, sqlite_templates, server)
    yield made
    made.close()


@pytest.fixture
def sqlite_databases(tmp_path: Path, sqlite_templates: Path) -> Iterator[Databases]:
    """Maker of SQLite databases: for tests of what stands above the store."""
    folder = tmp_path / "sqlite"
    folder.mkdir()
    made = Databases(folder, sqlite_templates, None)
    yield made
    made.close()


@pytest.fixture
def database(databases: Databases, clock: VirtualClock) -> Database:
    """An upgraded, empty root database on the test's clock, once per engine."""
    return databases.new(Tier.ROOT, clock)


@pytest.fixture
def cluster_database(databases: Databases, clock: VirtualClock) -> Database:
    """An upgraded, empty cluster database on the test's clock, once per engine."""
    return databases.new(Tier.CLUSTER, clock, "tokyo1")
