"""The serial console of a Compute, over a websocket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import websockets.asyncio.client as websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from controller.client import answers, requests
from controller.client.kinds import ResourceName
from controller.errors import Unavailable


class Console:
    """Bytes to and from the serial console of a Compute."""

    def __init__(self, connection: websocket.ClientConnection) -> None:
        self._connection = connection

    async def send(self, data: bytes) -> None:
        """Type; raises Unavailable when the console is closed."""
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise Unavailable("the console is closed") from error

    async def received(self) -> AsyncIterator[bytes]:
        """What it prints, until it closes."""
        try:
            async for data in self._connection:
                yield data if isinstance(data, bytes) else data.encode()
        except ConnectionClosed as error:
            reason = error.rcvd.reason if error.rcvd else ""
            raise Unavailable(f"the console was closed: {reason}" if reason else "the console broke off") from error


@asynccontextmanager
async def connect(url: str, token: str | None, ca: str | Path | None, key: ResourceName) -> AsyncIterator[Console]:
    """Connect; raises what the server refuses it with, Unavailable when it cannot be reached."""
    path = f"{requests.item_path(key)}/console?{urlencode({'project': key.project})}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with _socket(url, path, headers, ca) as connection:
            yield Console(connection)
    except InvalidStatus as error:
        body = error.response.body or b""
        text = body.decode(errors="replace")
        raise answers.error_of(error.response.status_code, text, error.response.headers) from error
    except (OSError, InvalidHandshake) as error:
        raise Unavailable(f"the console cannot be reached: {error}") from error


def _socket(url: str, path: str, headers: Mapping[str, str], ca: str | Path | None) -> websocket.connect:
    if url.startswith("unix:"):
        return websocket.unix_connect(url.removeprefix("unix:"), f"ws://localhost{path}", additional_headers=headers)
    context = requests.tls(ca) if url.startswith("https") else None
    target = "ws" + url.rstrip("/").removeprefix("http") + path
    return websocket.connect(target, additional_headers=headers, ssl=context, proxy=None)
