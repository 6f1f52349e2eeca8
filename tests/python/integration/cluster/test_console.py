"""The console, from the root through the cluster API to the agent of the Compute's node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.cluster.agents import registration
from controller.errors import Conflict, Forbidden, NotFound
from controller.model.registry import key_of
from controller.pki import CredentialFolder, Identity, cluster_scope
from controller.rpc import RpcServer, require_identity, translated
from controller.rpc.identity import Context
from controller.store import resources
from controller.store.database import Transaction
from controller.wire import agent_pb2, agent_pb2_grpc, cluster_pb2
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, Site, compute

WEB = "RegionService default/kanto/web"


class EchoingNode(agent_pb2_grpc.NodeServiceServicer):
    """Says whose console it is, then what is typed, in capitals."""

    async def Console(
        self, request_iterator: AsyncIterator[agent_pb2.NodeConsoleData], context: Context
    ) -> AsyncIterator[agent_pb2.NodeConsoleData]:
        require_identity(context, scope=cluster_scope(CLUSTER), kinds=("cluster-api",))
        first = await anext(request_iterator)
        yield agent_pb2.NodeConsoleData(data=first.resource_uid.encode())
        async for message in request_iterator:
            yield agent_pb2.NodeConsoleData(data=message.data.upper())


@pytest.mark.design("A4")
async def test_bytes_pass_both_ways_and_refusals_keep_their_names(site: Site) -> None:
    site.start_api()
    await eventually(lambda: (site.folder / "api1.sock").exists())
    await site.send_nodes(1)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    site.tree.issue(Identity.node(CLUSTER, "node-0"), site.folder / "node-0")
    server = RpcServer(CredentialFolder(site.folder / "node-0"))
    server.add(lambda made: agent_pb2_grpc.add_NodeServiceServicer_to_server(EchoingNode(), made))
    server.listen(f"unix:{site.folder}/node-0.sock")
    await server.start()
    facts = {"capacity": {"vcpus": 1}, "endpoint": f"unix:{site.folder}/node-0.sock"}

    def be_there(tx: Transaction) -> None:
        registration.write(tx, CLUSTER, {"node-0": facts})
        row = resources.get(tx, key_of(compute("web-0")))
        resources.update(tx, [row.model_copy(update={"observed": {"node": "node-0"}})])

    site.database.write(be_there)
    try:
        call = site.stub().Console()
        await call.write(cluster_pb2.ConsoleData(compute="default/kanto/web-0"))
        assert (await call.read()).data == compute("web-0").uid.encode()
        await call.write(cluster_pb2.ConsoleData(data=b"login"))
        assert (await call.read()).data == b"LOGIN"
        call.cancel()
        for path, error in (("default/kanto/web-1", Conflict), ("default/kanto/web-9", NotFound)):
            call = site.stub().Console()
            await call.write(cluster_pb2.ConsoleData(compute=path))
            with pytest.raises(error), translated():
                await call.read()
    finally:
        await server.stop(0)


@pytest.mark.design("G4")
async def test_only_the_root_may_use_the_cluster_service(site: Site) -> None:
    site.start_api()
    await eventually(lambda: (site.folder / "api1.sock").exists())
    site.tree.issue(Identity.node(CLUSTER, "node-0"), site.folder / "root")
    with pytest.raises(Forbidden):
        await site.send_desired(WEB, [compute("web-0")])
    with pytest.raises(Forbidden), translated():
        await site.stub().Capacity(cluster_pb2.CapacityRequest(), timeout=60)
    assert site.computes() == {}
