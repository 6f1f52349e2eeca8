"""Nodes in namespaces of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.hostnet.service import ServiceNetwork
from tests.python.eventually import eventually
from tests.python.integration.hostnet.node import INFRASTRUCTURE, Node, close_sockets, connect


async def _made(node: Node) -> Node:
    node.make()
    # `ip netns exec` enters the namespace a moment after it starts.
    await eventually(node.entered)
    node.enter()
    return node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    try:
        yield await _made(node)
    finally:
        close_sockets()
        node.close()


@pytest.fixture
def network() -> ServiceNetwork:
    return ServiceNetwork(infrastructure=INFRASTRUCTURE)


@pytest.fixture
async def other(node: Node) -> AsyncIterator[Node]:
    """A second node that is connected with the first one."""
    other = Node()
    try:
        made = await _made(other)
        connect(node, other)
        yield made
    finally:
        other.close()
