"""A node's network namespace with guests behind veths that stand for taps, and sockets inside the guests."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import uuid
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from pyroute2 import netns

from tests.python.libvirt_host import HostLoop

INFRASTRUCTURE = [IPv4Network("10.9.0.0/24"), IPv4Network("10.9.0.2/32")]
GATEWAY = IPv4Address("172.16.10.1")


@dataclass(frozen=True)
class TapState:
    tap: str
    mac: str
    address: IPv4Address
    gateway: IPv4Address
    running: bool = True
    service: str = "default/kanto/web"


ONE = TapState("sv-one00", "52:54:ac:10:0a:0a", IPv4Address("172.16.10.10"), GATEWAY)
TWO = TapState("sv-two00", "52:54:ac:10:0a:0b", IPv4Address("172.16.10.11"), GATEWAY)


class Node:
    """A node's namespace with guests behind veths that stand for taps."""

    def __init__(self) -> None:
        self.id = f"rs{uuid.uuid4().hex[:6]}"
        self.names: list[str] = []
        self.node, self.peer = f"{self.id}-node", f"{self.id}-peer"
        self.holder: subprocess.Popen[bytes] | None = None
        self.loop: HostLoop

    def make(self) -> None:
        """Make it; ``close`` takes away also what was made in part."""
        self._namespace("node")
        # Something for guests to reach: the host itself, and a peer behind it.
        self._namespace("peer")
        ip("link", "add", "up0", "netns", self.node, "type", "veth", "peer", "name", "up0", "netns", self.peer)
        for name, address in ((self.node, "10.9.0.1"), (self.peer, "10.9.0.2")):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "up0")
            ip("-n", name, "link", "set", "up0", "up")
        ip("-n", self.peer, "route", "add", "default", "via", "10.9.0.1")
        self.holder = subprocess.Popen(["ip", "netns", "exec", self.node, "sleep", "infinity"])

    def entered(self) -> bool:
        assert self.holder is not None
        return Path(f"/proc/{self.holder.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()

    def enter(self) -> None:
        assert self.holder is not None
        self.loop = HostLoop(self.holder.pid)

    def _namespace(self, name: str) -> str:
        full = f"{self.id}-{name}"
        self.names.append(full)
        ip("netns", "add", full)
        ip("-n", full, "link", "set", "lo", "up")
        return full

    def guest(self, tap: TapState, prefix_length: int = 24) -> str:
        name = self._namespace(tap.tap)
        self.guest_moves(name, tap, prefix_length)
        return name

    def guest_moves(self, name: str, tap: TapState, prefix_length: int = 24) -> None:
        """Give a guest its NIC, here."""
        ip("link", "add", tap.tap, "netns", self.node, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", name, "link", "set", "eth0", "address", tap.mac)
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "address", "add", f"{tap.address}/{prefix_length}", "dev", "eth0")
        if prefix_length == 32:
            ip("-n", name, "route", "add", str(tap.gateway), "dev", "eth0")
        ip("-n", name, "route", "add", "default", "via", str(tap.gateway))

    def routes(self) -> set[tuple[str, str]]:
        found = json.loads(ip("-n", self.node, "-j", "route", "show", "proto", "201"))
        return {(route["dst"], route["dev"]) for route in found}

    def show(self, *arguments: str) -> Any:
        return json.loads(ip("-n", self.node, "-j", *arguments))

    def close(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()
        if self.holder is not None:
            self.holder.kill()
            self.holder.wait()
        failed = [name for name in self.names if subprocess.run(["ip", "netns", "del", name], check=False).returncode]
        assert failed == []


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def connect(first: Node, second: Node) -> None:
    """Connect two nodes, as their router does: the addresses of each one's guests are routed to it."""
    ip("link", "add", "x0", "netns", first.node, "type", "veth", "peer", "name", "x0", "netns", second.node)
    for node, address in ((first, "10.9.5.1"), (second, "10.9.5.2")):
        ip("-n", node.node, "address", "add", f"{address}/24", "dev", "x0")
        ip("-n", node.node, "link", "set", "x0", "up")


def route(node: Node, tap: TapState, via: str) -> None:
    ip("-n", node.node, "route", "replace", f"{tap.address}/32", "via", via, "proto", "bird")


_OPEN: list[socket.socket] = []


def close_sockets() -> None:
    """Close the sockets that a test has opened."""
    while _OPEN:
        _OPEN.pop().close()


def socket_in(namespace: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket of a namespace; the namespace of the caller stays."""
    made: list[socket.socket] = []

    def make() -> None:
        netns.setns(namespace)
        made.append(socket.socket(socket.AF_INET, kind))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].settimeout(WAIT)
    _OPEN.append(made[0])
    return made[0]


WAIT = 2.5
"""Seconds after which a try counts as refused: packets are dropped, and no answer says so."""


class Server:
    """Listens on a port of a guest, for TCP."""

    def __init__(self, namespace: str, port: int) -> None:
        self.socket = socket_in(namespace)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("0.0.0.0", port))
        self.socket.listen()

    def accept(self) -> socket.socket:
        accepted, _ = self.socket.accept()
        accepted.settimeout(WAIT)
        _OPEN.append(accepted)
        return accepted


def opens(namespace: str, address: object, port: int) -> bool:
    """Return whether a connection can be opened from a namespace to a port."""
    with socket_in(namespace) as client:
        try:
            client.connect((str(address), port))
        except TimeoutError:
            return False
        return True


def passes(sender: socket.socket, receiver: socket.socket, text: bytes = b"x") -> bool:
    """Return whether what is sent on a connection arrives."""
    sender.sendall(text)
    try:
        return receiver.recv(len(text)) == text
    except TimeoutError:
        return False


async def inside(namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, timeout=120
    )


async def pings(namespace: str, address: str, *options: str) -> bool:
    return (await inside(namespace, "ping", "-n", "-c", "1", "-W", "1", *options, address)).returncode == 0
