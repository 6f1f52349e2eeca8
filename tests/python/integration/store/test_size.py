"""Ten thousand physical resources in one transaction."""

from __future__ import annotations

import time

import pytest

from controller.clock import VirtualClock
from controller.model import document
from controller.store import references, resources
from controller.store.database import Database, Transaction
from tests.python.contract.store.samples import racks, site, store


@pytest.mark.design("G3")
@pytest.mark.slow
def test_ten_thousand_physical_resources_cost_less_than_ten_seconds(database: Database, clock: VirtualClock) -> None:
    store(database, *site(), *racks(*(f"rack-{number}" for number in range(100))))
    raws = [
        {
            "kind": "PhysicalResource",
            "name": f"server-{number}",
            "datacenter": "tokyo",
            "spec": {
                "role": "Server",
                "rack": f"rack-{number % 100}",
                "ports": [{"name": "eth0"}, {"name": "eth1"}],
                "network_links": [{"port": "eth0", "peer": "server-0"}],
            },
        }
        for number in range(10_000)
    ]
    began = time.process_time()  # not the wall clock: other tests may run beside this one
    parsed = document.parse_all(raws)

    def work(tx: Transaction) -> None:
        references.check(tx, parsed)
        resources.insert(tx, parsed)

    database.write(work)
    assert time.process_time() - began < 10
    assert database.read(lambda tx: resources.count(tx, "PhysicalResource", fields={"spec.rack": "rack-7"})) == 100
