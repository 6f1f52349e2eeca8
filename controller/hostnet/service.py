"""The service network of a node: one routed tap per service NIC (design B5).

Each tap carries the gateway's address, the same on every node, and answers ARP for everybody else;
the guest's address is a /32 route to its tap with protocol 201, which the routing daemon announces.
The tap's MAC follows from the guest's, so a guest that moved notices nothing. A tap is announced
only while its machine runs here: the route is what decides where traffic goes.

``sync`` takes the whole wanted state and is idempotent; calls are serialised. Order: firewall first,
then taps, then routes, so that no packet of a guest passes unfiltered. A tap that does not exist yet
is left out until the next call; the kernel drops the routes of one that went.

Not promised: that ARP tells whether a neighbour exists (the tap answers for all); broadcast and
multicast between guests.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from pyroute2 import IPRoute, NetlinkError

from controller.errors import Unavailable
from controller.hostnet import sysctl
from controller.hostnet.firewall import Table
from controller.rendering import render

TAP_PREFIX = "sv-"
"""Names of service taps begin with it; the firewall takes every other interface as not its own."""
ROUTE_PROTOCOL = 201
_MAIN_TABLE = 254
_PERMANENT = 0x80
_LINK_SCOPE = 253
_GONE = {errno.ENODEV, errno.ENXIO}
_NO_ROUTE = errno.ESRCH


class Tap(Protocol):
    """A service NIC of a machine of this host."""

    @property
    def tap(self) -> str:
        """The host's interface."""

    @property
    def mac(self) -> str:
        """MAC address of the guest."""

    @property
    def address(self) -> IPv4Address:
        """Service address of the guest."""

    @property
    def gateway(self) -> IPv4Address:
        """The guest's gateway."""

    @property
    def running(self) -> bool:
        """Whether the machine runs here: only then is the address announced."""


class ServiceNetwork:
    """Service taps, routes and firewall of the network namespace that ``sync`` is called in."""

    def __init__(self, *, infrastructure: Sequence[IPv4Network] = (), table: str = "resource_service") -> None:
        """``infrastructure``: networks that guests may not open connections to."""
        self._infrastructure = [str(network) for network in infrastructure]
        self._table = Table(table)
        self._lock = asyncio.Lock()

    async def sync(self, taps: Sequence[Tap]) -> None:
        """Make taps, routes and firewall as said; routes that nobody asks for go.

        Raises Unavailable, TimedOut.
        """
        ordered = sorted(taps, key=lambda tap: tap.tap)
        async with self._lock:
            await asyncio.to_thread(self._sync, ordered)

    def _sync(self, taps: Sequence[Tap]) -> None:
        for tap in taps:
            if not tap.tap.startswith(TAP_PREFIX):
                raise ValueError(f"{tap.tap} is not named as a service tap")
        self._table.keep(
            render(
                "service.nft.j2",
                table=self._table.name,
                prefix=TAP_PREFIX,
                taps=taps,
                infrastructure=self._infrastructure,
            )
        )
        sysctl.write("ipv4/ip_forward", 1)
        try:
            with IPRoute() as netlink:
                self._sync_routes(netlink, taps)
        except (NetlinkError, OSError) as error:
            raise Unavailable(f"the kernel refused a change of the network: {error}") from error

    def _sync_routes(self, netlink: IPRoute, taps: Sequence[Tap]) -> None:
        links = {link.get("ifname"): int(link["index"]) for link in netlink.get_links()}
        present = [(tap, links[tap.tap]) for tap in taps if tap.tap in links]
        wanted = {(str(tap.address), index) for tap, index in present if tap.running}
        there = _routes(netlink)
        for address, index in there - wanted:
            _withdraw(netlink, address, index)
        for tap, index in present:
            try:
                _configure(netlink, tap, index)
                if (str(tap.address), index) in wanted - there:
                    _announce(netlink, tap, index)
            except FileNotFoundError:
                continue  # the tap went while we looked
            except NetlinkError as error:
                if error.code not in _GONE:
                    raise


def _routes(netlink: IPRoute) -> set[tuple[str, int]]:
    """Address and interface of each route of ours."""
    found: set[tuple[str, int]] = set()
    for route in netlink.get_routes(family=socket.AF_INET, table=_MAIN_TABLE):
        if route["proto"] == ROUTE_PROTOCOL and route["dst_len"] == 32:
            found.add((route.get("dst"), route.get("oif")))
    return found


def _configure(netlink: IPRoute, tap: Tap, index: int) -> None:
    name = tap.tap
    sysctl.write(f"ipv4/conf/{name}/proxy_arp", 1)
    sysctl.write(f"ipv4/conf/{name}/rp_filter", 1)
    sysctl.write(f"ipv4/conf/{name}/send_redirects", 0)
    # By default the kernel waits up to 0.8 s before it answers for another.
    sysctl.write(f"ipv4/neigh/{name}/proxy_delay", 0)
    with suppress(FileNotFoundError):  # a kernel without IPv6
        sysctl.write(f"ipv6/conf/{name}/disable_ipv6", 1)
    gateway = str(tap.gateway)
    addresses = [message.get("local") for message in netlink.get_addr(family=socket.AF_INET, index=index)]
    for stale in addresses:
        if stale != gateway:
            netlink.addr("del", index=index, address=stale, prefixlen=32)
    if gateway not in addresses:
        netlink.addr("add", index=index, address=gateway, prefixlen=32)
    netlink.link("set", index=index, state="up")
    # Permanent: a guest cannot make the host believe that the address is somewhere else.
    neighbour: dict[str, Any] = {"dst": str(tap.address), "lladdr": tap.mac, "ifindex": index, "state": _PERMANENT}
    netlink.neigh("replace", family=socket.AF_INET, **neighbour)


def _withdraw(netlink: IPRoute, address: str, index: int) -> None:
    # Named in full: the routing daemon or an operator may have another route to the same address.
    route = {"dst": f"{address}/32", "oif": index, "scope": _LINK_SCOPE}
    try:
        netlink.route("del", proto=ROUTE_PROTOCOL, table=_MAIN_TABLE, **route)
    except NetlinkError as error:
        if error.code not in (_NO_ROUTE, *_GONE):  # its tap went in this moment, and the route with it
            raise


def _announce(netlink: IPRoute, tap: Tap, index: int) -> None:
    netlink.route(
        "replace",
        dst=f"{tap.address}/32",
        oif=index,
        prefsrc=str(tap.gateway),
        proto=ROUTE_PROTOCOL,
        scope=_LINK_SCOPE,
        table=_MAIN_TABLE,
    )
