"""Serves NodeService.Console: the serial console of a machine, for the cluster's API only.

The first message names the machine. Bytes flow both ways until either side ends; then the console
is closed, and the next caller can open it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from controller.agent.drivers.base import Console, Driver
from controller.errors import InvalidInput, Problem
from controller.rpc.identity import Context, require_identity
from controller.wire.agent_pb2 import NodeConsoleData
from controller.wire.agent_pb2_grpc import NodeServiceServicer


class ConsoleService(NodeServiceServicer):
    """The consoles of one driver."""

    def __init__(self, driver: Driver, scope: str) -> None:
        """``scope``: of the cluster whose API may call (``cluster/tokyo1``)."""
        self._driver = driver
        self._scope = scope

    async def Console(
        self, request_iterator: AsyncIterator[NodeConsoleData], context: Context
    ) -> AsyncIterator[NodeConsoleData]:
        """Connect the caller with a console. Raises NotFound, Conflict (it is in use), InvalidInput, Forbidden."""
        require_identity(context, scope=self._scope, kinds=("cluster-api",))
        first = await anext(request_iterator, None)
        if first is None or not first.resource_uid:
            raise InvalidInput([Problem("resource_uid", "the first message must name the machine")])
        console = await self._driver.console(first.resource_uid)
        typing = asyncio.create_task(_type(first, request_iterator, console))
        try:
            while data := await console.read():
                yield NodeConsoleData(data=data)
        finally:
            typing.cancel()
            await console.close()


async def _type(first: NodeConsoleData, messages: AsyncIterator[NodeConsoleData], console: Console) -> None:
    if first.data:
        await console.write(first.data)
    async for message in messages:
        await console.write(message.data)
    await console.close()  # the caller has ended: reading ends too
