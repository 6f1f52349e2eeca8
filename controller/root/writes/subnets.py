"""Subnets of one cluster must not overlap: an address must belong to one network only.

Checked for a whole batch at once, stored networks and new ones together, in one sweep per cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from controller.model.network import NETWORK_V4, NetworkV4
from controller.root.writes.immutability_rules import Refusal, invalid
from controller.root.writes.port_claims import Change
from controller.store import resources
from controller.store.database import Transaction


def refusals(tx: Transaction, changes: Sequence[Change]) -> list[tuple[int, Refusal]]:
    """Return, by step, the new networks that overlap others; the subnet of a stored network cannot change."""
    new: dict[str, dict[str, int]] = defaultdict(dict)
    networks: dict[str, list[NetworkV4]] = {}
    for index, before, after in changes:
        if isinstance(after, NetworkV4) and before is None:
            new[after.cluster][after.name] = index
            networks.setdefault(after.cluster, []).append(after)
    found: list[tuple[int, Refusal]] = []
    for cluster, made in networks.items():
        stored = [one for one in resources.list_all(tx, NETWORK_V4, parents=(cluster,)) if isinstance(one, NetworkV4)]
        for first, second in _overlapping([*stored, *made]):
            late, other = (second, first) if second.name in new[cluster] else (first, second)
            reason = f"overlaps {other.spec.subnet} of network {other.name}"
            found.append((new[cluster][late.name], invalid("spec.subnet", reason)))
    return found


def _overlapping(networks: Sequence[NetworkV4]) -> list[tuple[NetworkV4, NetworkV4]]:
    """Return pairs that overlap, each network with at most one other; of two equal subnets the earlier first."""
    pairs: list[tuple[NetworkV4, NetworkV4]] = []
    widest: NetworkV4 | None = None
    for one in sorted(
        networks, key=lambda network: (network.spec.subnet.network_address, network.spec.subnet.prefixlen)
    ):
        if widest is not None and one.spec.subnet.overlaps(widest.spec.subnet):
            pairs.append((widest, one))
        else:
            widest = one
    return pairs
