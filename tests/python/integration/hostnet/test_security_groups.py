"""Who may open connections to a guest: real connections between guests, on one node and over two.

::

    web0 --+                        +-- web1
    shop --+-- node --- x0 --- other+
    (peer) ----+
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from controller.hostnet.access import Access, ServiceAccess
from controller.hostnet.service import ServiceNetwork
from controller.model.security_group import IngressRule, RuleProtocol
from tests.python.integration.hostnet.node import (
    GATEWAY,
    INFRASTRUCTURE,
    Node,
    Server,
    TapState,
    inside,
    ip,
    opens,
    passes,
    pings,
    route,
    socket_in,
)

pytestmark = pytest.mark.design("B5")

WEB, SHOP = "default/kanto/web", "shop/kanto/db"
WEB0 = TapState("sv-web000", "52:54:ac:10:0a:0a", IPv4Address("172.16.10.10"), GATEWAY, service=WEB)
WEB1 = TapState("sv-web100", "52:54:ac:10:0a:0b", IPv4Address("172.16.10.11"), GATEWAY, service=WEB)
DB = TapState("sv-db0000", "52:54:ac:10:0a:0c", IPv4Address("172.16.10.12"), GATEWAY, service=SHOP)


def rule(port: int | None = None, protocol: str = "TCP", **given: object) -> IngressRule:
    return IngressRule.model_validate({"port": port, "protocol": protocol, **given})


def access(*rules: IngressRule, more: dict[str, ServiceAccess] | None = None) -> Access:
    """Both services, where ``web`` names a group with these rules."""
    web = frozenset({WEB0.address, WEB1.address})
    return Access(
        services={
            WEB: ServiceAccess(web, ("default/web",)),
            SHOP: ServiceAccess(frozenset({DB.address})),
            **(more or {}),
        },
        groups={"default/web": rules},
        sources={"group default/web": web, "project shop": frozenset({DB.address})},
    )


class Site:
    """Two nodes with their networks, the first with ``web0`` and ``db``, the second with ``web1``."""

    def __init__(self, node: Node, other: Node) -> None:
        self.first, self.second = node, other
        self.networks = [ServiceNetwork(infrastructure=INFRASTRUCTURE) for _ in range(2)]
        self.taps: list[list[TapState]] = [[WEB0, DB], [WEB1]]
        self.web0, self.db = node.guest(WEB0), node.guest(DB)
        self.web1 = other.guest(WEB1)
        route(node, WEB1, "10.9.5.2")
        for tap in (WEB0, DB):
            route(other, tap, "10.9.5.1")

    async def sync(self, access: Access | None) -> None:
        for node, network, taps in zip((self.first, self.second), self.networks, self.taps, strict=True):
            await node.loop.do(network.sync(taps, access))


@pytest.fixture
def site(node: Node, other: Node) -> Site:
    return Site(node, other)


async def test_without_rules_only_the_own_service_and_answers_come_in(site: Site) -> None:
    await site.sync(access())
    [Server(namespace, 81) for namespace in (site.web0, site.web1, site.db)]
    assert opens(site.web0, WEB1.address, 81), "own service, on another node"
    assert opens(site.web1, WEB0.address, 81), "own service, from another node"
    assert not opens(site.db, WEB0.address, 81), "another project, on this node"
    assert not opens(site.db, WEB1.address, 81), "another project, on another node"
    assert not opens(site.web1, DB.address, 81)
    assert not opens(site.first.peer, WEB0.address, 81), "from outside"
    assert not await pings(site.db, str(WEB0.address))
    assert not await pings(site.first.peer, str(WEB0.address))
    Server(outside_of(site), 90)
    assert await pings(site.web0, str(GATEWAY))
    assert opens(site.web0, "10.9.7.1", 90), "an answer to what a guest opened itself"


def outside_of(site: Site) -> str:
    """Give the peer an address that is no infrastructure."""
    ip("-n", site.first.peer, "address", "replace", "10.9.7.1/24", "dev", "lo")
    ip("-n", site.first.node, "route", "replace", "10.9.7.0/24", "via", "10.9.0.2")
    ip("-n", site.second.node, "route", "replace", "10.9.7.0/24", "via", "10.9.5.1")
    return site.first.peer


async def test_rules_open_what_they_name_and_nothing_else(site: Site) -> None:
    outside_of(site)
    await site.sync(
        access(
            rule(443, project="shop"),
            rule(8000, end_port=8002, network="10.9.7.0/24"),
            rule(22, network="10.9.8.0/24"),
            rule(protocol="ICMP", network="0.0.0.0/0"),
        )
    )
    [Server(name, port) for name in (site.web0, site.web1) for port in (22, 443, 444, 8000, 8002, 8003)]
    for address in (WEB0.address, WEB1.address):
        assert opens(site.db, address, 443)
        assert not opens(site.db, address, 444)
        assert not opens(site.db, address, 8000), "another source"
        assert await pings(site.db, str(address))
    with socket_in(site.first.peer) as client:
        client.bind(("10.9.7.1", 0))
        client.connect((str(WEB0.address), 8002))
    for port in (8003, 443, 22):
        with socket_in(site.first.peer) as client:
            client.bind(("10.9.7.1", 0))
            with pytest.raises(TimeoutError):
                client.connect((str(WEB0.address), port))
    assert not opens(site.web0, DB.address, 443), "rules count for the group's services only"


async def test_udp_has_rules_of_its_own(site: Site) -> None:
    await site.sync(access(rule(53, "UDP", project="shop"), rule(54, "TCP", project="shop")))
    for port, arrives in ((53, True), (54, False)):
        with socket_in(site.web1, socket.SOCK_DGRAM) as server, socket_in(site.db, socket.SOCK_DGRAM) as client:
            server.bind(("0.0.0.0", port))
            client.sendto(b"question", (str(WEB1.address), port))
            if arrives:
                text, source = server.recvfrom(100)
                server.sendto(text, source)
                assert client.recv(100) == b"question"
            else:
                with pytest.raises(TimeoutError):
                    server.recvfrom(100)


async def test_a_group_as_a_source_opens_to_its_members_and_follows_them(site: Site) -> None:
    """``db`` of another service names the same group: its rules open to it."""
    await site.sync(access(rule(443, group="web")))
    Server(site.web1, 443)
    assert not opens(site.db, WEB1.address, 443)
    both = access(rule(443, group="web"))
    members = both.sources["group default/web"]
    await site.sync(replace(both, sources={"group default/web": members | {DB.address}}))
    assert opens(site.db, WEB1.address, 443)
    await site.sync(both)
    assert not opens(site.db, WEB1.address, 443)


async def test_a_change_keeps_connections_that_are_still_allowed_and_ends_the_others(site: Site) -> None:
    await site.sync(access(rule(443, project="shop"), rule(444, project="shop")))
    kept, ended = Server(site.web1, 443), Server(site.web1, 444)
    clients = []
    for server, port in ((kept, 443), (ended, 444)):
        client = socket_in(site.db)
        client.connect((str(WEB1.address), port))
        clients.append((client, server.accept()))
    assert all(passes(client, accepted) for client, accepted in clients)
    others = {"default/kanto/api": ServiceAccess(frozenset({IPv4Address("172.16.10.99")}))}
    await site.sync(access(rule(80, network="10.9.7.0/24"), rule(443, project="shop"), more=others))
    assert passes(*clients[0])
    client, accepted = clients[0]
    assert passes(accepted, client)
    assert not passes(*clients[1])
    assert not opens(site.db, WEB1.address, 444)
    assert opens(site.db, WEB1.address, 443)


async def test_rules_wait_on_the_target_before_a_machine_arrives_and_its_connections_move_along(site: Site) -> None:
    """``web0`` moves to the other node; it has an open connection of each direction, and is silent on its own."""
    outside_of(site)
    rules = access(rule(443, project="shop"))
    await site.sync(rules)
    server = Server(site.web0, 443)
    inbound = socket_in(site.db)
    inbound.connect((str(WEB0.address), 443))
    accepted = server.accept()
    outside = Server(site.first.peer, 90)
    outbound = socket_in(site.web0)
    outbound.connect(("10.9.7.1", 90))
    answering = outside.accept()
    assert passes(inbound, accepted)
    assert passes(answering, outbound)

    arriving = replace(WEB0, tap="sv-web0mv", running=False)
    site.taps = [[DB], [WEB1, arriving]]
    ip("-n", site.first.node, "link", "del", WEB0.tap)
    await site.sync(rules)  # the tap does not exist yet
    listed = (await inside(site.second.node, "nft", "list", "ruleset")).stdout
    assert f'"{arriving.tap}" : jump' in listed, "the target knows the tap's rules"
    site.second.guest_moves(site.web0, arriving)
    site.taps = [[DB], [WEB1, replace(arriving, running=True)]]
    route(site.first, WEB0, "10.9.5.2")
    await site.sync(rules)

    assert passes(answering, outbound), "the guest has said nothing since it moved"
    assert passes(outbound, answering)
    assert passes(inbound, accepted)
    assert passes(accepted, inbound)
    assert opens(site.db, WEB0.address, 443)
    assert not opens(site.db, WEB0.address, 444)


async def test_a_machine_that_arrived_is_not_opened_by_segments_without_syn(site: Site) -> None:
    """Segments of connections that moved pass for a while; a connection cannot begin with one."""
    await site.sync(access())
    Server(site.web0, 22)
    with socket_in(site.db) as attacker:
        attacker.bind((str(DB.address), 40000))
        for _ in range(2):
            await _send_ack(site.db, DB.address, 40000, WEB0.address, 22)
        with pytest.raises(TimeoutError):
            attacker.connect((str(WEB0.address), 22))


async def _send_ack(namespace: str, source: IPv4Address, port: int, target: IPv4Address, to: int) -> None:
    """Send one TCP segment with only ACK set."""
    header = struct.pack("!HHIIBBHHH", port, to, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
    pseudo = source.packed + target.packed + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header))
    total = sum(struct.unpack(f"!{len(pseudo + header) // 2}H", pseudo + header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    segment = header[:16] + struct.pack("!H", checksum) + header[18:]
    script = (
        "import socket;"
        "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP);"
        f"raw.sendto(bytes.fromhex('{segment.hex()}'), ('{target}', 0))"
    )
    assert (await inside(namespace, "python3", "-c", script)).returncode == 0


async def test_a_change_sends_single_elements_and_heals_what_others_did(node: Node) -> None:
    network = ServiceNetwork(infrastructure=INFRASTRUCTURE)
    node.guest(WEB0)
    await node.loop.do(network.sync([WEB0], access()))
    handle = await _handles(node)
    wider = access()
    services = {**wider.services, WEB: ServiceAccess(frozenset({WEB0.address, DB.address}), ("default/web",))}
    await node.loop.do(network.sync([WEB0, replace(DB, service=WEB)], replace(wider, services=services)))
    assert await _handles(node) == handle, "the chains and their rules are the same ones"
    assert (await inside(node.node, "nft", "flush", "chain", "inet", "resource_service", "to_guest")).returncode == 0
    assert await pings(node.peer, str(WEB0.address))
    await node.loop.do(network.sync([WEB0], access()))
    assert not await pings(node.peer, str(WEB0.address))


async def _handles(node: Node) -> list[str]:
    listed = (await inside(node.node, "nft", "-a", "list", "ruleset")).stdout
    return sorted(line.strip() for line in listed.splitlines() if "# handle" in line and "accept" in line)


async def test_before_a_cluster_has_said_who_may_connect_nobody_is_refused(site: Site) -> None:
    await site.sync(None)
    Server(site.web0, 80)
    assert opens(site.db, WEB0.address, 80)
    await site.sync(access())
    assert not opens(site.db, WEB0.address, 80)


async def test_nft_takes_every_kind_of_rule(node: Node) -> None:
    networks: Sequence[IPv4Network | None] = (IPv4Network("0.0.0.0/0"), IPv4Network("10.0.0.1/32"), None)
    rules = []
    for protocol in RuleProtocol:
        for port, end in ((None, None), (1, None), (1, 65535), (80, 80)):
            if port and protocol not in (RuleProtocol.TCP, RuleProtocol.UDP):
                continue
            for network in networks:
                source = {"network": str(network)} if network else {"group": "web"}
                rules.append(rule(port, protocol.value, end_port=end, **source))
    service = ServiceNetwork(infrastructure=INFRASTRUCTURE)
    await node.loop.do(service.sync([WEB0], access(*rules)))
    listed = (await inside(node.node, "nft", "list", "ruleset")).stdout
    assert listed.count("accept\n") >= len(rules)
    await node.loop.do(service.sync([], access()))
    listed = (await inside(node.node, "nft", "list", "ruleset")).stdout
    assert "s_" not in listed, "nothing is left of a service without machines here"
