"""Limits the bandwidth of a machine's taps in bytes per second each way, for the libvirt driver.

Packets to the guest wait in the kernel's token bucket (``tbf``) on the tap. For packets from the
guest, a rule in the tap's own ingress chain drops those above the limit, because a host cannot make
a guest wait. Both apply to one tap, so the taps of a machine never exceed their sum.

libvirt's ``<bandwidth>`` is not used: it needs parts of the kernel (sfq, fw, police) that not every
host has, and a tap has no limit for a moment while libvirt changes it.

``limit`` is idempotent and replaces earlier limits atomically. The limits end with the tap, except
for an empty table, which ``release`` removes. Every function blocks, and works in the network
namespace of the caller.

Design: I4
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pyroute2 import IPRoute, NetlinkError

from controller.errors import Unavailable
from controller.hostnet import nft

LARGEST = 1 << 16
"""Bytes of the largest packet of a tap (a segment that is not yet split to the MTU)."""
SECONDS = 10.0
_FASTEST = (1 << 32) - 1
"""The highest rate that fits into the request to the kernel: 34 Gbit/s, more than a tap can transfer."""
_QUEUE = "50ms"
"""The longest time that a packet to the guest waits."""


def limit(owner: str, taps: Sequence[str], rate: int) -> None:
    """Limit each of the taps to ``rate`` bytes per second each way. ``owner`` names the machine's table.

    Raises Unavailable when a tap does not exist or the kernel cannot limit it.
    """
    lines = [f"add table netdev {owner}", f"delete table netdev {owner}", f"add table netdev {owner}"]
    for tap in taps:
        hook = f'{{ type filter hook ingress device "{tap}" priority 0 ; policy accept ; }}'
        lines.append(f"add chain netdev {owner} {tap} {hook}")
        lines.append(f"add rule netdev {owner} {tap} limit rate over {rate} bytes/second burst {LARGEST} bytes drop")
    nft.run("-f", "-", seconds=SECONDS, text="\n".join(lines) + "\n")
    try:
        with IPRoute() as netlink:
            for tap in taps:
                found = netlink.link_lookup(ifname=tap)
                if not found:
                    raise Unavailable(f"cannot limit {tap}: it does not exist")
                shaped = min(rate, _FASTEST)
                burst = max(shaped // 50, LARGEST // 4)
                netlink.tc("replace", "tbf", found[0], 0x10000, rate=shaped, burst=burst, latency=_QUEUE)
    except NetlinkError as error:
        raise Unavailable(f"the kernel refused to limit {', '.join(taps)}: {error}") from error


def read(owner: str, taps: Sequence[str]) -> list[tuple[int, int]]:
    """Return the bytes per second to and from the guest for each tap; 0 where it is not limited."""
    incoming = _ingress_limits(owner)
    answer = []
    with IPRoute() as netlink:
        for tap in taps:
            found = netlink.link_lookup(ifname=tap)
            shaped = _egress_limit(netlink, found[0]) if found else 0
            answer.append((shaped, incoming.get(tap, 0)))
    return answer


def release(owner: str) -> None:
    """Delete the machine's table if it exists."""
    if owner in _tables():
        nft.run("delete", "table", "netdev", owner, seconds=SECONDS)


def _egress_limit(netlink: IPRoute, index: int) -> int:
    for qdisc in netlink.get_qdiscs(index):
        parameters = qdisc.get_nested("TCA_OPTIONS", "TCA_TBF_PARMS") if qdisc.get("kind") == "tbf" else None
        if parameters is not None:
            return int(parameters["rate"])
    return 0


def _ingress_limits(owner: str) -> dict[str, int]:
    if owner not in _tables():
        return {}
    rates: dict[str, int] = {}
    for item in json.loads(nft.run("--json", "list", "table", "netdev", owner, seconds=SECONDS))["nftables"]:
        rule = item.get("rule")
        for part in rule["expr"] if rule else ():
            if "limit" in part:
                limit = part["limit"]
                rates[rule["chain"]] = int(limit["rate"]) * _UNITS[limit.get("rate_unit", "bytes")]
    return rates


_UNITS = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}


def _tables() -> set[str]:
    listed = json.loads(nft.run("--json", "list", "tables", "netdev", seconds=SECONDS))["nftables"]
    return {item["table"]["name"] for item in listed if "table" in item}
