"""Creates the networks of a lab: one router, a link from it to each node and to the control namespace.

Every function may be called again at any time, and creates only what is missing.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from pyroute2 import IPRoute

from controller.lab import namespaces
from controller.lab.command import run
from controller.lab.settings import Layout, Place

_UPLINK = "eth0"
"""Interface of a place; its other end is a port of the router."""

# Kernel settings of every namespace; netlink does not have them, so sysctl runs inside the namespace.
_ROUTING = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.fib_multipath_hash_policy=1",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


def ensure(layout: Layout) -> None:
    """Create the namespaces and the links between them. Raises Unavailable."""
    for name in layout.namespaces:
        namespaces.ensure_network(name)
        run("nsenter", f"--net=/run/netns/{name}", "sysctl", "-q", "-w", *_ROUTING)
    with namespaces.netlink(layout.router) as router:
        for place in layout.places:
            _ensure_link(router, place)


def _ensure_link(router: IPRoute, place: Place) -> None:
    """Connect the place with the router, and give both ends their addresses and the place its default route."""
    if not router.link_lookup(ifname=place.port):
        peer = {"ifname": _UPLINK, "net_ns_fd": place.namespace}
        router.link("add", ifname=place.port, kind="veth", peer=peer)
    _configure(router, place.port, place.gateway)
    with namespaces.netlink(place.namespace) as inside:
        _configure(inside, _UPLINK, place.address)
        inside.route("replace", dst="default", gateway=str(place.gateway), proto="boot")


def _configure(netlink: IPRoute, name: str, address: IPv4Address) -> None:
    (index,) = netlink.link_lookup(ifname=name)
    netlink.addr("replace", index=index, address=str(address), prefixlen=30)
    netlink.link("set", index=index, state="up")
