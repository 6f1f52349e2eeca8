"""Ten thousand physical resources in one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from controller.model import document
from controller.store import references, resources
from controller.store.database import Database, Transaction
from tests.python.contract.store.samples import racks, site, store


@pytest.mark.design("G3")
@pytest.mark.slow
def test_ten_thousand_physical_resources_cost_few_statements(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What costs at this size is going to the database; seconds are for ``make bench``."""
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
    statements = 0
    execute = Connection.execute

    def counted(connection: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(connection, *arguments, **more)

    monkeypatch.setattr(Connection, "execute", counted)
    parsed = document.parse_all(raws)

    def work(tx: Transaction) -> None:
        references.check(tx, parsed)
        resources.insert(tx, parsed)

    database.write(work)
    assert 0 < statements < 100
    assert database.read(lambda tx: resources.count(tx, "PhysicalResource", fields={"spec.rack": "rack-7"})) == 100
