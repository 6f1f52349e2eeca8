"""The service network of a node, in a network namespace, with other namespaces as guests."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from controller.hostnet.service import ServiceNetwork
from tests.python.integration.hostnet.node import GATEWAY, INFRASTRUCTURE, ONE, TWO, Node, inside, ip, pings

pytestmark = pytest.mark.design("B5")

RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE = 0x10, 0x40


async def test_a_running_tap_is_announced_and_reachable(node: Node, network: ServiceNetwork) -> None:
    guest = node.guest(ONE)
    await node.loop.do(network.sync([ONE]))
    assert node.routes() == {("172.16.10.10", "sv-one00")}
    (neighbour,) = node.show("neigh", "show", "dev", "sv-one00")
    assert (neighbour["lladdr"], neighbour["state"]) == (ONE.mac, ["PERMANENT"])
    assert await pings(guest, str(GATEWAY))
    assert await pings(node.peer, "172.16.10.10")


async def test_guests_with_24_and_32_reach_each_other(node: Node, network: ServiceNetwork) -> None:
    first, second = node.guest(ONE, 24), node.guest(TWO, 32)
    await node.loop.do(network.sync([ONE, TWO]))
    assert await pings(first, "172.16.10.11")
    assert await pings(second, "172.16.10.10")


async def test_a_tap_that_does_not_run_is_not_announced(node: Node, network: ServiceNetwork) -> None:
    node.guest(ONE)
    await node.loop.do(network.sync([ONE]))
    await node.loop.do(network.sync([replace(ONE, running=False)]))
    assert node.routes() == set()
    await node.loop.do(network.sync([ONE]))
    assert node.routes() == {("172.16.10.10", "sv-one00")}


async def test_what_is_not_listed_is_withdrawn_and_others_routes_stay(node: Node, network: ServiceNetwork) -> None:
    node.guest(ONE)
    node.guest(TWO)
    ip("-n", node.node, "route", "add", "172.16.99.9/32", "dev", "up0", "proto", "static")
    await node.loop.do(network.sync([ONE, TWO]))
    await node.loop.do(network.sync([TWO]))
    assert node.routes() == {("172.16.10.11", "sv-two00")}
    assert node.show("route", "show", "172.16.99.9") != []


async def test_an_address_moves_from_one_tap_to_another(node: Node, network: ServiceNetwork) -> None:
    node.guest(ONE)
    node.guest(TWO)
    await node.loop.do(network.sync([ONE]))
    await node.loop.do(network.sync([replace(TWO, address=ONE.address)]))
    assert node.routes() == {("172.16.10.10", "sv-two00")}


async def test_a_tap_that_does_not_exist_yet_waits_for_the_next_call(node: Node, network: ServiceNetwork) -> None:
    node.guest(TWO)
    await node.loop.do(network.sync([ONE, TWO]))
    assert node.routes() == {("172.16.10.11", "sv-two00")}
    node.guest(ONE)
    await node.loop.do(network.sync([ONE, TWO]))
    assert len(node.routes()) == 2


async def test_a_second_sync_changes_nothing(node: Node, network: ServiceNetwork) -> None:
    node.guest(ONE)
    await node.loop.do(network.sync([ONE]))
    monitor = await node.loop.do(_monitor())
    with monitor:
        await node.loop.do(network.sync([ONE]))
        await node.loop.do(ServiceNetwork(infrastructure=INFRASTRUCTURE).sync([ONE]))
        with pytest.raises(BlockingIOError):
            monitor.recv(65536)
        ip("-n", node.node, "route", "add", "192.0.2.99/32", "dev", "up0")
        assert IPv4Address("192.0.2.99").packed in monitor.recv(65536), "the monitor sees changes"


async def _monitor() -> socket.socket:
    """A socket that gets every change of IPv4 routes and addresses."""
    monitor = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    monitor.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE))
    return monitor


async def test_guests_cannot_reach_host_and_infrastructure(node: Node, network: ServiceNetwork) -> None:
    guest = node.guest(ONE)
    await node.loop.do(network.sync([ONE]))
    assert await pings(guest, str(GATEWAY))
    assert not await pings(guest, "10.9.0.1"), "the host's own address"
    assert not await pings(guest, "10.9.0.2"), "the infrastructure"
    assert await pings(node.peer, "172.16.10.10"), "answers to the infrastructure are not stopped"


async def test_guests_cannot_reach_metadata_and_link_local_addresses(node: Node, network: ServiceNetwork) -> None:
    """Neither of a peer of the node nor of the node itself, and not under a link-local address of their own."""
    for name, address in ((node.node, "169.254.0.1/16"), (node.peer, "169.254.169.254/16")):
        ip("-n", name, "address", "add", address, "dev", "up0")
    guest = node.guest(ONE)
    await node.loop.do(network.sync([ONE]))
    assert await pings(node.node, "169.254.169.254"), "it answers"
    for address in ("169.254.169.254", "169.254.0.1"):
        assert not await pings(guest, address)
    ip("-n", guest, "address", "add", "169.254.7.7/16", "dev", "eth0")
    for address in ("169.254.169.254", "169.254.0.1", str(GATEWAY)):
        assert not await pings(guest, address, "-I", "169.254.7.7")
    assert not await pings(node.peer, "172.16.10.10", "-I", "169.254.169.254"), "no answer can arrive"


async def test_guests_have_no_ipv6(node: Node, network: ServiceNetwork) -> None:
    """Taps have no link-local address, and nothing is taken that a guest sends to the node or through it."""
    guest, other = node.guest(ONE), node.guest(TWO)
    ip("-n", node.node, "address", "add", "fd00:9::1/64", "dev", "up0", "nodad")
    await inside(node.node, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    await node.loop.do(network.sync([ONE, TWO]))
    for name, tap, address in ((guest, ONE, "fd00:10::10"), (other, TWO, "fd00:10::11")):
        ip("-n", name, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        assert node.show("-6", "address", "show", "dev", tap.tap) == []
    (link,) = node.show("link", "show", "dev", ONE.tap)
    for target in ("fd00:9::1", "fd00:10::11"):
        ip("-n", guest, "neigh", "replace", target, "lladdr", link["address"], "dev", "eth0")
        ip("-n", guest, "-6", "route", "replace", f"{target}/128", "dev", "eth0")
        assert not await pings(guest, target, "-6")
    # An operator's setting brings IPv6 back on the tap: the firewall still takes nothing.
    await inside(node.node, "sysctl", "-qw", f"net.ipv6.conf.{ONE.tap}.disable_ipv6=0")
    ip("-n", node.node, "address", "add", "fe80::1/64", "dev", ONE.tap, "nodad")
    assert not await pings(guest, "fe80::1%eth0", "-6")


def test_no_network_without_infrastructure() -> None:
    with pytest.raises(ValueError, match="infrastructure is empty"):
        ServiceNetwork(infrastructure=[])


async def test_a_guest_cannot_use_another_address(node: Node, network: ServiceNetwork) -> None:
    first, second = node.guest(ONE), node.guest(TWO)
    await node.loop.do(network.sync([ONE, TWO]))
    ip("-n", first, "address", "add", "172.16.10.77/24", "dev", "eth0")
    assert await pings(first, "172.16.10.11", "-I", "172.16.10.10")
    assert not await pings(first, "172.16.10.11", "-I", "172.16.10.77")
    assert second


async def test_a_flushed_firewall_comes_back(node: Node, network: ServiceNetwork) -> None:
    guest = node.guest(ONE)
    await node.loop.do(network.sync([ONE]))
    assert (await inside(node.node, "nft", "flush", "ruleset")).returncode == 0
    assert await pings(guest, "10.9.0.1")
    await node.loop.do(network.sync([ONE]))
    assert not await pings(guest, "10.9.0.1")


async def test_names_of_other_interfaces_are_refused(node: Node, network: ServiceNetwork) -> None:
    with pytest.raises(ValueError, match="up0"):
        await node.loop.do(network.sync([replace(ONE, tap="up0")]))
