"""Lists the networks of the node's own interfaces, for the agent, which fetches images from none of them.

Reads the network namespace that the process is in, as of now; interfaces come and go.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_interface

from pyroute2 import IPRoute, NetlinkError

from controller.errors import Unavailable


def own_networks() -> frozenset[IPv4Network | IPv6Network]:
    """Return the network of each address of each interface; raises Unavailable."""
    try:
        with IPRoute() as netlink:
            found = [(each.get("local") or each.get("address"), each["prefixlen"]) for each in netlink.get_addr()]
    except (OSError, NetlinkError) as error:
        raise Unavailable("the networks of the node's interfaces cannot be read") from error
    return frozenset(ip_interface(f"{address}/{length}").network for address, length in found if address)
