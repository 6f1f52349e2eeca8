"""The console of a machine, served to the cluster's API only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.agent.console_service import ConsoleService
from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.clock import SystemClock
from controller.errors import Conflict, Forbidden, InvalidInput, NotFound
from controller.pki import AuthorityTree, CredentialFolder, Identity
from controller.rpc import Channels, RpcServer, translated
from controller.wire.agent_pb2 import NodeConsoleData
from controller.wire.agent_pb2_grpc import NodeServiceStub, add_NodeServiceServicer_to_server
from tests.python.contract.drivers.memory_hosts import MemoryHosts
from tests.python.integration.agent.api import API, SCOPE

NODE = Identity.node("tokyo1", "server0")


@asynccontextmanager
async def console_stub(path: Path, driver: MemoryDriver, caller: Identity) -> AsyncIterator[Any]:
    from controller.pki import server_name

    tree = AuthorityTree(path / "pki", clock=SystemClock())
    tree.issue(NODE, path / "node")
    tree.issue(caller, path / "caller")
    server = RpcServer(CredentialFolder(path / "node"))
    server.add(lambda added: add_NodeServiceServicer_to_server(ConsoleService(driver, SCOPE), added))
    port = server.listen("127.0.0.1:0")
    await server.start()
    channels = Channels(CredentialFolder(path / "caller"))
    try:
        yield NodeServiceStub(channels.get(f"127.0.0.1:{port}", server_name(SCOPE, "node", "server0")))
    finally:
        await channels.close()
        await server.stop(0)


async def ask(call: Any, message: NodeConsoleData) -> Any:
    """Write and read; the refusal may come with either."""
    await call.write(message)
    return await call.read()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[tuple[MemoryDriver, str]]:
    hosts = MemoryHosts(MemoryHypervisors())
    driver = await hosts.driver()
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    yield driver, desired.uid
    await driver.close()


async def test_bytes_both_ways_one_at_a_time(machine: tuple[MemoryDriver, str], tmp_path: Path) -> None:
    driver, uid = machine
    async with console_stub(tmp_path, driver, API) as stub:
        call = stub.Console()
        await call.write(NodeConsoleData(resource_uid=uid))
        assert b"memory console" in (await call.read()).data
        await call.write(NodeConsoleData(data=b"ls\n"))
        assert (await call.read()).data == b"ls\n"
        second = stub.Console()
        with pytest.raises(Conflict), translated():
            await ask(second, NodeConsoleData(resource_uid=uid))
        await call.done_writing()
        while (await call.read()).__class__ is NodeConsoleData:
            pass
        third = stub.Console()
        await third.write(NodeConsoleData(resource_uid=uid))
        assert b"memory console" in (await third.read()).data
        third.cancel()


async def test_refusals(machine: tuple[MemoryDriver, str], tmp_path: Path) -> None:
    driver, uid = machine
    async with console_stub(tmp_path, driver, API) as stub:
        for first, error in ((NodeConsoleData(resource_uid="x"), NotFound), (NodeConsoleData(), InvalidInput)):
            call = stub.Console()
            with pytest.raises(error), translated():
                await ask(call, first)
    async with console_stub(tmp_path, driver, Identity.node("tokyo1", "server1")) as stub:
        call = stub.Console()
        with pytest.raises(Forbidden), translated():
            await ask(call, NodeConsoleData(resource_uid=uid))
