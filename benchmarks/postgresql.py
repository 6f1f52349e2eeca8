"""A private PostgreSQL server with the durability that a real one has (fsync on)."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

BINARIES = Path("/usr/lib/postgresql/15/bin")
_START_SECONDS = 30.0


@contextlib.contextmanager
def server(*databases: str) -> Iterator[dict[str, str]]:
    """SQLAlchemy URLs by database name; the server and its data are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-pg-", dir="/tmp") as name:
        folder = Path(name)
        prefix: list[str | Path] = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = folder / "data"
        init = [*prefix, BINARIES / "initdb", f"--pgdata={data}", "--auth=trust", "--username=resource"]
        subprocess.run([*init, "--encoding=UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, cwd=folder)
        options = {"listen_addresses": "", "unix_socket_directories": name, "max_connections": "200"}
        arguments = [part for option, value in options.items() for part in ("-c", f"{option}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, BINARIES / "postgres", "-D", data, *arguments], stdout=log, stderr=log, cwd=folder
            )
        try:
            with _connected(name) as connection:
                for database in databases:
                    connection.execute(f'CREATE DATABASE "{database}"'.encode())
            yield {database: f"postgresql+psycopg://resource@/{database}?host={name}" for database in databases}
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def available() -> bool:
    """True where PostgreSQL is installed."""
    return (BINARIES / "postgres").exists() and shutil.which("setpriv") is not None


def _connected(host: str) -> psycopg.Connection:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return psycopg.connect(host=host, user="resource", dbname="postgres", autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
