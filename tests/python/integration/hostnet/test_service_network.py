"""The service network of a node, in a network namespace, with other namespaces as guests."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from controller.hostnet.service import ServiceNetwork
from tests.python.eventually import eventually
from tests.python.libvirt_host import HostLoop

pytestmark = pytest.mark.design("B5")

RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE = 0x10, 0x40
GATEWAY = IPv4Address("172.16.10.1")


@dataclass(frozen=True)
class TapState:
    tap: str
    mac: str
    address: IPv4Address
    gateway: IPv4Address
    running: bool = True


ONE = TapState("sv-one00", "52:54:ac:10:0a:0a", IPv4Address("172.16.10.10"), GATEWAY)
TWO = TapState("sv-two00", "52:54:ac:10:0a:0b", IPv4Address("172.16.10.11"), GATEWAY)


class Node:
    """A node's namespace with guests behind veths that stand for taps."""

    def __init__(self) -> None:
        self.id = f"rs{uuid.uuid4().hex[:6]}"
        self.names: list[str] = []
        self.node = self._namespace("node")
        # Something for guests to reach: the host itself, and a peer behind it.
        self.peer = self._namespace("peer")
        ip("link", "add", "up0", "netns", self.node, "type", "veth", "peer", "name", "up0", "netns", self.peer)
        for name, address in ((self.node, "10.9.0.1"), (self.peer, "10.9.0.2")):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "up0")
            ip("-n", name, "link", "set", "up0", "up")
        ip("-n", self.peer, "route", "add", "default", "via", "10.9.0.1")
        self.holder = subprocess.Popen(["ip", "netns", "exec", self.node, "sleep", "infinity"])
        self.loop: HostLoop

    def entered(self) -> bool:
        return Path(f"/proc/{self.holder.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()

    def enter(self) -> None:
        self.loop = HostLoop(self.holder.pid)

    def _namespace(self, name: str) -> str:
        full = f"{self.id}-{name}"
        ip("netns", "add", full)
        self.names.append(full)
        ip("-n", full, "link", "set", "lo", "up")
        return full

    def guest(self, tap: TapState, prefix_length: int = 24) -> str:
        name = self._namespace(tap.tap)
        ip("link", "add", tap.tap, "netns", self.node, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", name, "link", "set", "eth0", "address", tap.mac)
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "address", "add", f"{tap.address}/{prefix_length}", "dev", "eth0")
        if prefix_length == 32:
            ip("-n", name, "route", "add", str(tap.gateway), "dev", "eth0")
        ip("-n", name, "route", "add", "default", "via", str(tap.gateway))
        return name

    def routes(self) -> set[tuple[str, str]]:
        found = json.loads(ip("-n", self.node, "-j", "route", "show", "proto", "201"))
        return {(route["dst"], route["dev"]) for route in found}

    def show(self, *arguments: str) -> Any:
        return json.loads(ip("-n", self.node, "-j", *arguments))

    def close(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()
        self.holder.kill()
        self.holder.wait()
        for name in self.names:
            ip("netns", "del", name)


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


async def inside(namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, timeout=120
    )


async def pings(namespace: str, address: str, *options: str) -> bool:
    return (await inside(namespace, "ping", "-n", "-c", "1", "-W", "1", *options, address)).returncode == 0


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    try:
        # `ip netns exec` enters the namespace a moment after it starts.
        await eventually(node.entered)
        node.enter()
        yield node
    finally:
        node.close()


@pytest.fixture
def network() -> ServiceNetwork:
    return ServiceNetwork(infrastructure=[IPv4Network("10.9.0.0/24")])


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
        await node.loop.do(ServiceNetwork().sync([ONE]))
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
