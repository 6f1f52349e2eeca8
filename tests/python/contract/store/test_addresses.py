"""Addresses (D7): lowest free first, never twice, back when freed."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from controller.clock import VirtualClock
from controller.errors import AddressesExhausted
from controller.model.network import NETWORK_V4_PORT, NetworkV4, NetworkV4Port
from controller.store import addresses, resources
from controller.store.database import Database, Tier, Transaction
from tests.python.contract.store.samples import make
from tests.python.databases import Databases

pytestmark = pytest.mark.design("D7", "B5")


def network(name: str = "service", cluster: str = "tokyo1", first: int = 10, last: int = 14) -> NetworkV4:
    spec = {
        "subnet": "172.16.10.0/24",
        "gateway": "172.16.10.1",
        "start_address": f"172.16.10.{first}",
        "end_address": f"172.16.10.{last}",
    }
    return cast(NetworkV4, make("NetworkV4", name, spec, cluster=cluster))


def owner(number: int) -> tuple[str, str, str]:
    return ("Compute", f"default/kanto/web-{number}", f"u{number}")


def allocate(db: Database, *numbers: int, of: NetworkV4 | None = None) -> list[NetworkV4Port]:
    wanted = [owner(number) for number in numbers]
    return db.write(lambda tx: addresses.allocate(tx, of or network(), wanted))


def last_bytes(ports: list[NetworkV4Port]) -> list[int]:
    return [port.spec.address.packed[3] for port in ports]


def test_the_lowest_free_addresses_are_given_in_order(database: Database) -> None:
    ports = allocate(database, 0, 1, 2)
    assert last_bytes(ports) == [10, 11, 12]
    assert ports[0].name == "172-16-10-10"
    assert ports[0].spec.mac == "52:54:ac:10:0a:0a"
    assert ports[0].spec.owner == "default/kanto/web-0"
    database.write(lambda tx: addresses.free(tx, ["default/kanto/web-1"]))
    assert last_bytes(allocate(database, 3, 4)) == [11, 13]


def of_owner(tx: Transaction, path: str) -> list[NetworkV4Port]:
    return resources.list_all(tx, NETWORK_V4_PORT, fields={"spec.owner_kind": "Compute", "spec.owner": path})


def test_ports_are_seen_with_their_network_and_gone_when_freed(database: Database) -> None:
    allocate(database, 0, 0)
    assert last_bytes(database.read(lambda tx: of_owner(tx, "default/kanto/web-0"))) == [10, 11]
    assert database.read(lambda tx: resources.count(tx, "NetworkV4Port", parents=("tokyo1", "service"))) == 2
    database.write(lambda tx: addresses.free(tx, ["default/kanto/web-0", "default/kanto/none"]))
    assert database.read(lambda tx: of_owner(tx, "default/kanto/web-0")) == []
    assert database.read(lambda tx: resources.count(tx, "NetworkV4Port")) == 0


def test_a_loadbalancer_and_a_compute_of_one_name_have_their_own(database: Database) -> None:
    allocate(database, 0)
    vip = ("Loadbalancer", "default/kanto/web-0", "u9")
    database.write(lambda tx: addresses.allocate(tx, network(), [vip]))
    database.write(lambda tx: addresses.free(tx, [vip[1]], kind="Loadbalancer"))
    assert last_bytes(database.read(lambda tx: of_owner(tx, vip[1]))) == [10]


def test_an_exhausted_network_gives_nothing(database: Database) -> None:
    allocate(database, 0, 1, 2)
    with pytest.raises(AddressesExhausted, match=r"NetworkV4 tokyo1/service has 2 free addresses of 5; 3 are needed"):
        allocate(database, 3, 4, 5)
    assert last_bytes(allocate(database, 3, 4)) == [13, 14]


def test_the_ends_of_the_subnet_are_never_given(database: Database) -> None:
    assert len(allocate(database, *range(4), of=network(first=251, last=255))) == 4
    with pytest.raises(AddressesExhausted):
        allocate(database, 4, of=network(first=251, last=255))


def test_one_address_in_two_networks_has_two_macs(database: Database) -> None:
    ports = [*allocate(database, 0, 1), *allocate(database, 2, 3, of=network(cluster="tokyo2"))]
    assert last_bytes(ports) == [10, 11, 10, 11]
    assert len({port.spec.mac for port in ports}) == 4


def test_writers_at_once_never_get_one_address_twice(databases: Databases, clock: VirtualClock) -> None:
    url = databases.url()
    given: list[NetworkV4Port] = []

    def run(db: Database, first: int) -> None:
        for number in range(first, first + 5):
            given.extend(allocate(db, number, of=network(last=200)))

    opened = [databases.open(url, Tier.ROOT, clock) for _ in range(3)]
    threads = [threading.Thread(target=run, args=(db, 100 * number)) for number, db in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(last_bytes(given)) == list(range(10, 25))
