"""Address allocation for Computes and VIPs: which network each interface gets.

Runs in the caller's transaction: either every Compute of a step gets all its addresses, or the step is rolled back.

Design: D7
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from controller.errors import AddressesExhausted, NotFound
from controller.model.compute import Interface
from controller.model.network import NETWORK_V4, NetworkV4
from controller.model.region_service import AssignPolicy, NetworkPolicy
from controller.model.registry import Key
from controller.root.service_template import interface
from controller.store import addresses, resources
from controller.store.database import Transaction


def allocate(
    tx: Transaction, cluster: str, policy: NetworkPolicy, owners: Sequence[Key]
) -> dict[Key, tuple[Interface, ...]]:
    """Return the interfaces of each owner; raises AddressesExhausted, NotFound (unknown network)."""
    if policy.interfaces == 0:
        return dict.fromkeys(owners, ())
    networks = _networks(tx, cluster, policy)
    try:
        return _allocate(tx, networks, policy, owners)
    except AddressesExhausted:
        if len(networks) == 1 or len(owners) == 1:
            raise
    given: dict[Key, tuple[Interface, ...]] = {}
    for owner in owners:
        given.update(_allocate(tx, networks, policy, [owner]))
    return given


def allocate_vip(tx: Transaction, cluster: str, network: str, owner: Key) -> IPv4Address:
    """Return one address of the named network."""
    chosen = resources.get(tx, _network_key(cluster, network))
    port = addresses.allocate(tx, chosen, [(owner.kind, owner.path, "")])[0]
    return port.spec.address


def _allocate(
    tx: Transaction, networks: Sequence[NetworkV4], policy: NetworkPolicy, owners: Sequence[Key]
) -> dict[Key, tuple[Interface, ...]]:
    if policy.assign_policy is AssignPolicy.ANTI_AFFINITY:
        per_interface = [networks[number % len(networks)] for number in range(policy.interfaces)]
        return _take(tx, per_interface, owners)
    for number, network in enumerate(networks):
        try:
            with tx.connection.begin_nested():
                return _take(tx, [network] * policy.interfaces, owners)
        except AddressesExhausted:
            if number == len(networks) - 1:
                raise
    raise AssertionError("a service has at least one network")


def _take(
    tx: Transaction, per_interface: Sequence[NetworkV4], owners: Sequence[Key]
) -> dict[Key, tuple[Interface, ...]]:
    given: dict[Key, list[Interface]] = {owner: [] for owner in owners}
    for network in per_interface:
        taken = addresses.allocate(tx, network, [(owner.kind, owner.path, "") for owner in owners])
        for owner, port in zip(owners, taken, strict=True):
            given[owner].append(interface(network, port))
    return {owner: tuple(interfaces) for owner, interfaces in given.items()}


def _networks(tx: Transaction, cluster: str, policy: NetworkPolicy) -> list[NetworkV4]:
    if policy.static_networks:
        keys = [_network_key(cluster, name) for name in policy.static_networks]
        found = resources.get_many(tx, keys)
        for key in keys:
            if key not in found:
                raise NotFound(f"network {key.names[-1]!r} is not in cluster {cluster!r}, which runs the service")
        return [found[key] for key in keys]
    networks = resources.list_all(tx, NETWORK_V4, parents=(cluster,))
    if not networks:
        raise NotFound(f"cluster {cluster!r} has no network: make a NetworkV4 there")
    return sorted(networks, key=lambda network: network.name)


def _network_key(cluster: str, name: str) -> Key[NetworkV4]:
    return NETWORK_V4.key(cluster, name)
