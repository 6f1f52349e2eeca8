"""What agents may and may not: joining, sessions, and whose word counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.errors import Conflict, Forbidden, StaleTerm, Unauthenticated
from controller.model.access import JOIN_TOKEN, JoinToken
from controller.model.loadbalancer import LOADBALANCER
from controller.pki import Identity, cluster_scope, make_request, server_name
from controller.rpc import translated
from controller.rpc.channel import first_contact_channel, secure_channel
from controller.store import capacity, resources, tokens
from controller.wire import agent_pb2, cluster_pb2
from controller.wire.agent_pb2_grpc import AgentServiceStub
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, Site, compute, node

API = server_name(cluster_scope(CLUSTER), "cluster-api")
WEB = "RegionService default/kanto/web"


async def started(site: Site, **settings: Any) -> None:
    site.start_api(**settings)
    await eventually(lambda: (site.folder / "api1.sock").exists())


def hello(name: str) -> agent_pb2.AgentMessage:
    capacity = {"capacity": {"vcpus": 4, "memory_mib": 4096, "disk_gib": 40}, "numa": [], "providers": ["memory"]}
    return agent_pb2.AgentMessage(hello=agent_pb2.Hello(node=name, capacity=json.dumps(capacity).encode()))


def agent_stub(site: Site, name: str) -> Any:
    """The cluster API as the agent of a node calls it."""
    credentials = site.tree.issue(Identity.node(CLUSTER, name), site.folder / "nodes" / name)
    return AgentServiceStub(secure_channel(site.address(), API, credentials))


@pytest.mark.design("A4", "G6")
async def test_a_node_joins_once_with_its_token_and_gets_a_certificate_for_itself_only(site: Site) -> None:
    join = f"unix:{site.folder}/join.sock"
    await started(site, join_listen=join)
    secret = "rsj_secret"
    token = JoinToken.model_validate(
        {"name": "t1", "cluster": CLUSTER, "spec": {"node": "node-0"}, "observed": {"digest": tokens.digest(secret)}}
    )
    await site.wish(f"JoinToken {CLUSTER}/t1", [token])
    stub: Any = AgentServiceStub(first_contact_channel(join, API, site.tree.root().roots))

    async def ask(token: str, name: str, for_name: str | None = None) -> Any:
        _, request = make_request(Identity.node(CLUSTER, for_name or name))
        with translated():
            return await stub.Join(agent_pb2.JoinRequest(token=token, node=name, csr=request), timeout=60)

    with pytest.raises(Unauthenticated):
        await ask("rsj_wrong", "node-0")
    with pytest.raises(Forbidden, match="for node node-0, not for node-1"):
        await ask(secret, "node-1")
    with pytest.raises(Exception, match="node-1"):
        await ask(secret, "node-0", for_name="node-1")
    reply = await ask(secret, "node-0")
    assert b"BEGIN CERTIFICATE" in reply.certificate
    with pytest.raises(Forbidden, match="used already"):
        await ask(secret, "node-0")
    row = site.database.read(lambda tx: resources.list_all(tx, JOIN_TOKEN))[0]
    assert row.state == "Used"
    assert sorted(site.nodes()) == ["node-0"]


@pytest.mark.design("A4")
async def test_a_session_is_for_the_node_of_the_certificate_and_for_known_nodes(site: Site) -> None:
    await started(site)
    await site.wish_nodes(1)
    for speaker, spoken_for, why in (("node-0", "node-1", "its own node only"), ("node-9", "node-9", "is no node")):
        call = agent_stub(site, speaker).Session()
        await call.write(hello(spoken_for))
        with pytest.raises(Forbidden, match=why), translated():
            await call.read()


@pytest.mark.design("A4", "D5")
async def test_a_newer_session_ends_the_older_and_gets_the_whole_set_then_changes(site: Site) -> None:
    await started(site)
    await site.wish_nodes(1)
    stub = agent_stub(site, "node-0")
    older = stub.Session()
    await older.write(hello("node-0"))
    first = await older.read()
    assert first.assignments.full
    newer = stub.Session()
    await newer.write(hello("node-0"))
    assert (await newer.read()).assignments.full
    assert not isinstance(await older.read(), agent_pb2.ApiMessage)
    site.start_controller()
    await eventually(lambda: site.nodes()["node-0"].state == "Up")
    await site.wish(WEB, [compute("web-0")])
    change = (await newer.read()).assignments
    assert not change.full
    (item,) = change.items
    assert (item.resource, item.role, item.resource_uid) == ("default/kanto/web-0", "Owner", compute("web-0").uid)
    assert change.version > first.assignments.version
    newer.cancel()


@pytest.mark.design("A4", "G6")
async def test_a_node_that_goes_and_comes_again_says_anew_what_it_has(site: Site) -> None:
    await started(site)
    site.start_controller()
    await site.wish_nodes(1)
    stub = agent_stub(site, "node-0")
    session = stub.Session()
    await session.write(hello("node-0"))
    await session.read()
    await site.wish(f"Node {CLUSTER}/node-0", [], gone=True)
    await eventually(lambda: not site.nodes())
    assert not isinstance(await session.read(), agent_pb2.ApiMessage), "its session has ended"
    await site.wish_nodes(1)
    again = stub.Session()
    await again.write(hello("node-0"))
    assert (await again.read()).assignments.full
    await eventually(lambda: site.nodes()["node-0"].observed.get("capacity"))
    assert list(site.database.read(capacity.usage)) == ["node-0"]
    again.cancel()


@pytest.mark.design("A4")
async def test_an_agent_speaks_for_assignments_of_its_own_node_only(site: Site) -> None:
    await started(site)
    site.start_controller()
    await site.wish_nodes(2)
    calls = {}
    for name in ("node-0", "node-1"):
        calls[name] = agent_stub(site, name).Session()
        await calls[name].write(hello(name))
        await calls[name].read()
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})
    await site.wish(WEB, [compute("web-0")])
    (assignment,) = await eventually(site.assignments)
    other = "node-1" if assignment.spec.node == "node-0" else "node-0"

    def active() -> agent_pb2.AgentMessage:
        report = agent_pb2.ResourceReport(
            assignment=assignment.name, status="Active", state="Running", revision=1, role="Owner"
        )
        return agent_pb2.AgentMessage(report=agent_pb2.Report(resources=[report]))

    await calls[other].write(active())
    await calls[other].write(agent_pb2.AgentMessage(heartbeat=agent_pb2.Heartbeat(healthy=False, message="said")))
    await eventually(lambda: site.nodes()[other].state_reason == "said")
    assert site.statuses() == {"web-0": "Creating:Scheduled"}
    await calls[assignment.spec.node].write(active())
    await eventually(lambda: site.statuses() == {"web-0": "Active"})
    for call in calls.values():
        call.cancel()


@pytest.mark.design("D5", "G6")
async def test_a_lost_node_is_forgotten_only_when_it_is_silent_and_its_computes_are_made_elsewhere(site: Site) -> None:
    await started(site, down_after_seconds=2.0)
    site.start_controller(unknown_after_seconds=1.5, down_after_seconds=2.0)
    await site.wish_nodes(2)
    site.start_agents(1)
    site.start_agents(1, first=1)
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})
    await site.wish(WEB, [compute("web-0", on_node_down="Rebuild"), compute("web-1")])
    await eventually(lambda: set(site.statuses().values()) == {"Active"})
    lost = str(site.computes()["web-0"].observed["node"])

    async def forget(term: int = 1) -> list[str]:
        with translated():
            reply = await site.stub().ForgetNode(cluster_pb2.ForgetNodeRequest(node=lost, term=term), timeout=60)
        return list(reply.computes)

    with pytest.raises(Conflict, match="is Up: drain it, or fence it first"):
        await forget()
    await site.stop(f"node-{lost[-1]}")
    await eventually(lambda: site.nodes()[lost].state == "Down")
    assert site.computes()["web-0"].state == "Unknown" or await eventually(
        lambda: site.computes()["web-0"].state == "Unknown"
    )
    with pytest.raises(StaleTerm):
        await forget(term=0)
    assert await forget() == ["default/kanto/web-0"]
    await eventually(lambda: site.statuses() == {"web-0": "Active", "web-1": "Active"})
    assert site.computes()["web-0"].observed["node"] != lost


@pytest.mark.design("K4", "D6")
async def test_a_loadbalancer_on_the_in_memory_driver_is_active_only_by_its_nodes_word(site: Site) -> None:
    await started(site)
    site.start_controller()
    await site.wish_nodes(1)
    simulator = site.start_agents(1)
    await eventually(lambda: site.nodes()["node-0"].state == "Up")
    wished = {
        "kind": "Loadbalancer",
        "name": "web",
        "region": "kanto",
        "uid": "lb1",
        "spec": {"service": "web", "cluster": CLUSTER, "template": {"provider": "memory-lb", "network": "service"}},
    }
    from controller.model.loadbalancer import Loadbalancer

    await site.wish(WEB, [Loadbalancer.model_validate(wished)])

    def seen() -> Loadbalancer:
        return site.database.read(lambda tx: resources.list_all(tx, LOADBALANCER))[0]

    await eventually(lambda: "without provider memory-lb" in seen().status_reason)
    assert seen().status == "Initializing"
    assert simulator.agents
    await site.wish(f"Node {CLUSTER}/node-0", [node("node-0", "rack-0", providers=("memory", "memory-lb"))])
    await eventually(lambda: seen().status in ("Creating:Scheduled", "Error"))
    assert seen().status != "Active"
