"""Engines: the connections to SQLite and PostgreSQL.

There are two engines for one database, one for reads and one for writes, so that a long read never takes the writer's
connection. SQLite runs in WAL mode: readers see the last commit while one writer works, and the writers of several
processes wait for each other at ``BEGIN IMMEDIATE``. ``synchronous`` is FULL, because a confirmed commit must survive
a power failure. The files of SQLite are readable by their owner only, whatever the umask is (``sqlite_file``).

An idle transaction ends its PostgreSQL session: a process that was suspended in a write must not hold the writers'
lock for ever.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from controller.errors import InvalidInput, Problem
from controller.store.sqlite_file import SqliteFile

BUSY_MILLISECONDS = 30_000
IDLE_MILLISECONDS = 20_000
_WAL_PAUSE_MILLISECONDS = 20
_RETRIED_STATES = {"40001", "40P01"}  # serialization failure, deadlock


def make(text: str) -> tuple[Engine, Engine, SqliteFile | None]:
    """Return the engines for reads and for writes of a URL, and SQLite's file; raises InvalidInput for others."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise InvalidInput([Problem("database", f"not a database URL: {text!r}")]) from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database and url.database != ":memory:":
        file = SqliteFile(Path(url.database))
        return _sqlite(url, file, writing=False), _sqlite(url, file, writing=True), file
    if backend == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
        return _postgresql(url, writing=False), _postgresql(url, writing=True), None
    raise InvalidInput(
        [Problem("database", f"use sqlite:///<path of a file> or postgresql://..., not {url.render_as_string()}")]
    )


def is_conflict(error: DBAPIError) -> bool:
    """Return whether the database aborted this transaction in favour of another one."""
    return getattr(error.orig, "sqlstate", None) in _RETRIED_STATES


def _sqlite(url: URL, file: SqliteFile, *, writing: bool) -> Engine:
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 3} if writing else {"pool_size": 4, "max_overflow": 12}
    engine = create_engine(url, connect_args={"check_same_thread": False}, **options)

    event.listen(engine, "do_connect", lambda *_: file.open())

    @event.listens_for(engine, "connect")
    def _open(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the listener below emits BEGIN
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        if writing:
            _enter_wal(cursor)
            cursor.execute("PRAGMA synchronous = FULL")
        else:
            cursor.execute("PRAGMA query_only = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _enter_wal(cursor: sqlite3.Cursor) -> None:
    """Set the mode of the journal, which the file then keeps.

    Processes that open a new file at the same time compete for this lock, and SQLite ignores busy_timeout for it.
    """
    for _ in range(BUSY_MILLISECONDS // _WAL_PAUSE_MILLISECONDS):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_WAL_PAUSE_MILLISECONDS / 1000)
    cursor.execute("PRAGMA journal_mode = WAL")


def _postgresql(url: URL, *, writing: bool) -> Engine:
    from psycopg.types.string import TextLoader

    settings = (
        f"-c idle_in_transaction_session_timeout={IDLE_MILLISECONDS} "
        f"-c lock_timeout={BUSY_MILLISECONDS} -c timezone=UTC"
    )
    engine = create_engine(
        url,
        pool_size=2 if writing else 4,
        max_overflow=4 if writing else 12,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED" if writing else "REPEATABLE READ",
        connect_args={
            "client_encoding": "utf8",
            "options": settings,
            "connect_timeout": 10,
            "application_name": "resource-service",
        },
    )

    @event.listens_for(engine, "connect")
    def _open(connection: Any, _record: Any) -> None:
        connection.adapters.register_loader("jsonb", TextLoader)
        connection.read_only = not writing

    return engine
