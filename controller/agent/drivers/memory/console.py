"""The console of an in-memory machine, for its driver: it prints one line, then echoes what is typed."""

from __future__ import annotations

import asyncio

from controller.agent.drivers.base import Console


class EchoConsole(Console):
    """An open console; ``users`` has the uid of the machine until it is closed."""

    def __init__(self, first_line: str, users: set[str], uid: str) -> None:
        self._pending: asyncio.Queue[bytes] = asyncio.Queue()
        self._pending.put_nowait(first_line.encode())
        self._users = users
        self._uid = uid

    async def read(self) -> bytes:
        return await self._pending.get()

    async def write(self, data: bytes) -> None:
        self._pending.put_nowait(data)

    async def close(self) -> None:
        self._users.discard(self._uid)
        self._pending.put_nowait(b"")
