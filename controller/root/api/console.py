"""The serial console of a Compute, over a websocket: bytes both ways until one side disconnects, or the token ends.

The token is in the Authorization header, as everywhere; it takes role operator. Refusals are answered before the
upgrade, as problem documents where the server can send them, else with close code 1008. When the token is deleted or
expires, the console is closed with 1008, and nothing more passes in either direction.

Every console leaves two audit records under one request id: that it was opened, before the first byte, and that it was
closed. A refused one leaves one record, unless the token asks too often, or there are too many already. Not promised:
the second record, when this process is killed or the database is away at that moment; the log has the end of the
console then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from controller.errors import NotFound, PermanentError, ResourceError, TemporaryError, Unauthenticated
from controller.model import registry
from controller.model.access import Token
from controller.model.compute import COMPUTE, Compute
from controller.model.event import AuditRecordSpec
from controller.model.registry import Key
from controller.root.api import access, problems, token_end
from controller.root.api import query as q
from controller.root.api.client_limits import client_address
from controller.root.api.operation import printable
from controller.root.api.query import Query
from controller.root.api.services import Services, authenticate
from controller.root.cluster_gateway import ConsoleStream
from controller.store import audit, resources

PATH = f"{COMPUTE.item_path}/console"
_LONGEST_REASON = 120
_log = structlog.get_logger(__name__)


def route(services: Services) -> WebSocketRoute:
    """Return the route of the websocket."""

    async def endpoint(socket: WebSocket) -> None:
        try:
            token = await authenticate(services, socket.headers.get("authorization"), client_address(socket))
            services.limits.admit_token(token.uid, token.name)
            # All consoles of a cluster share one connection to it, with the calls of everybody else.
            with services.limits.consoles.counted(token.uid, token.name):
                await _Session(services, socket, token).run()
        except ResourceError as error:
            await _refuse(socket, error)

    return WebSocketRoute(PATH, endpoint, name="ConsoleCompute")


@dataclass(frozen=True)
class _Session:
    """One console of one caller."""

    services: Services
    socket: WebSocket
    token: Token

    async def run(self) -> None:
        """Serve the console; raises what it is refused with, or what ended it."""
        name = "/".join(str(value) for value in self.socket.path_params.values())
        try:
            key = self._key()
            name = key.path
            access.check_write(self.token, COMPUTE, key.project)
            compute = await self.services.db.aread(lambda tx: resources.get(tx, key))
            calls = self.services.cluster_calls()
            async with calls.console(compute.spec.cluster, registry.key_of(compute).path) as stream:
                await self._record("OpenConsole", name)
                await self._serve(stream, name)
        except ResourceError as error:
            if self.socket.application_state is WebSocketState.CONNECTING:
                await self.services.refusals.record(self._record_of("OpenConsole", name, error.code))
            raise

    def _key(self) -> Key[Compute]:
        query = Query(self.socket.query_params.multi_items(), (q.PROJECT,))
        names = tuple(str(value) for value in self.socket.path_params.values())
        if not all(map(q.is_name, names)):
            raise NotFound("the Compute does not exist")
        return COMPUTE.key(*names, project=query.name(q.PROJECT) or "default")

    async def _serve(self, stream: ConsoleStream, name: str) -> None:
        outcome = "ok"
        try:
            await self.socket.accept()
            await _join(self.socket, stream, token_end.until_ended(self.services, self.token))
        except ResourceError as error:
            outcome = error.code
            raise
        finally:
            # In a task of its own: the server cancels this one when it stops.
            await asyncio.shield(asyncio.ensure_future(self._closed(name, outcome)))

    async def _closed(self, name: str, outcome: str) -> None:
        try:
            await self._record("CloseConsole", name, outcome)
        except TemporaryError as error:
            _log.warning("console closed, not recorded", compute=name, token=self.token.name, reason=error.message)

    async def _record(self, verb: str, name: str, outcome: str = "ok") -> None:
        await self.services.db.awrite(partial(audit.record, asked=self._record_of(verb, name, outcome)))

    def _record_of(self, verb: str, name: str, outcome: str) -> AuditRecordSpec:
        return AuditRecordSpec(
            token=self.token.name,
            verb=verb,
            resource_kind=COMPUTE.name,
            resource=printable(name),
            request_id=self.socket.scope["request_id"],
            outcome=outcome,
        )


async def _join(socket: WebSocket, stream: ConsoleStream, ended: Coroutine[Any, Any, None]) -> None:
    """Pass bytes both ways until one side ends.

    Raises Unauthenticated when the token has ended, and what the cluster's side ended with.
    """

    async def type_in() -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes")
                await stream.send(data if data is not None else message["text"].encode())

    async def print_out() -> None:
        async for data in stream.received():
            await socket.send_bytes(data)
        await socket.close()

    ending = asyncio.ensure_future(ended)
    tasks = [ending, asyncio.ensure_future(type_in()), asyncio.ensure_future(print_out())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if ending in done:
        raise Unauthenticated("the token was revoked or has expired")
    for task in done:
        if isinstance(error := task.exception(), ResourceError):
            raise error


async def _refuse(socket: WebSocket, error: ResourceError) -> None:
    if socket.application_state is not WebSocketState.CONNECTING:
        code = 1008 if isinstance(error, PermanentError) else 1011
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client hung up at the same moment
            await socket.close(code, error.message[:_LONGEST_REASON])
    elif "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(problems.response(error, socket.scope["request_id"]))
    else:
        await socket.close(1008, error.message[:_LONGEST_REASON])
