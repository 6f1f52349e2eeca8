"""What agents may and may not: joining, sessions, and which reports count."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from controller.errors import Conflict, Forbidden, StaleTerm, Unauthenticated
from controller.model.access import JOIN_TOKEN, JoinToken
from controller.model.loadbalancer import LOADBALANCER
from controller.model.security_group import SecurityGroup
from controller.pki import Identity, cluster_scope, make_request, server_name
from controller.rpc import translated
from controller.rpc.channel import first_contact_channel, secure_channel
from controller.store import capacity, resources, restore_hold, schema, tokens
from controller.wire import agent_pb2, cluster_pb2
from controller.wire.agent_pb2_grpc import AgentServiceStub
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, Site, compute, node

API = server_name(cluster_scope(CLUSTER), "cluster-api")
WEB = "RegionService default/kanto/web"
GROUP = "SecurityGroup default/web"
NIC = {
    "network": "service",
    "address": "172.16.10.10",
    "prefix_length": 24,
    "gateway": "172.16.10.1",
    "mac": "52:54:ac:10:0a:0a",
}


def group() -> SecurityGroup:
    """A group as the root sends it."""
    return SecurityGroup.model_validate(
        {
            "name": "web",
            "spec": {"ingress": [{"project": "shop"}]},
            "observed": {"services": ["default/kanto/web"], "sources": {"project shop": [7]}},
        }
    )


PATIENT: dict[str, Any] = {"unknown_after_seconds": 3600.0, "down_after_seconds": 3600.0}
"""Of a controller whose agents are sessions of the test: they send no heartbeat, however slow the machine is."""


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
    await site.send_desired(f"JoinToken {CLUSTER}/t1", [token])
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
    await site.send_nodes(1)
    for speaker, spoken_for, why in (("node-0", "node-1", "its own node only"), ("node-9", "node-9", "is not a node")):
        call = agent_stub(site, speaker).Session()
        await call.write(hello(spoken_for))
        with pytest.raises(Forbidden, match=why), translated():
            await call.read()


@pytest.mark.design("A4", "D5")
async def test_a_newer_session_ends_the_older_and_gets_the_whole_set_then_changes(site: Site) -> None:
    await started(site)
    await site.send_nodes(1)
    stub = agent_stub(site, "node-0")
    older = stub.Session()
    await older.write(hello("node-0"))
    first = await older.read()
    assert first.assignments.full
    newer = stub.Session()
    await newer.write(hello("node-0"))
    assert (await newer.read()).assignments.full
    assert not isinstance(await older.read(), agent_pb2.ApiMessage)
    site.start_controller(**PATIENT)
    await eventually(lambda: site.nodes()["node-0"].state == "Up")
    await site.send_desired(WEB, [compute("web-0")])
    change = (await newer.read()).assignments
    assert not change.full
    (item,) = change.items
    assert (item.resource, item.role, item.resource_uid) == ("default/kanto/web-0", "Owner", compute("web-0").uid)
    assert change.version > first.assignments.version
    newer.cancel()


@pytest.mark.design("A4", "B5")
async def test_who_may_connect_to_a_machine_comes_with_its_assignment_and_changes_follow(site: Site) -> None:
    await started(site)
    await site.send_nodes(1)
    session = agent_stub(site, "node-0").Session()
    await session.write(hello("node-0"))
    assert (await session.read()).assignments.HasField("access"), "nobody yet, and that is known"
    site.start_controller(**PATIENT)
    await eventually(lambda: site.nodes()["node-0"].state == "Up")
    await site.send_desired(GROUP, [group()])
    await site.send_desired(WEB, [compute("web-0", interfaces=[NIC])])
    message = (await session.read()).assignments
    assert [item.role for item in message.items] == ["Owner"]
    (service,) = message.access.services
    assert (service.service, list(service.groups)) == ("default/kanto/web", ["default/web"])
    assert list(service.members) == [int(IPv4Address(NIC["address"]))]
    assert json.loads(message.access.groups[0].spec) == {"ingress": [{"project": "shop", "protocol": "TCP"}]}
    assert [(each.source, list(each.addresses)) for each in message.access.sources] == [("project shop", [7])]
    await site.send_desired(GROUP, [], gone=True)
    change = (await session.read()).assignments
    assert (list(change.items), list(change.access.services[0].groups)) == ([], [])
    session.cancel()


@pytest.mark.design("A4", "G6")
async def test_a_node_that_disconnects_and_returns_reports_its_facts_again(site: Site) -> None:
    await started(site)
    site.start_controller()
    await site.send_nodes(1)
    stub = agent_stub(site, "node-0")
    session = stub.Session()
    await session.write(hello("node-0"))
    await session.read()
    await site.send_desired(f"Node {CLUSTER}/node-0", [], gone=True)
    await eventually(lambda: not site.nodes())
    assert not isinstance(await session.read(), agent_pb2.ApiMessage), "its session has ended"
    await site.send_nodes(1)
    again = stub.Session()
    await again.write(hello("node-0"))
    assert (await again.read()).assignments.full
    await eventually(lambda: site.nodes()["node-0"].observed.get("capacity"))
    assert list(site.database.read(capacity.usage)) == ["node-0"]
    again.cancel()


@pytest.mark.design("A4")
async def test_an_agent_reports_assignments_of_its_own_node_only(site: Site) -> None:
    await started(site)
    site.start_controller(**PATIENT)
    await site.send_nodes(2)
    calls = {}
    for name in ("node-0", "node-1"):
        calls[name] = agent_stub(site, name).Session()
        await calls[name].write(hello(name))
        await calls[name].read()
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})
    await site.send_desired(WEB, [compute("web-0")])
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
    await site.send_nodes(2)
    site.start_agents(1)
    site.start_agents(1, first=1)
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})
    await site.send_desired(WEB, [compute("web-0", on_node_down="Rebuild"), compute("web-1")])
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
async def test_a_loadbalancer_on_the_in_memory_driver_is_active_only_when_its_node_reports_it(site: Site) -> None:
    await started(site)
    site.start_controller()
    await site.send_nodes(1)
    simulator = site.start_agents(1)
    await eventually(lambda: site.nodes()["node-0"].state == "Up")
    desired = {
        "kind": "Loadbalancer",
        "name": "web",
        "region": "kanto",
        "uid": "lb1",
        "spec": {"service": "web", "cluster": CLUSTER, "template": {"provider": "memory-lb", "network": "service"}},
    }
    from controller.model.loadbalancer import Loadbalancer

    await site.send_desired(WEB, [Loadbalancer.model_validate(desired)])

    def seen() -> Loadbalancer:
        return site.database.read(lambda tx: resources.list_all(tx, LOADBALANCER))[0]

    await eventually(lambda: "without provider memory-lb" in seen().status_reason)
    assert seen().status == "Initializing"
    assert simulator.agents
    await site.send_desired(f"Node {CLUSTER}/node-0", [node("node-0", "rack-0", providers=("memory", "memory-lb"))])
    await eventually(lambda: seen().status in ("Creating:Scheduled", "Error"))
    assert seen().status != "Active"


@pytest.mark.design("G1", "A4")
async def test_an_agent_that_knows_newer_assignments_than_the_database_gets_none_before_it_has_reported(
    site: Site,
) -> None:
    """The database is an older copy of itself, which no command restored."""
    await started(site)
    await site.send_nodes(1)
    session = agent_stub(site, "node-0").Session()
    newer = hello("node-0")
    newer.hello.epoch = site.database.read(lambda tx: schema.epoch(tx.connection))
    newer.hello.assignments_version = 1 << 40
    await session.write(newer)
    await eventually(lambda: site.nodes()["node-0"].facts.hold == "Unreported")
    site.start_controller(**PATIENT)
    await session.write(agent_pb2.AgentMessage(report=agent_pb2.Report(full=True)))
    assert (await session.read()).assignments.full
    assert site.nodes()["node-0"].facts.hold == ""
    session.cancel()


@pytest.mark.design("G1", "G6")
async def test_one_agent_that_knows_newer_assignments_stops_nobody_else(site: Site) -> None:
    """Its node waits for an operator; the cluster goes on. Before, all sessions ended, and nothing was changed."""
    await started(site)
    site.start_controller()
    await site.send_nodes(3)
    site.start_agents(2)
    await eventually(lambda: [each.state for each in site.nodes().values()].count("Up") == 2)
    session = agent_stub(site, "node-2").Session()
    newer = hello("node-2")
    newer.hello.epoch, newer.hello.assignments_version = "of another database", 1
    await session.write(newer)
    await eventually(lambda: site.nodes()["node-2"].facts.hold == "Alone")
    await site.send_desired(WEB, [compute("web-0")])
    await eventually(lambda: site.statuses() == {"web-0": "Active"})
    assert {name: each.facts.hold.value for name, each in site.nodes().items() if each.facts.hold} == {
        "node-2": "Alone"
    }
    session.cancel()
    assert site.database.write(restore_hold.skip_reports) == ["node-2"]
    again = agent_stub(site, "node-2").Session()
    await again.write(newer)
    assert (await again.read()).assignments.full
    again.cancel()
