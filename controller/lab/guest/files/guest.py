"""The guest's one service: configures the machine from its ConfigDrive, then answers on HTTP port 80.

Reads ``openstack/latest/meta_data.json`` (host name, SSH keys) and ``network_data.json``
(addresses by MAC, gateways). Runs on the guest's own Python with the standard library alone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIG = Path("/run/config/openstack/latest")
CONSOLE = Path("/dev/console")
PORT = 80


def read(name: str) -> dict[str, Any]:
    """Return a document of the ConfigDrive; empty when it is not there."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads((CONFIG / name).read_text())
        if isinstance(document, dict):
            return document
    return {}


def say(line: str) -> None:
    """Print a line on the console."""
    with contextlib.suppress(OSError), CONSOLE.open("w") as console:
        console.write(line + "\n")


def ip(*arguments: str) -> None:
    """Run busybox' ``ip``; a failure is shown on the console and is no reason to stop."""
    done = subprocess.run(["/bin/busybox", "ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "File exists" not in done.stderr:
        say(f"GUEST-WARNING ip {' '.join(arguments)}: {done.stderr.strip()}")


def interfaces() -> dict[str, str]:
    """Return the name of each interface by MAC address."""
    return {
        (path / "address").read_text().strip().lower(): path.name
        for path in Path("/sys/class/net").iterdir()
        if path.name != "lo"
    }


def commands(data: dict[str, Any], names: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Give the ``ip`` commands that make the network as ``network_data.json`` says."""
    yield ("link", "set", "lo", "up")
    links = {}
    for link in data.get("links", []):
        device = names.get(str(link.get("ethernet_mac_address", "")).lower())
        if device is None:
            continue
        links[link.get("id")] = device
        if link.get("mtu"):
            yield ("link", "set", device, "mtu", str(link["mtu"]))
        yield ("link", "set", device, "up")
    for network in data.get("networks", []):
        device = links.get(network.get("link"))
        if device is None or network.get("type") != "ipv4":
            continue
        address = str(network["ip_address"])
        if "/" not in address:
            address = f"{address}/{network.get('netmask') or 32}"
        interface = ipaddress.IPv4Interface(address)
        yield ("address", "add", str(interface), "dev", device)
        routes = [dict(route) for route in network.get("routes", [])]
        if network.get("gateway"):
            routes.append({"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": network["gateway"]})  # noqa: S104
        for route in routes:
            target = str(ipaddress.IPv4Network(f"{route['network']}/{route.get('netmask', 32)}"))
            gateway = ipaddress.IPv4Address(route["gateway"])
            if gateway.is_unspecified:
                yield ("route", "replace", target, "dev", device)
                continue
            if gateway not in interface.network:
                # An address alone, without a subnet: the kernel must know on which side its gateway is.
                yield ("route", "replace", f"{gateway}/32", "dev", device)
            yield ("route", "replace", target, "via", str(gateway), "dev", device)


def addresses(data: dict[str, Any]) -> list[str]:
    """Return the configured addresses, without prefix lengths."""
    return [str(network.get("ip_address", "")).split("/")[0] for network in data.get("networks", [])]


def configure() -> dict[str, Any]:
    """Apply the ConfigDrive; return what is asked for it on HTTP."""
    meta, network = read("meta_data.json"), read("network_data.json")
    name = str(meta.get("hostname") or meta.get("name") or "guest")
    with contextlib.suppress(OSError):
        socket.sethostname(name if len(name) <= 64 else name.partition(".")[0])  # the kernel's limit
        Path("/etc/hostname").write_text(name + "\n")
        Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    keys = meta.get("public_keys") or {}
    folder = Path("/root/.ssh")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text("".join(f"{key.strip()}\n" for key in keys.values()))
    (folder / "authorized_keys").chmod(0o600)
    for command in commands(network, interfaces()):
        ip(*command)
    return {
        "host_name": name,
        "uuid": meta.get("uuid", ""),
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "addresses": addresses(network),
    }


def reaches(address: str, port: int) -> bool:
    """Return whether a TCP connection can be opened from here."""
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with what the machine is, and ``/tcp/ADDRESS/PORT`` also with whether it reaches that."""

    facts: dict[str, Any] = {}  # noqa: RUF012 - set once, before the server starts

    def do_GET(self) -> None:
        """Send the facts and the time since boot, in seconds."""
        answer = {**self.facts, "uptime": round(time.clock_gettime(time.CLOCK_BOOTTIME), 2)}
        match self.path.split("/"):
            case ["", "tcp", address, port] if port.isdecimal():
                answer["reaches"] = reaches(address, int(port))
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Keep the console free."""


class Server(ThreadingHTTPServer):
    """A server that does not ask DNS for its own name."""

    def server_bind(self) -> None:
        """Bind without the look-up of the base class, which waits for a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "guest", PORT


def main() -> None:
    """Configure, say so on the console, serve for ever."""
    facts = configure()
    Handler.facts = facts
    server = Server(("", PORT), Handler)
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    say(f"\nGUEST-READY {facts['host_name']} {','.join(facts['addresses']) or '-'} {uptime:.2f}")
    server.serve_forever()


if __name__ == "__main__" and "--import-only" not in sys.argv:
    main()
