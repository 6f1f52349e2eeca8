"""Networks of a lab: one router, a link from it to each node and to the control namespace.

Every function makes true what it says and may be called again at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from controller.lab import namespaces
from controller.lab.command import run
from controller.lab.settings import Layout, Place

_ROUTING = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.fib_multipath_hash_policy=1",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


def ensure(layout: Layout) -> None:
    """Make the namespaces and the links between them."""
    for name in layout.namespaces:
        namespaces.ensure_network(name)
        run("nsenter", f"--net=/run/netns/{name}", "sysctl", "-q", "-w", *_ROUTING)
    ports = links(layout.router)
    for place in layout.places:
        _ensure_link(layout.router, place, ports)


def links(namespace: str) -> set[str]:
    """Return the names of the interfaces in a namespace."""
    return {link["ifname"] for link in json.loads(run("ip", "-n", namespace, "-j", "link"))}


def routes(namespace: str) -> list[dict[str, object]]:
    """Return the IPv4 routes of a namespace as iproute2 prints them in JSON."""
    found: list[dict[str, object]] = json.loads(run("ip", "-n", namespace, "-j", "route"))
    return found


def _ensure_link(router: str, place: Place, ports: Iterable[str]) -> None:
    if place.port not in ports:
        run("ip", "-n", router, "link", "add", place.port, "type", "veth", "peer", "eth0", "netns", place.namespace)
    _batch(
        router,
        f"address replace {place.gateway}/30 dev {place.port}",
        f"link set {place.port} up",
    )
    _batch(
        place.namespace,
        f"address replace {place.address}/30 dev eth0",
        "link set eth0 up",
        f"route replace default via {place.gateway}",
    )


def _batch(namespace: str, *lines: str) -> None:
    run("ip", "-n", namespace, "-batch", "-", input="\n".join(lines) + "\n")
