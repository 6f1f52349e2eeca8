"""The real API on a loopback port, in a thread; ``resourcectl`` in process, as a user runs it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from controller.cli import main
from controller.clock import SystemClock
from controller.root.api.app import create_app
from controller.root.api.settings import ApiSettings
from controller.store.changes import Feed
from controller.store.database import Database
from tests.python.databases import Databases
from tests.python.integration.root.api.clusters import FakeClusters

ROOT = Path(__file__).parents[4]
TOKYO = ROOT / "examples" / "tokyo"
IMAGE = f"""
kind: Image
name: guest
region: kanto
spec: {{url: "https://images.example.com/guest.qcow2", checksum: "sha256:{"0" * 64}"}}
"""


@dataclass
class Shell:
    """A user's shell: environment, and ``resourcectl``."""

    folder: Path
    environ: dict[str, str | None]

    def run(self, *words: str, stdin: str | None = None) -> Result:
        """Run a command; it may fail."""
        return CliRunner().invoke(main.app, list(words), input=stdin, env=self.environ, catch_exceptions=False)

    def ok(self, *words: str, stdin: str | None = None) -> str:
        """What a command prints; it must succeed."""
        result = self.run(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def write(self, name: str, text: str) -> str:
        """A file; its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


class _Listening(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Server(threading.Thread):
    """The API with its feed."""

    def __init__(self, db: Database, clusters: FakeClusters) -> None:
        super().__init__(name="api")
        self._db = db
        self._clusters = clusters
        self._ready = threading.Event()
        self._server: _Listening | None = None
        self.url = ""

    def run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        clock = SystemClock()
        feed = Feed(self._db, clock)
        settings = ApiSettings(port=0)
        app = create_app(self._db, feed, clock, settings, self._clusters)
        config = uvicorn.Config(app, **settings.uvicorn_arguments(), log_config=None, ws="websockets-sansio")
        self._server = _Listening(config)
        feeding = asyncio.create_task(feed.run())
        serving = asyncio.create_task(self._server.serve())
        await self._server.listening.wait()
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await serving
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)

    def begin(self) -> None:
        """Start, and return when it listens."""
        self.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        """Drain and end."""
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._app.state.drain.stop)
        self._server.should_exit = True
        self.join(20)
        assert not self.is_alive()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the database is; ``db`` makes it, or the test does."""
    return f"sqlite:///{tmp_path}/root.db"


@pytest.fixture
def empty_shell(tmp_path: Path) -> Shell:
    """A user who knows of no server yet."""
    environ: dict[str, str | None] = {"RESOURCE_CONFIG": str(tmp_path / "config.toml"), "COLUMNS": "200"}
    environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    environ |= dict.fromkeys(("RESOURCE_SERVER", "RESOURCE_TOKEN", "RESOURCE_TOKEN_FILE", "RESOURCE_REGION"))
    return Shell(tmp_path, environ)


@pytest.fixture
def clusters() -> FakeClusters:
    return FakeClusters()


@pytest.fixture
def db(url: str, sqlite_databases: Databases) -> Database:
    """The server's database: a copy, since an upgrade waits for the disk at every step."""
    Path(sqlite_databases.url().removeprefix("sqlite:///")).rename(url.removeprefix("sqlite:///"))
    return sqlite_databases.open(url)


@pytest.fixture
def server(db: Database, clusters: FakeClusters) -> Iterator[Server]:
    server = Server(db, clusters)
    server.begin()
    yield server
    server.stop()


@pytest.fixture
def shell(empty_shell: Shell, server: Server, url: str) -> Shell:
    """A user with an admin token, made the documented way."""
    token = str(empty_shell.folder / "admin.token")
    empty_shell.ok("token", "create", "admin", "--role", "admin", "--database", url, "--to-file", token)
    empty_shell.write("config.toml", f'server = "{server.url}"\ntoken_file = "{token}"\n')
    return empty_shell


@pytest.fixture
def tokyo(shell: Shell) -> Shell:
    """The same, with the example applied."""
    shell.ok("apply", "-f", str(TOKYO), "-f", shell.write("image.yaml", IMAGE))
    return shell
