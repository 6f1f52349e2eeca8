"""Limits of a machine's taps: so many bytes per second each way (design I4).

Towards the guest the kernel's token bucket (``tbf``) on the tap lets packets wait; from the guest a
rule in the tap's own ingress chain drops what is too much, for a host cannot make a guest wait.
Both hold for one tap, so that the taps of one machine never have more than their sum.

libvirt's ``<bandwidth>`` is not used: it needs parts of the kernel (sfq, fw, police) that not every
host has, and it cannot be told to leave a tap that is there already limited while it is changed.

``limit`` is idempotent and replaces what was there at once. What is made dies with the tap, but for
an empty table, which ``release`` removes. Every function blocks, and works in the network namespace
of the caller.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pyroute2 import IPRoute, NetlinkError

from controller.errors import Unavailable
from controller.hostnet import nft

LARGEST = 1 << 16
"""Bytes of the largest packet that a tap may carry (a segment not yet cut to the MTU)."""
SECONDS = 10.0
_FASTEST = (1 << 32) - 1
"""The highest rate that the message to the kernel holds: 34 Gbit/s, more than a tap carries."""
_QUEUE = "50ms"
"""The longest that a packet towards the guest waits."""


def limit(owner: str, taps: Sequence[str], rate: int) -> None:
    """Limit each of the taps to ``rate`` bytes per second each way. ``owner`` names the machine's table.

    Raises Unavailable when a tap is not there or the kernel cannot do it.
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
                    raise Unavailable(f"{tap} is not there to be limited")
                shaped = min(rate, _FASTEST)
                burst = max(shaped // 50, LARGEST // 4)
                netlink.tc("replace", "tbf", found[0], 0x10000, rate=shaped, burst=burst, latency=_QUEUE)
    except NetlinkError as error:
        raise Unavailable(f"the kernel refused to limit {', '.join(taps)}: {error}") from error


def read(owner: str, taps: Sequence[str]) -> list[tuple[int, int]]:
    """Bytes per second towards and from the guest of each tap; 0 where there is no limit."""
    incoming = _policed(owner)
    answer = []
    with IPRoute() as netlink:
        for tap in taps:
            found = netlink.link_lookup(ifname=tap)
            shaped = _shaped(netlink, found[0]) if found else 0
            answer.append((shaped, incoming.get(tap, 0)))
    return answer


def release(owner: str) -> None:
    """Forget the machine's table; none: no effect."""
    if owner in _tables():
        nft.run("delete", "table", "netdev", owner, seconds=SECONDS)


def _shaped(netlink: IPRoute, index: int) -> int:
    for qdisc in netlink.get_qdiscs(index):
        parameters = qdisc.get_nested("TCA_OPTIONS", "TCA_TBF_PARMS") if qdisc.get("kind") == "tbf" else None
        if parameters is not None:
            return int(parameters["rate"])
    return 0


def _policed(owner: str) -> dict[str, int]:
    if owner not in _tables():
        return {}
    rates: dict[str, int] = {}
    for item in json.loads(nft.run("--json", "list", "table", "netdev", owner, seconds=SECONDS))["nftables"]:
        rule = item.get("rule")
        for part in rule["expr"] if rule else ():
            if "limit" in part:
                words = part["limit"]
                rates[rule["chain"]] = int(words["rate"]) * _UNITS[words.get("rate_unit", "bytes")]
    return rates


_UNITS = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}


def _tables() -> set[str]:
    listed = json.loads(nft.run("--json", "list", "tables", "netdev", seconds=SECONDS))["nftables"]
    return {item["table"]["name"] for item in listed if "table" in item}
