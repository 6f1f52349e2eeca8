"""Relays the console of a Compute between the root's API and the agent of its node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from controller.errors import Conflict, InvalidInput, Problem, Unavailable
from controller.model.compute import COMPUTE, Compute
from controller.model.node import NODE, Node
from controller.model.registry import key_of_path
from controller.pki import cluster_scope, server_name
from controller.pki.identity import NODE as NODE_KIND
from controller.rpc import Channels, outgoing_metadata, translated
from controller.store import resources
from controller.store.database import Database, Transaction
from controller.wire import agent_pb2, agent_pb2_grpc, cluster_pb2


async def relay(
    db: Database, channels: Channels, cluster: str, messages: AsyncIterator[cluster_pb2.ConsoleData]
) -> AsyncIterator[cluster_pb2.ConsoleData]:
    """Relay bytes both ways until one side ends. The first message names the Compute.

    Raises NotFound, Conflict (it is on no node), Unavailable, and what the agent raises.
    """
    first = await anext(messages, None)
    if first is None or not first.compute:
        raise InvalidInput([Problem("compute", "the first message must name the Compute")])
    compute, node = await db.aread(partial(_where, cluster=cluster, path=first.compute))
    endpoint = node.facts.endpoint
    if not endpoint:
        raise Unavailable(f"node {node.name} has not reported where its agent answers")
    channel = channels.get(endpoint, server_name(cluster_scope(cluster), NODE_KIND, node.name))
    with translated(f"node {node.name}"):
        call: Any = agent_pb2_grpc.NodeServiceStub(channel).Console(metadata=outgoing_metadata())
        await call.write(agent_pb2.NodeConsoleData(resource_uid=compute.uid, data=first.data))
        typing = asyncio.create_task(_type(call, messages))
        try:
            async for data in call:
                yield cluster_pb2.ConsoleData(data=data.data)
        finally:
            typing.cancel()
            call.cancel()


async def _type(call: Any, messages: AsyncIterator[cluster_pb2.ConsoleData]) -> None:
    async for message in messages:
        await call.write(agent_pb2.NodeConsoleData(data=message.data))
    await call.done_writing()


def _where(tx: Transaction, cluster: str, path: str) -> tuple[Compute, Node]:
    compute = resources.get(tx, COMPUTE.narrow(key_of_path(COMPUTE.name, path)))
    node = compute.facts.node
    if not node:
        raise Conflict(f"{path} is on no node")
    return compute, resources.get(tx, NODE.key(cluster, node))
