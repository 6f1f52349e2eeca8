"""The serial console of a Compute, over a websocket: bytes both ways until one side hangs up.

The token goes in the Authorization header, as everywhere; it takes role operator. Refusals come
before the upgrade, as problem documents where the server can send them (else close code 1008).
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from controller.errors import NotFound, ResourceError
from controller.model import registry
from controller.model.compute import COMPUTE, Compute
from controller.root.api import access, problems
from controller.root.api import query as q
from controller.root.api.operation import Services, authenticate
from controller.root.api.query import Query
from controller.root.cluster_gateway import ConsoleStream
from controller.store import resources

PATH = f"{COMPUTE.item_path}/console"
_LONGEST_REASON = 120


def route(services: Services) -> WebSocketRoute:
    """The websocket's route."""

    async def endpoint(socket: WebSocket) -> None:
        try:
            compute = await _compute(services, socket)
            async with services.cluster_calls().console(compute.spec.cluster, registry.key_of(compute).path) as stream:
                await socket.accept()
                await _join(socket, stream)
        except ResourceError as error:
            await _refuse(socket, error)

    return WebSocketRoute(PATH, endpoint, name="ConsoleCompute")


async def _compute(services: Services, socket: WebSocket) -> Compute:
    token = await authenticate(services, socket.headers.get("authorization"))
    query = Query(socket.query_params.multi_items(), (q.PROJECT,))
    names = tuple(str(value) for value in socket.path_params.values())
    if not all(map(q.is_name, names)):
        raise NotFound("no such Compute")
    key = COMPUTE.key(*names, project=query.name(q.PROJECT) or "default")
    access.check_write(token, COMPUTE, key.project)
    found = await services.db.aread(lambda tx: resources.get(tx, key))
    assert isinstance(found, Compute)
    return found


async def _join(socket: WebSocket, stream: ConsoleStream) -> None:
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

    both = {asyncio.ensure_future(type_in()), asyncio.ensure_future(print_out())}
    _, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)


async def _refuse(socket: WebSocket, error: ResourceError) -> None:
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(problems.response(error, socket.scope["request_id"]))
    else:
        await socket.close(1008, error.message[:_LONGEST_REASON])
