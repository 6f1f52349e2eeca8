"""Wakes the reader of changes by PostgreSQL's NOTIFY: it reads commits of other processes at once, not by polling.

Best effort: a notice may be lost with its connection, and nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.clock import Clock
from controller.store.database import Database

CHANNEL = "resource_change"
_AGAIN_SECONDS = 5.0


async def notices_of(db: Database, clock: Clock, wake: Callable[[], object]) -> None:
    """Call ``wake`` for each notice until cancelled; returns at once on SQLite."""
    if db.dialect != "postgresql":
        return
    import psycopg  # with SQLite it is not needed, and takes a while to load

    parameters = db.connect_parameters()
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                wake()
                async for _ in connection.notifies():
                    wake()
        except psycopg.Error:
            await clock.sleep(_AGAIN_SECONDS)
