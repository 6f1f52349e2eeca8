"""Allocates service addresses: the lowest free ones of a network, each with one owner.

Every address is a row with its network and number as key, and with a MAC address that is unique in the whole system.
The NetworkV4Port that users see is written and deleted with it, in one transaction. An owner is named by kind and key,
because a Compute and a Loadbalancer may have equal keys.

Design: D7
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from sqlalchemy import delete, select

from controller.errors import AddressesExhausted
from controller.model.compute import COMPUTE
from controller.model.network import NETWORK_V4_PORT, NetworkV4, NetworkV4Port, NetworkV4PortSpec
from controller.model.registry import Key
from controller.store import bulk_statements, resources
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.tables import address


def allocate(tx: Transaction, network: NetworkV4, owners: Sequence[tuple[str, str, str]]) -> list[NetworkV4Port]:
    """Allocate one address for each ``(kind, key, uid)``, in that order; an owner may occur twice.

    Raises AddressesExhausted, and allocates none, if too few are free.
    """
    if not owners:
        return []
    where = f"{network.cluster}/{network.name}"
    taken = set(tx.connection.execute(select(address.c.value).where(address.c.network == where)).scalars())
    pool = _pool(network)
    values = [value for value, _ in zip((value for value in pool if value not in taken), owners, strict=False)]
    if len(values) < len(owners):
        raise AddressesExhausted(
            f"NetworkV4 {where} has {len(values)} free addresses of {len(pool)}; {len(owners)} are needed"
        )
    macs = _macs(tx, where, values)
    given = list(zip(values, macs, owners, strict=True))
    bulk_statements.insert(
        tx,
        address,
        [
            {"network": where, "value": value, "mac": mac, "owner_kind": kind, "owner": path, "owner_uid": uid}
            for value, mac, (kind, path, uid) in given
        ],
    )
    ports = [_port(network, IPv4Address(value), mac, kind, path) for value, mac, (kind, path, _) in given]
    return resources.insert(tx, ports)


def free(tx: Transaction, owner_paths: Sequence[str], kind: str = COMPUTE.name) -> None:
    """Free all addresses of the owners; owners without addresses are ignored."""
    resources.delete(tx, _keys(tx, owner_paths, kind))
    tx.connection.execute(delete(address).where(address.c.owner_kind == kind, among(tx, address.c.owner, owner_paths)))


def of_project(tx: Transaction, project: str) -> list[tuple[str, int]]:
    """Return the key of the Compute and the address, as a number, for each address of the project's Computes."""
    statement = select(address.c.owner, address.c.value).where(
        address.c.owner_kind == COMPUTE.name, address.c.owner.startswith(f"{project}/", autoescape=True)
    )
    return [(row.owner, row.value) for row in tx.connection.execute(statement)]


def _keys(tx: Transaction, owner_paths: Sequence[str], kind: str) -> list[Key]:
    statement = (
        select(address.c.network, address.c.value)
        .where(address.c.owner_kind == kind, among(tx, address.c.owner, owner_paths))
        .order_by(address.c.network, address.c.value)
    )
    return [
        NETWORK_V4_PORT.key(*row.network.split("/"), _port_name(IPv4Address(row.value)))
        for row in tx.connection.execute(statement)
    ]


def _pool(network: NetworkV4) -> Sequence[int]:
    """Return the addresses that may be allocated: never the subnet's own and its broadcast address."""
    first, last = int(network.spec.start_address), int(network.spec.end_address)
    subnet = network.spec.subnet
    if subnet.prefixlen < 31:
        first = max(first, int(subnet.network_address) + 1)
        last = min(last, int(subnet.broadcast_address) - 1)
    return range(first, last + 1)


def _macs(tx: Transaction, where: str, values: Sequence[int]) -> list[str]:
    """Return MAC addresses: ``52:54`` and the address; a digest if another network has that MAC address."""
    plain = [_mac(value.to_bytes(4, "big")) for value in values]
    used = set(tx.connection.execute(select(address.c.mac).where(among(tx, address.c.mac, plain))).scalars())
    chosen: list[str] = []
    for value, mac in zip(values, plain, strict=True):
        others = _digests(where, value)
        while mac in used:
            mac = _mac(next(others))
            if tx.connection.execute(select(address.c.mac).where(address.c.mac == mac)).first():
                used.add(mac)
        used.add(mac)
        chosen.append(mac)
    return chosen


def _digests(where: str, value: int) -> Iterator[bytes]:
    number = 0
    while True:
        yield hashlib.sha256(f"{where} {value} {number}".encode()).digest()[:4]
        number += 1


def _mac(last_four: bytes) -> str:
    return "52:54:" + last_four.hex(":")


def _port_name(value: IPv4Address) -> str:
    return str(value).replace(".", "-")


def _port(network: NetworkV4, value: IPv4Address, mac: str, kind: str, path: str) -> NetworkV4Port:
    return NetworkV4Port(
        name=_port_name(value),
        cluster=network.cluster,
        network=network.name,
        spec=NetworkV4PortSpec(address=value, mac=mac, owner_kind=kind, owner=path),
    )
