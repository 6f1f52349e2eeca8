"""Real processes on one database, run by the supervisor, for the tests of this folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from controller.clock import SystemClock
from controller.loop import Backoff
from controller.pki import ROOT, AuthorityTree, CredentialFolder, Identity, server_name
from controller.process.supervisor import Child, Supervisor
from controller.rpc import Channels, translated
from controller.store.database import Database
from controller.wire import status_pb2, status_pb2_grpc
from tests.python.processes import all_processes

API = "resource-api"
CONTROLLER = "resource-controller"

TOML = """
name = "{name}"
listen = "unix:{path}/{name}.sock"
health = "unix:{path}/{name}.health"
heartbeat_seconds = 0.5
drain_seconds = 5
tls = {{ folder = "{path}/{name}", authority = "{authority}", lifetime_seconds = {lifetime} }}
database = {{ url = "{url}" }}
api = {{ target = "unix:{path}/api-1.sock" }}
election = {{ lease_seconds = {lease} }}
"""


@dataclass
class Site:
    """Processes by name."""

    path: Path
    db: Database
    supervisor: Supervisor
    channels: Channels

    def pid(self, name: str) -> int:
        pid = self.supervisor.states[name].pid
        assert pid is not None
        return pid

    def kill(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def stop(self, name: str) -> None:
        """SIGSTOP, outside of a transaction where the engine is SQLite.

        A process that is stopped while it holds SQLite's lock stops all writers of that file until it
        goes on, whatever we do; PostgreSQL ends such a transaction by itself.
        """
        while True:
            self.kill(name, signal.SIGSTOP)
            if self.db.dialect != "sqlite" or not _locked(self.db.url.removeprefix("sqlite:///")):
                return
            self.kill(name, signal.SIGCONT)

    def written(self) -> list[tuple[str, int]]:
        """Rows of the masters, in the order of their commits."""
        rows = self.db.read(lambda tx: tx.connection.execute(text("SELECT name, term FROM written ORDER BY id")).all())
        return [(row.name, row.term) for row in rows]

    def shown(self) -> dict[str, Any]:
        return {row.name: row for row in self.db.read(all_processes)}

    def log(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / f"{name}.log").read_text().splitlines()]

    async def status(self, name: str, kind: str) -> status_pb2.StatusReply:
        channel = self.channels.get(f"unix:{self.path}/{name}.sock", server_name(ROOT, kind, name))
        stub: Any = status_pb2_grpc.StatusServiceStub(channel)
        with translated():
            reply: status_pb2.StatusReply = await stub.Status(status_pb2.StatusRequest(), timeout=60)
        return reply

    async def health(self, name: str, page: str) -> tuple[int, str]:
        return await http(f"{self.path}/{name}.health", f"GET {page} HTTP/1.1")


def _locked(path: str) -> bool:
    connection = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


async def http(socket: str, request_line: str) -> tuple[int, str]:
    """Status and body of one request on a unix socket."""
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(f"{request_line}\r\nHost: x\r\n\r\n".encode())
        answer = (await asyncio.wait_for(reader.read(), 60)).decode()
    finally:
        writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


@asynccontextmanager
async def site(
    path: Path, db: Database, controllers: int = 1, *, lease: float = 2.0, lifetime: float = 3600
) -> AsyncIterator[Site]:
    for statement in ("DROP TABLE IF EXISTS written", WRITTEN[db.dialect]):
        db.write(lambda tx, statement=statement: tx.connection.execute(text(statement)))  # type: ignore[misc]
    tree = AuthorityTree(path / "pki", clock=SystemClock())
    authority = tree.scope_folder(ROOT)
    tree.issue(Identity(ROOT, "tester", "tester"), path / "tester")
    children = []
    for kind, name in [(API, "api-1"), *((CONTROLLER, f"rc-{index + 1}") for index in range(controllers))]:
        config = path / f"{name}.toml"
        config.write_text(
            TOML.format(name=name, path=path, authority=authority, url=db.url, lease=lease, lifetime=lifetime)
        )
        command = [sys.executable, "-m", "tests.python.integration.process.program", kind, str(config)]
        children.append(Child(name, command, log=path / f"{name}.log"))
    supervisor = Supervisor(children, backoff=Backoff(first=0.1, cap=0.5), grace_seconds=15)
    channels = Channels(CredentialFolder(path / "tester"))
    running = asyncio.create_task(supervisor.run(signals=False))
    try:
        yield Site(path, db, supervisor, channels)
    finally:
        for state in supervisor.states.values():
            if state.pid is not None:
                os.kill(state.pid, signal.SIGCONT)
        supervisor.stop()
        await running
        await channels.close()


WRITTEN = {
    "sqlite": "CREATE TABLE written (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, term INTEGER)",
    "postgresql": "CREATE TABLE written (id BIGINT GENERATED ALWAYS AS IDENTITY, name TEXT, term INTEGER)",
}
