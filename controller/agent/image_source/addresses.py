"""Decides which addresses images may be fetched from. Pure: it is given the address that will be connected to.

Of the networks that the settings allow and deny, the longest that has the address decides; of equal ones, deny. Where
none has it, the address is refused if it is one of the node itself, of its neighbours or of its infrastructure, or if
it reaches metadata services. An IPv6 address that stands for an IPv4 address is checked as both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_REFUSED = tuple(
    (ip_network(network), reason)
    for reason, networks in {
        "a metadata service": (
            "169.254.169.254/32",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "fd00:ec2::/32",
            "fd20:ce::/32",
        ),
        "the node itself": ("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128"),
        "a link-local address": ("169.254.0.0/16", "fe80::/10", "fec0::/10"),
        "no address of a server": ("224.0.0.0/4", "240.0.0.0/4", "ff00::/8"),
    }.items()
    for network in networks
)
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("::/96"), ip_network("::ffff:0:0:0/96"))
"""NAT64 (RFC 6052), IPv4-compatible and IPv4-translated addresses: the last 32 bits are an IPv4 address."""
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")


@dataclass(frozen=True)
class AddressRules:
    """The networks of the settings."""

    allow: Sequence[IPNetwork] = ()
    deny: Sequence[IPNetwork] = ()
    infrastructure: Sequence[IPNetwork] = ()

    def refusal(self, address: str, own: Iterable[IPNetwork] = ()) -> str | None:
        """Return what the address is that is refused; None if it may be connected to.

        ``own``: the networks of the node's interfaces.
        """
        own = tuple(own)
        try:
            meant = tuple(_meant(ip_address(address.partition("%")[0])))
        except ValueError:
            return "not an IP address"
        return next((reason for one in meant if (reason := self._refusal(one, own))), None)

    def _refusal(self, address: IPAddress, own: Sequence[IPNetwork]) -> str | None:
        allowed, denied = _longest(address, self.allow), _longest(address, self.deny)
        if denied >= 0 and denied >= allowed:
            return "denied by images.deny"
        if allowed >= 0:
            return None
        for network, reason in _REFUSED:
            if address in network:
                return reason
        if isinstance(address, IPv6Address) and address in _LOCAL_NAT64:
            return "a translated address"
        if _longest(address, self.infrastructure) >= 0:
            return "of the infrastructure"
        return "in a network of the node's own interfaces" if _longest(address, own) >= 0 else None


def _meant(address: IPAddress) -> Iterator[IPAddress]:
    """Yield the address, and the IPv4 addresses that it stands for."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _TRANSLATED) and int(address) > 1:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _longest(address: IPAddress, networks: Iterable[IPNetwork]) -> int:
    """Return the length of the longest prefix that has the address; -1 if none has."""
    return max((network.prefixlen for network in networks if address in network), default=-1)
