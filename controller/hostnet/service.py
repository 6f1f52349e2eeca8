"""Reconciles the service network of a node, for its agent: one routed tap per service NIC.

Each tap has the gateway's address, the same on every node, and answers ARP for all other addresses.
The guest's address is a /32 route to its tap with protocol 201, which the routing daemon announces.
The tap's MAC follows from the guest's, so a guest that migrated sees no change. A tap is announced
only while its machine runs on this node: the route decides where traffic goes.

``sync`` takes the whole desired state and is idempotent; calls are serialised. Order: firewall
first, then taps, then routes, so that no packet of a guest passes unfiltered. A tap that does not
exist yet is skipped until the next call (the firewall has its rules already); the kernel removes the routes of a
deleted tap. A tap that the firewall does not know gets no packet and may send none.

Guests have no IPv6, cannot reach 169.254.0.0/16, and cannot open connections to the infrastructure.

Not promised: that ARP shows whether a neighbour exists (the tap answers for all); broadcast and
multicast between guests.

Design: B5
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import Any, Protocol

from pyroute2 import IPRoute, NetlinkError

from controller.errors import Unavailable
from controller.hostnet import sysctl
from controller.hostnet.access import Access
from controller.hostnet.firewall import ARRIVAL_SECONDS, Table
from controller.hostnet.ruleset import build
from controller.rendering import render

TAP_PREFIX = "sv-"
"""Prefix of the names of service taps; the firewall ignores every other interface."""
LINK_LOCAL = IPv4Network("169.254.0.0/16")
"""Never forwarded, from or to guests: metadata services and links of the infrastructure are there."""
MOVED_MARK = 0x5253
"""Mark of connections that moved here with their machine."""
ROUTE_PROTOCOL = 201
_MAIN_TABLE = 254
_PERMANENT = 0x80
_LINK_SCOPE = 253
_DELETED = {errno.ENODEV, errno.ENXIO}
_NO_ROUTE = errno.ESRCH


class Tap(Protocol):
    """A service NIC of a machine of this host."""

    @property
    def tap(self) -> str:
        """Return the name of the host's interface."""

    @property
    def mac(self) -> str:
        """Return the MAC address of the guest."""

    @property
    def address(self) -> IPv4Address:
        """Return the service address of the guest."""

    @property
    def gateway(self) -> IPv4Address:
        """Return the guest's gateway."""

    @property
    def service(self) -> str:
        """Return the key path of the machine's RegionService; its access is that of the tap."""

    @property
    def running(self) -> bool:
        """Return whether the machine runs on this node: only then its address is announced."""


class ServiceNetwork:
    """The service taps, routes and firewall of the network namespace that ``sync`` is called in."""

    def __init__(self, *, infrastructure: Sequence[IPv4Network], table: str = "resource_service") -> None:
        """``infrastructure``: networks that guests may not open connections to, in addition to ``LINK_LOCAL``.

        Raises ValueError when it is empty: guests could reach the nodes.
        """
        if not infrastructure:
            raise ValueError("infrastructure is empty")
        self._table = Table(table)
        self._fixed = fixed_part(table, infrastructure)
        self._lock = asyncio.Lock()

    async def sync(self, taps: Sequence[Tap], access: Access | None = None) -> None:
        """Make taps, routes and firewall match ``taps``; other routes of our protocol are removed.

        ``access`` None: who may connect to guests is not known, and no connection is refused for it.
        Raises Unavailable, TimedOut.
        """
        ordered = sorted(taps, key=lambda tap: tap.tap)
        async with self._lock:
            await asyncio.to_thread(self._sync, ordered, access)

    def _sync(self, taps: Sequence[Tap], access: Access | None) -> None:
        for tap in taps:
            if not tap.tap.startswith(TAP_PREFIX):
                raise ValueError(f"the name of service tap {tap.tap} must begin with {TAP_PREFIX}")
        self._table.apply(self._fixed, build(taps, access))
        sysctl.write("ipv4/ip_forward", 1)
        try:
            with IPRoute() as netlink:
                self._sync_routes(netlink, taps)
        except (NetlinkError, OSError) as error:
            raise Unavailable(f"the kernel refused a change of the network: {error}") from error

    def _sync_routes(self, netlink: IPRoute, taps: Sequence[Tap]) -> None:
        links = {link.get("ifname"): int(link["index"]) for link in netlink.get_links()}
        present = [(tap, links[tap.tap]) for tap in taps if tap.tap in links]
        desired = {(str(tap.address), index) for tap, index in present if tap.running}
        current = _routes(netlink)
        for address, index in current - desired:
            _withdraw(netlink, address, index)
        for tap, index in present:
            try:
                _configure(netlink, tap, index)
                if (str(tap.address), index) in desired - current:
                    _announce(netlink, tap, index)
            except FileNotFoundError:
                continue  # the tap was deleted meanwhile
            except NetlinkError as error:
                if error.code not in _DELETED:
                    raise


def fixed_part(table: str, infrastructure: Sequence[IPv4Network]) -> str:
    """Return the part of the firewall that does not depend on taps, as nft reads it."""
    return render(
        "service.nft.j2",
        table=table,
        prefix=TAP_PREFIX,
        link_local=LINK_LOCAL,
        infrastructure=[str(network) for network in collapse_addresses(infrastructure)],
        arrival_seconds=ARRIVAL_SECONDS,
        moved_mark=MOVED_MARK,
    )


def _routes(netlink: IPRoute) -> set[tuple[str, int]]:
    """Return the address and the interface of each route with our protocol."""
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
    # By default the kernel waits up to 0.8 s before it answers for another address.
    sysctl.write(f"ipv4/neigh/{name}/proxy_delay", 0)
    with suppress(FileNotFoundError):  # the kernel does not have IPv6
        sysctl.write(f"ipv6/conf/{name}/disable_ipv6", 1)
    gateway = str(tap.gateway)
    addresses = [message.get("local") for message in netlink.get_addr(family=socket.AF_INET, index=index)]
    for stale in addresses:
        if stale != gateway:
            netlink.addr("del", index=index, address=stale, prefixlen=32)
    if gateway not in addresses:
        netlink.addr("add", index=index, address=gateway, prefixlen=32)
    netlink.link("set", index=index, state="up")
    # Permanent: a guest cannot take over the address with ARP messages.
    neighbour: dict[str, Any] = {"dst": str(tap.address), "lladdr": tap.mac, "ifindex": index, "state": _PERMANENT}
    netlink.neigh("replace", family=socket.AF_INET, **neighbour)


def _withdraw(netlink: IPRoute, address: str, index: int) -> None:
    # All attributes are given: the routing daemon or an operator may have another route to the address.
    route = {"dst": f"{address}/32", "oif": index, "scope": _LINK_SCOPE}
    try:
        netlink.route("del", proto=ROUTE_PROTOCOL, table=_MAIN_TABLE, **route)
    except NetlinkError as error:
        if error.code not in (_NO_ROUTE, *_DELETED):  # its tap was deleted meanwhile, and the route with it
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
